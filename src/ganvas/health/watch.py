"""The findings of a run during training: start, report and end of each problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganvas.health.advice import advice
from ganvas.health.course import Course
from ganvas.health.detectors import DETECTORS, Sight

CURED_AFTER = 3
"""A problem has ended after this many examinations in a row without it."""


@dataclass(frozen=True)
class Finding:
    """A problem. since: images. evidence: a sentence with numbers. advice: what to try. curves: series that show it."""

    illness: str
    since: int
    evidence: str
    advice: str
    curves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A finding that is new or has ended."""

    kind: Literal["found", "healed"]
    finding: Finding

    def line(self) -> dict[str, object]:
        """The fields for metrics.jsonl, without the clock."""
        about = {"illness": self.finding.illness, "since": self.finding.since}
        told = {"evidence": self.finding.evidence, "advice": self.finding.advice} if self.kind == "found" else {}
        return {"health": self.kind, **about, **told}

    def __str__(self) -> str:
        found = self.finding
        if self.kind == "healed":
            return f"healed: {found.illness}, since {found.since:,} images"
        return f"{found.illness} since {found.since:,} images: {found.evidence} {found.advice}"


@dataclass
class Stay:
    """A problem that was found. clear: examinations in a row without it."""

    finding: Finding
    clear: int = 0


class Watch:
    """The findings of a run, updated line by line.

    options: of the run's recipe, by name; advice uses only these. whole: see `Course`.
    """

    def __init__(self, options: Mapping[str, object], whole: bool = False) -> None:
        self.options, self.course = options, Course(whole)
        self.stays: dict[str, Stay] = {}
        self.sights: dict[str, Sight] = {}

    @property
    def findings(self) -> list[Finding]:
        """The run's current problems."""
        return [stay.finding for stay in self.stays.values()]

    def feed(self, line: Mapping[str, Any]) -> list[Change]:
        """Adds one line. If it holds an examination, runs the detectors. Returns the changes."""
        self.course.add(line)
        examined = "signs" in line or self.course.given_up is not None
        unexamined = line.get("split") == "held_out" and "distance" not in self.course.series
        return self.judge() if examined or unexamined else []

    def judge(self) -> list[Change]:
        """Runs every detector. Returns the changes since the last run."""
        changes: list[Change] = []
        for name, look in DETECTORS.items():
            sight = look(self.course)
            self.sights[name] = sight
            stay = self.stays.get(name)
            if sight.ill:
                since = sight.since if stay is None else stay.finding.since
                found = Finding(name, since, sight.words, advice(name, self.options), sight.curves)
                self.stays[name] = Stay(found)
                changes += [Change("found", found)] if stay is None else []
            elif stay is not None:
                stay.clear += 1
                if stay.clear >= CURED_AFTER:
                    del self.stays[name]
                    changes.append(Change("healed", stay.finding))
        return changes
