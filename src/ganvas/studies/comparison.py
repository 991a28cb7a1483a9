"""Compares runs under one protocol: comparable scores, the best runs, and the cost of each run."""

import dataclasses
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.core.abilities import Encodes
from ganvas.data import Binarize, Data, DataInfo, Split, representative
from ganvas.data.domains.pictures import writing
from ganvas.errors import GanvasError, option
from ganvas.machine import rng
from ganvas.machine.storage import atomically
from ganvas.metrics.card import PROTOCOL, Card, comparable
from ganvas.metrics.catalog import METRICS, Row
from ganvas.metrics.cost import multiply_adds, num_parameters
from ganvas.metrics.evaluation import USUAL, Evaluation, Protocol
from ganvas.metrics.features import FeatureNetwork
from ganvas.report import render_comparison
from ganvas.report.comparison import Cell, Column, Comparison, Cost, Line
from ganvas.runs.scores import kept, rounded
from ganvas.studies.measuring import NEIGHBOURS, evaluation_of, keep, measure, recall
from ganvas.use.run import Run

NUM_COPIES, COPY_COLUMNS = 32, 16


@dataclass(frozen=True)
class Contender:
    """A run with its data.

    name: distinguishes it from the others. rows: its scores by name. lacks: by metric, why there is no score. failed: those
    metrics that apply to the run but failed.
    """

    name: str
    run: Run
    data: Data
    rows: dict[str, Row]
    lacks: dict[str, str]
    failed: list[str]


def compare(
    runs: Sequence[Run],
    load: Callable[[Run], tuple[Data, Split | str | None]],
    source: str,
    protocol: Protocol,
    out: Path,
) -> Path:
    """Measures the runs and writes `out`/index.html and compare.json. Returns the page.

    load: from a run to its evaluation data and training data, as for `Evaluation.of`.
    """
    check(runs)
    protocol = protocol.checked()
    contenders = [
        measured(name, run, *load(run), source, protocol) for name, run in zip(names(runs), runs, strict=True)
    ]
    lines, refusals, cards = lines_of(contenders, protocol.metrics or [name for c in contenders for name in c.failed])
    comparison = Comparison(
        data=source,
        columns=tuple(column(contender, protocol.seed) for contender in contenders),
        lines=tuple(lines),
        notes=(*refusals, *binary(contenders), *notes(contenders)),
        originals=originals(contenders[0]),
    )
    page = out / "index.html"
    with writing(page):
        facts = json.dumps(to_json(comparison, cards, protocol), indent=2, allow_nan=False)
        atomically(out / "compare.json", lambda part: part.write_text(facts))
        atomically(page, lambda part: part.write_text(render_comparison(comparison), encoding="utf-8"))
    return page


def binary(contenders: Sequence[Contender]) -> list[str]:
    """A note on runs with black and white pixels, if other runs have grey ones."""
    names = [c.name for c in contenders if isinstance(c.run.recipe.transform, Binarize)]
    if not names or len(names) == len(contenders):
        return []
    return [f"Trained and scored on black and white pixels: {', '.join(names)}."]


def notes(contenders: Sequence[Contender]) -> list[str]:
    """The notes of the cards, each once, with the names of its runs unless all have it."""
    found: dict[str, list[str]] = {}
    for contender in contenders:
        for note in dict.fromkeys(note for row in contender.rows.values() for note in row.score.card.notes):
            found.setdefault(note, []).append(contender.name)
    everywhere = len(contenders)
    return [note if len(whose) == everywhere else f"{', '.join(whose)}: {note}" for note, whose in found.items()]


def check(runs: Sequence[Run]) -> None:
    """Raises GanvasError if these runs cannot be compared at all."""
    if len(runs) < 2:
        raise GanvasError("A comparison needs at least two runs.", "For one run use `ganvas evaluate`.")
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise GanvasError(f"The run {run.path} is named twice.")
    shapes = {run.shown.shape: run for run in runs}
    if len(shapes) > 1:
        found = " against ".join(f"{shape} of {run.path}" for shape, run in shapes.items())
        raise GanvasError(
            f"These runs cannot be compared: the shape of their examples differs: {found}.",
            f"Scores for examples of different sizes are not comparable. Train them on the same {option('size')}.",
        )


def names(runs: Sequence[Run]) -> list[str]:
    """Each run's folder name, with parent folders if names are equal."""
    parts = [run.path.resolve().parts for run in runs]
    return [
        next(
            "/".join(mine[-depth:])
            for depth in range(1, len(mine) + 1)
            if sum(other[-depth:] == mine[-depth:] for other in parts) == 1
        )
        for mine in parts
    ]


def measured(
    name: str, run: Run, data: Data, trained_on: Split | str | None, source: str, protocol: Protocol
) -> Contender:
    """A run with all its scores. Stored scores of an equal evaluation are not measured again."""
    kept(run.path)  # raises for damaged scores, which would otherwise look like a metric that failed
    evaluation = evaluation_of(run, data, protocol, trained_on)
    contender = Contender(name, run, data, rows={}, lacks={}, failed=[])
    for metric in protocol.metrics or USUAL:
        lack = evaluation.lacks(metric)
        if lack:
            contender.lacks[metric] = lack[0]
            continue
        try:
            rows = scores(run, evaluation, metric, source)
            contender.rows.update({row.score.name: row for row in rows})
        except GanvasError as error:
            contender.lacks[metric] = error.message
            contender.failed.append(metric)
    return contender


def scores(run: Run, evaluation: Evaluation, metric: str, source: str) -> list[Row]:
    rows, picture_of = recall(run, evaluation, metric), run.path / NEIGHBOURS
    drawn = picture_of.is_file() and not picture_of.is_symlink()
    if not rows or (metric == "memorisation" and not drawn):
        rows = measure(run, evaluation, metric)
        keep(run, rows, source, evaluation.protocol)
    return rows


def lines_of(contenders: Sequence[Contender], asked: Sequence[str]) -> tuple[list[Line], list[str], list[Card | None]]:
    """A line for each score and card; the reasons for several lines per score; and each line's card.

    asked: metrics that get a line even if no run has them.
    """
    lines, refusals, cards = list[Line](), list[str](), list[Card | None]()
    for name in dict.fromkeys(name for c in contenders for name in c.rows):
        groups = grouped([c.rows[name].score.card for c in contenders if name in c.rows])
        if len(groups) > 1:
            why = comparable([group[0] for group in groups])
            refusals.append(f"{name} is not compared in one line: {why}.")
        for group in groups:
            lines.append(line(name, group[0], len(groups) > 1, contenders))
            cards.append(group[0])
    for metric in dict.fromkeys(asked):
        if all(metric in c.lacks for c in contenders):
            lines.append(nobody(metric, contenders))
            cards.append(None)
    return lines, refusals, cards


def grouped(cards: Sequence[Card]) -> list[list[Card]]:
    """The cards in groups of comparable ones."""
    groups: list[list[Card]] = []
    for card in cards:
        home = next((group for group in groups if comparable([group[0], card]) is None), None)
        if home is None:
            groups.append([card])
        else:
            home.append(card)
    return groups


def line(name: str, card: Card, alone: bool, contenders: Sequence[Contender]) -> Line:
    """The scores of that name and card. alone: whether no other card has that name."""
    cells, floors, merits, learnt = list[Cell](), list[float](), list[float | None](), list[bool]()
    for contender in contenders:
        row = contender.rows.get(name)
        merits.append(None)
        learnt.append(row is not None and not_worse_than_untrained(row))
        if row is None:
            cells.append(Cell(reason=contender.lacks.get(card.metric, "")))
        elif why := comparable([card, row.score.card]):
            cells.append(Cell(reason=f"measured with another protocol: {why}"))
        else:
            untrained = None if row.untrained is None else row.untrained.value
            cells.append(Cell(row.score.value, row.score.error, untrained, rounded(row.score).replace("-", "−")))
            merits[-1] = METRICS[card.metric].merit(row.score)
            floors += [] if row.floor is None else [row.floor.value]
    better = next(c.rows[name].score.better for c in contenders if name in c.rows)
    best = tuple(i for i in leaders(merits, better) if learnt[i])
    return Line(name, better, described(card, alone), tuple(cells), floors[0] if floors else None, best)


def not_worse_than_untrained(row: Row) -> bool:
    """Whether the run is at least as good as its own untrained networks; true if those have no score.

    A run that training made worse earns no star, even if the others are worse still.
    """
    metric = METRICS[row.score.card.metric]
    ours, before = (None if score is None else metric.merit(score) for score in (row.score, row.untrained))
    if ours is None or before is None:
        return True
    return ours <= before if row.score.better == "lower" else ours >= before


def nobody(metric: str, contenders: Sequence[Contender]) -> Line:
    """The line of a metric that no run has."""
    return Line(metric, METRICS[metric].better, "", tuple(Cell(reason=c.lacks[metric]) for c in contenders), None, ())


def leaders(values: Sequence[float | None], better: str) -> tuple[int, ...]:
    """Indices of the best values; empty if fewer than two are comparable, or if all are equal."""
    known = {i: value for i, value in enumerate(values) if value is not None and not math.isnan(value)}
    if len(set(known.values())) < 2:
        return ()
    best = min(known.values()) if better == "lower" else max(known.values())
    return tuple(i for i, value in known.items() if value == best)


def described(card: Card, alone: bool) -> str:
    """A short summary of a card; with the examples' hash if two lines differ only in it."""
    words = [f"{card.num_samples:,} examples"]
    words += [card.features] if card.features else []
    words += [f"{name} {value}" for name, value in card.settings.items()]
    words += [f"data {card.data[:8]}"] if alone else []
    return ", ".join(words)


def column(contender: Contender, seed: int) -> Column:
    """The parts of a run's column other than scores."""
    run = contender.run
    settings, num = run.settings, run.shown.domain.num_shown
    y = torch.arange(num) % run.recipe.num_classes if run.recipe.num_classes else None
    return Column(
        name=contender.name,
        path=str(run.path),
        recipe=settings.recipe,
        summary=settings.summary,
        source=settings.source,
        cost=cost(run),
        samples=png(run.sample(num, y=y, seed=seed), run.shown),
        copies=copies(contender),
        neighbours=(run.path / NEIGHBOURS).read_bytes() if "memorisation" in contender.rows else None,
    )


def cost(run: Run) -> Cost:
    """The cost of training, and of drawing an example."""
    with rng.seeded("cost"), torch.no_grad():
        z = run.generator.draw_codes(2)
    y = torch.zeros(2, dtype=torch.int64, device=z.device) if run.recipe.num_classes else None
    peak = run.directory.log.latest("peak_memory")
    return Cost(
        images=run.images_seen,
        seconds=run.directory.log.latest("seconds") or 0.0,
        parameters=num_parameters(run.model),
        multiply_adds=multiply_adds(lambda codes: run.generator.generate(codes, y), z),
        peak_memory=None if peak is None else int(peak),
        machine=run.directory.machine(),
    )


def shown(contender: Contender) -> tuple[Tensor, Tensor | None]:
    """Held-out examples for the reconstructions of all runs, with their classes."""
    batch = contender.data.held_out.batch(representative(contender.data.held_out, NUM_COPIES))
    return batch.x, batch.y


def originals(contender: Contender) -> bytes | None:
    x, _ = shown(contender)
    return png(x, contender.run.shown, COPY_COLUMNS) if contender.run.shown.domain.in_rows else None


def copies(contender: Contender) -> bytes | str:
    """Reconstructions of the examples of `shown`, or the reason why there are none."""
    x, y = shown(contender)
    if not isinstance(contender.run.model, Encodes) or not contender.run.info.domain.in_rows:
        return "The model has no encoder."
    return png(contender.run.reconstruct(x, y), contender.run.info, COPY_COLUMNS)


def png(x: Tensor, info: DataInfo, columns: int | None = None) -> bytes:
    buffer = io.BytesIO()
    info.domain.picture(x, columns).save(buffer, "PNG")
    return buffer.getvalue()


def to_json(comparison: Comparison, cards: Sequence[Card | None], protocol: Protocol) -> dict[str, Any]:
    """The content of compare.json: the page without pictures, and every line's card."""
    runs = [
        {key: value for key, value in dataclasses.asdict(c).items() if key not in ("samples", "copies", "neighbours")}
        for c in comparison.columns
    ]
    return {
        "data": comparison.data,
        "protocol": {
            "metrics": list(protocol.metrics or USUAL),
            "num": protocol.num,
            "features": seen.name if isinstance(seen := protocol.features, FeatureNetwork) else seen,
            "importance_samples": protocol.importance_samples,
            "seed": protocol.seed,
        },
        "runs": runs,
        "scores": [
            {
                "name": line.name,
                "better": line.better,
                "runs": {
                    c.name: {"value": strict(cell.value), "error": cell.error, "untrained": strict(cell.untrained)}
                    | ({"reason": cell.reason} if cell.value is None else {})
                    for c, cell in zip(comparison.columns, line.cells, strict=True)
                },
                "floor": strict(line.floor),
                "best": [comparison.columns[i].name for i in line.best],
                "card": None
                if card is None
                else {key: value for key, value in dataclasses.asdict(card).items() if key in PROTOCOL},
            }
            for line, card in zip(comparison.lines, cards, strict=True)
        ],
        "notes": list(comparison.notes),
    }


def strict(value: float | None) -> float | str | None:
    """A value for JSON, which has no infinity: that becomes a string."""
    return value if value is None or math.isfinite(value) else str(value)
