"""Builds the report page from what the reader found: text, pictures and charts."""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from ganvas.health import Finding
from ganvas.machine.storage import atomically
from ganvas.report import commands, glossary
from ganvas.report.charts import Chart, line_chart
from ganvas.report.figures import count, duration, plain
from ganvas.report.reader import History, Picture, Points, Run, mapping, number, read_run
from ganvas.report.scores import scored

HERE = Path(__file__).parent

SPLITS = {"train": "train", "held_out": "held out"}

CHANNELS = {1: "grey", 3: "colour", 4: "colour-and-transparency"}

MAX_ITEMS = 12
"""The maximum number of list items shown in the settings."""


def write_report(run_directory: Path) -> Path:
    """Writes report.html into a run directory, from its files only, and returns its path.

    The page is one file and opens offline. The run may be unfinished: the page skips and names what is missing.
    Raises GanvasError if the directory is not a run.
    """
    page = render(read_run(run_directory))
    return atomically(
        run_directory / "report.html", lambda part: part.write_text(page, encoding="utf-8", errors="replace")
    )


def render(run: Run) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, duration=duration, plain=plain, words=glossary.words, data_uri=data_uri)
    script = (HERE / "script.html").read_text("utf-8")
    return environment.get_template("page.html").render(
        run=run,
        recipe=run.recipe,
        style=Markup((HERE / "page.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=_hash(script),
        status=status(run),
        facts=facts(run),
        has_encoder=has_encoder(run),
        walks=_stages(run.walks),
        ailments=ailments(run),
        players=player_charts(run.history),
        gradient_norms=_chart(run.history, "gradient norms", run.history.gradient_norms),
        throughput=_chart(run.history, "throughput", {"throughput": run.history.throughput}, "images per second"),
        measures=measures(run.history),
        scores=scored(run.scores),
        networks=sorted(run.networks.items(), key=lambda item: -item[1]),
        settings=settings(run),
        environment=rows(run.environment),
        again=commands.train_again(run.recipe),
        go_on=commands.go_on(run.recipe, run.directory, has_encoder(run), status(run).kind == "finished"),
        notes=[*run.notes, *_not_finite(run.history)],
    )


def _stages(pictures: list[Picture]) -> list[Picture]:
    """The first, the middle and the last item."""
    last = len(pictures) - 1
    return [pictures[i] for i in sorted({0, last // 2, last})] if pictures else []


def data_uri(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _hash(script: str) -> str:
    """The hash of the page's script for the content security policy, which blocks all other scripts."""
    code = script.split("<script>", 1)[1].split("</script>", 1)[0]
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")


@dataclass(frozen=True)
class Status:
    """A run's state. kind: "finished", "stopped" or "unfinished", for the colour."""

    kind: str
    words: str


def status(run: Run) -> Status:
    last = run.history.events[-1] if run.history.events else None
    wanted = run.recipe.images
    share = f" after {count(run.history.images)} of {count(wanted)} images" if wanted else ""
    if last and last.name == "finished":
        return Status("finished", "finished")
    if last and last.name not in ("resumed", "started"):
        return Status("stopped", glossary.words(last.name) + share)
    return Status("unfinished", "in training, or interrupted," + share)


def has_encoder(run: Run) -> bool:
    return bool(run.reconstructions) or any("encoder" in glossary.words(name) for name in run.networks)


@dataclass(frozen=True)
class Facts:
    """The run in words; empty if nothing is known."""

    data: str
    players: str
    took: str
    speed: str
    parameters: str


def facts(run: Run) -> Facts:
    history = run.history
    return Facts(
        data=_describe_data(run.recipe.data_info),
        players=_enumerate([glossary.words(name) for name in history.terms]),
        took=duration(history.seconds) if history.seconds else "",
        speed=plain(history.images / history.seconds, 3) if history.seconds else "",
        parameters=_parameters(sum(run.networks.values())) if run.networks else "",
    )


def _describe_data(info: Mapping[str, object]) -> str:
    """28 × 28 grey images in 62 classes"""
    shape = info.get("shape")
    sizes = [number(size) for size in shape] if isinstance(shape, list) else []
    if not sizes or not all(map(math.isfinite, sizes)):
        return ""
    if len(sizes) == 3:
        kind = CHANNELS.get(int(sizes[0]), f"{sizes[0]:.0f}-channel")
        words = f"{sizes[1]:.0f} × {sizes[2]:.0f} {kind} images"
    else:
        words = f"points in {' × '.join(f'{size:.0f}' for size in sizes)} dimensions"
    classes = info.get("classes")
    return f"{words} in {len(classes)} classes" if isinstance(classes, list) and classes else words


def _enumerate(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _parameters(total: int) -> str:
    return f"{plain(total / 1e6, 3)} million" if total >= 1_000_000 else count(total)


@dataclass(frozen=True)
class TermChart:
    name: str
    meaning: str
    chart: Chart


@dataclass(frozen=True)
class Ailment:
    """A problem that was found. ended: images at which it was gone; None while it lasts."""

    finding: Finding
    ended: int | None
    charts: list[TermChart]


def ailments(run: Run) -> list[Ailment]:
    """The run's problems now, then its earlier problems, with the curves that show them."""
    health = run.health
    lasting: list[tuple[Finding, int | None]] = [(finding, None) for finding in health.findings]
    found = [*lasting, *((healed.finding, healed.images) for healed in health.healed)]
    return [Ailment(finding, ended, evidence(run, finding, ended)) for finding, ended in found]


def evidence(run: Run, finding: Finding, ended: int | None) -> list[TermChart]:
    """A chart for each curve that shows a finding, with marks at its start and end."""
    ends = [] if ended is None else [(ended, "healed")]
    charts: list[TermChart] = []
    for name in finding.curves:
        meaning, points = glossary.curve(name), run.health.curves.get(name, [])
        chart = line_chart(
            name, {name: points}, meaning.unit, [(finding.since, "since"), *ends], until=run.history.images
        )
        charts += [] if chart is None else [TermChart(name, meaning.text, chart)]
    return charts


@dataclass(frozen=True)
class PlayerCharts:
    """One player's terms; hidden: terms without any finite value."""

    name: str
    meaning: str
    terms: list[TermChart]
    hidden: list[str]


def player_charts(history: History) -> list[PlayerCharts]:
    """A chart for each term of each player, and for the sum if there are several."""
    players: list[PlayerCharts] = []
    for player, terms in history.terms.items():
        shown, hidden = list[TermChart](), list[str]()
        for term, splits in (terms | _sum_of(terms)).items():
            name, meaning = glossary.words(term), glossary.term(term)
            lines = {SPLITS.get(split, split): points for split, points in sorted(splits.items(), key=_train_first)}
            chart = _chart(history, name, lines, meaning.unit)
            if chart is None:
                hidden.append(name)
            else:
                shown.append(TermChart(name, meaning.text, chart))
        players.append(PlayerCharts(glossary.words(player), glossary.player(player), shown, hidden))
    return players


def _train_first(item: tuple[str, Points]) -> tuple[bool, str]:
    return item[0] != "train", item[0]


def _sum_of(terms: Mapping[str, Mapping[str, Points]]) -> dict[str, dict[str, Points]]:
    """The sum of the player's terms, at the points where all terms are known."""
    if len(terms) < 2:
        return {}
    sums: dict[str, Points] = {}
    for split in sorted({split for splits in terms.values() for split in splits}):
        lines = [dict(splits.get(split, [])) for splits in terms.values()]
        shared = sorted(set(lines[0]).intersection(*lines[1:]))
        if shared:
            sums[split] = [(images, sum(line[images] for line in lines)) for images in shared]
    return {"sum of terms": sums} if sums else {}


def _chart(history: History, title: str, lines: Mapping[str, Points], unit: str = "") -> Chart | None:
    marks = [(event.images, event.name) for event in history.events if event.name == "resumed"]
    return line_chart(title, lines, unit, marks, until=history.images)


@dataclass(frozen=True)
class Measure:
    name: str
    meaning: str
    last: str
    chart: Chart | None


def measures(history: History) -> list[Measure]:
    """Measures of the model, with a chart if measured more than once."""
    found: list[Measure] = []
    for name, points in history.metrics.items():
        words, meaning = glossary.metric_name(name), glossary.metric(name)
        chart = _chart(history, words, {words: points}, meaning.unit) if len(points) > 1 else None
        found.append(Measure(words, meaning.text, plain(points[-1][1]), chart))
    return found


def _not_finite(history: History) -> list[str]:
    """Notes about NaN and infinity: often the first sign of a failed training."""
    notes: list[str] = []
    if history.skipped_steps:
        notes.append(
            f"{count(history.skipped_steps)} steps were skipped because of NaN or infinity in a term or gradient."
        )
    for player, terms in history.terms.items():
        for term, splits in terms.items():
            bad = [images for points in splits.values() for images, value in points if not math.isfinite(value)]
            if bad:
                notes.append(
                    f"{glossary.words(player)}, {glossary.words(term)}: {len(bad)} value{'s' * (len(bad) > 1)} "
                    f"NaN or infinite, the first after {count(min(bad))} images. Charts have a gap there."
                )
    return notes


def settings(run: Run) -> dict[str, list[tuple[str, str]]]:
    """Tables of names and values: everything needed to understand or repeat the run."""
    recipe = run.recipe
    chosen = {"recipe": recipe.name} | ({"file": recipe.file} if recipe.file else {})
    data = {"source": recipe.source, **recipe.data_options, **recipe.data_info}
    return {
        "Recipe": rows(chosen | recipe.arguments),
        "Training": rows(recipe.training | ({"ganvas": recipe.version} if recipe.version else {})),
        "Data": rows(data),
    }


def rows(entries: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values as text; a nested table becomes one row per entry."""
    found: list[tuple[str, str]] = []
    for name, value in entries.items():
        words = glossary.words(name)
        if isinstance(value, dict) and value:
            found += [(f"{words}: {inner}", text) for inner, text in rows(mapping(value))]
        else:
            found.append((words, _value(value)))
    return found


def _value(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, list):
        shown = ", ".join(_value(item) for item in value[:MAX_ITEMS])
        return f"{shown} … ({len(value)} in all)" if len(value) > MAX_ITEMS else shown or "none"
    return str(value)
