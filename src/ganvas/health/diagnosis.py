"""The whole diagnosis of a run: what ails it, what does not, what could not be judged, and the curves that show it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ganvas.health.course import Points
from ganvas.health.watch import Finding, Watch


@dataclass(frozen=True)
class Healed:
    """images: when an illness that had been found was no longer seen."""

    images: int
    finding: Finding


@dataclass(frozen=True)
class Diagnosis:
    """Of the lines of a run's metrics.

    images: seen, by the newest line. examinations: looks at the vital signs. findings: what ails the run at the end.
    healed: what did on the way. well: by the illness that was looked for in vain, what was looked at. unjudged: by the
    illness, why nothing can be said. curves: every series that one of these rests on, by its name.
    """

    images: int
    examinations: int
    findings: tuple[Finding, ...]
    healed: tuple[Healed, ...]
    well: dict[str, str]
    unjudged: dict[str, str]
    curves: dict[str, Points]


def diagnose(lines: Iterable[Mapping[str, Any]], options: Mapping[str, object]) -> Diagnosis:
    """Reads all lines as `Watch` does while a run trains. options: of the run's recipe."""
    watch, healed, images, examinations = Watch(options, whole=True), list[Healed](), 0, 0
    for line in lines:
        changes = watch.feed(line)
        images = watch.course.images
        examinations += "signs" in line
        healed += [Healed(images, change.finding) for change in changes if change.kind == "healed"]
    if not watch.sights:  # nothing was examined on the way
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
