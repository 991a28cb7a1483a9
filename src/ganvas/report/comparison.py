"""The page that compares runs: scores, bars, pictures and cost, in one file that opens offline."""

import base64
import math
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup

from ganvas.report import glossary
from ganvas.report.figures import count, duration, plain

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Cost:
    """The cost of a run. None: not recorded, or not available.

    multiply_adds: for one generated example. peak_memory: bytes, of the training process. machine: that trained it.
    """

    images: int
    seconds: float
    parameters: int
    multiply_adds: int | None
    peak_memory: int | None
    machine: str


@dataclass(frozen=True)
class Column:
    """A run.

    samples: a PNG. copies: a PNG strip of reconstructed held-out examples, or why there is none.
    neighbours: a PNG of the samples closest to training data, each above its nearest training example; None if
    not measured.
    """

    name: str
    path: str
    recipe: str
    summary: str
    source: str
    cost: Cost
    samples: bytes = field(repr=False)
    copies: bytes | str = field(repr=False)
    neighbours: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Cell:
    """One run's score. value: None without a score; `reason` then says why."""

    value: float | None = None
    error: float | None = None
    untrained: float | None = None
    shown: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """A score of all runs measured under one card; `protocol` describes the card.

    cells: one per run. floor: of real data in place of samples. best: indices of the best runs; empty for one run.
    """

    name: str
    better: str
    protocol: str
    cells: tuple[Cell, ...]
    floor: float | None
    best: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """Compared runs. originals: the PNG strip that `Column.copies` reconstructs, or None."""

    data: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    originals: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Bar:
    """A run's bar, in per cent of its track; `whisker`: start and end of its error."""

    name: str
    colour: int
    start: float
    width: float
    whisker: tuple[float, float] | None
    shown: str
    best: bool


@dataclass(frozen=True)
class Bars:
    """One score's bars. floor: position of real data, in per cent, or None."""

    name: str
    better: str
    meaning: str
    bars: tuple[Bar, ...]
    floor: float | None


def render_comparison(comparison: Comparison) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, duration=duration, plain=plain, name=glossary.metric_name, png=png)
    return environment.get_template("compare.html").render(
        comparison=comparison,
        columns=comparison.columns,
        style=Markup("\n".join((HERE / name).read_text("utf-8") for name in ("page.css", "compare.css"))),
        charts=[bars(line, comparison.columns) for line in comparison.lines if comparable(line)],
        costs=costs(comparison.columns),
        footnotes=footnotes(comparison.lines),
    )


def comparable(line: Line) -> bool:
    return sum(cell.value is not None and math.isfinite(cell.value) for cell in line.cells) > 1


def bars(line: Line, columns: tuple[Column, ...]) -> Bars:
    """A bar from zero for each run that has the score."""
    cells = [(i, cell, cell.value) for i, cell in enumerate(line.cells)]
    known = [(i, cell, value) for i, cell, value in cells if value is not None and math.isfinite(value)]
    ends = [end for _, cell, value in known for end in (value - (cell.error or 0), value + (cell.error or 0))]
    ends += [0.0] if line.floor is None or not math.isfinite(line.floor) else [0.0, line.floor]
    low, high = min(ends), max(ends)
    span = high - low or 1.0

    def place(value: float) -> float:
        return round(100 * (value - low) / span, 2)

    drawn = tuple(
        Bar(
            name=columns[i].name,
            colour=i % 6,
            start=place(min(value, 0.0)),
            width=round(100 * abs(value) / span, 2),
            whisker=(place(value - cell.error), place(value + cell.error)) if cell.error else None,
            shown=cell.shown,
            best=i in line.best,
        )
        for i, cell, value in known
    )
    floor = place(line.floor) if line.floor is not None and math.isfinite(line.floor) else None
    return Bars(glossary.metric_name(line.name), line.better, glossary.metric(line.name).text, drawn, floor)


def costs(columns: tuple[Column, ...]) -> list[tuple[str, list[str]]]:
    """Rows with the cost of each run, as text."""
    all_costs = [column.cost for column in columns]
    rows: list[tuple[str, list[str]]] = [
        ("images seen", [count(cost.images) for cost in all_costs]),
        ("training took", [duration(cost.seconds) if cost.seconds else "—" for cost in all_costs]),
        ("parameters", [count(cost.parameters) for cost in all_costs]),
        ("multiply-adds per sample", ["—" if c.multiply_adds is None else count(c.multiply_adds) for c in all_costs]),
        ("peak memory of training", ["—" if c.peak_memory is None else memory(c.peak_memory) for c in all_costs]),
        ("trained on", [cost.machine or "—" for cost in all_costs]),
    ]  # fmt: skip
    return rows


def memory(size: int) -> str:
    """512 MiB, 1.3 GiB."""
    return f"{plain(size / 2**30, 2)} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def footnotes(lines: tuple[Line, ...]) -> dict[str, int]:
    """The reasons for empty cells, numbered in order of appearance."""
    reasons = dict.fromkeys(cell.reason for line in lines for cell in line.cells if cell.reason)
    return {reason: number for number, reason in enumerate(reasons, 1)}


def png(picture: bytes) -> str:
    """A picture as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
