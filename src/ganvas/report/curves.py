"""The charts of a run: each player's terms, what was measured, and the curves that show a failure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ganvas.health import Finding
from ganvas.report import glossary
from ganvas.report.charts import Chart, line_chart
from ganvas.report.figures import count, plain
from ganvas.report.reader import History, Points, Run

SPLITS = {"train": "train", "held_out": "held out"}


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
            chart = curve_chart(history, name, lines, meaning.unit)
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


def curve_chart(history: History, title: str, lines: Mapping[str, Points], unit: str = "") -> Chart | None:
    marks = [(event.images, event.event) for event in history.events if event.event in ("rewound", "changed")]
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
        chart = curve_chart(history, words, {words: points}, meaning.unit) if len(points) > 1 else None
        found.append(Measure(words, meaning.text, plain(points[-1][1]), chart))
    return found


def not_finite(history: History) -> list[str]:
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
