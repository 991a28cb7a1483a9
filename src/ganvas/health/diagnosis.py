"""The full diagnosis of a run: its problems, absent problems, undecided ones, and the curves that show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ganvas.health.course import Points
from ganvas.health.watch import Finding, Watch


@dataclass(frozen=True)
class Healed:
    """A problem that has ended. images: at its end."""

    images: int
    finding: Finding


@dataclass(frozen=True)
class Diagnosis:
    """The result for a run's lines of metrics.

    images: seen, by the newest line. examinations: their number. findings: problems at the end. healed: problems that ended
    before. well: evidence by absent problem. unjudged: reasons by undecided problem. curves: every series used as evidence,
    by name.
    """

    images: int
    examinations: int
    findings: tuple[Finding, ...]
    healed: tuple[Healed, ...]
    well: dict[str, str]
    unjudged: dict[str, str]
    curves: dict[str, Points]


def diagnose(lines: Iterable[Mapping[str, Any]], options: Mapping[str, object]) -> Diagnosis:
    """Reads all lines as `Watch` does during training. options: of the run's recipe."""
    watch, healed, images, examinations = Watch(options, whole=True), list[Healed](), 0, 0
    for line in lines:
        changes = watch.feed(line)
        images = watch.course.images
        examinations += "signs" in line
        healed += [Healed(images, change.finding) for change in changes if change.kind == "healed"]
    if not watch.sights:  # there was no examination during training
        watch.judge()
    findings = tuple(watch.findings)
    ill = {finding.illness for finding in findings}
    others = {name: sight for name, sight in watch.sights.items() if name not in ill}
    named = [*findings, *(h.finding for h in healed), *watch.sights.values()]
    return Diagnosis(
        images,
        examinations,
        findings,
        tuple(healed),
        {name: sight.words for name, sight in others.items() if sight.ill is not None},
        {name: sight.words for name, sight in others.items() if sight.ill is None},
        {name: watch.course.series[name] for one in named for name in one.curves if name in watch.course.series},
    )
