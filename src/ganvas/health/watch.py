"""The findings of a run as its lines come in: what was found, what is told of it, and when it is healed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganvas.health.advice import advice
from ganvas.health.course import Course
from ganvas.health.detectors import DETECTORS, Sight

CURED_AFTER = 3
"""So many examinations in a row must see no more of an illness, before it counts as healed."""


@dataclass(frozen=True)
class Finding:
    """An illness. since: images. evidence: a sentence with numbers. advice: what to try. curves: series that show it."""

    illness: str
    since: int
    evidence: str
    advice: str
    curves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A finding that is new, or was there and is no more."""

    kind: Literal["found", "healed"]
    finding: Finding

    def line(self) -> dict[str, object]:
        """What metrics.jsonl holds of it, besides the clock."""
        about = {"illness": self.finding.illness, "since": self.finding.since}
        told = {"evidence": self.finding.evidence, "advice": self.finding.advice} if self.kind == "found" else {}
        return {"health": self.kind, **about, **told}

    def __str__(self) -> str:
        found = self.finding
        if self.kind == "healed":
            return f"healed: {found.illness}, which was there since {found.since:,} images"
        return f"{found.illness} since {found.since:,} images: {found.evidence} {found.advice}"


@dataclass
class Stay:
    """An illness that was found. clear: examinations in a row that saw no more of it."""

    finding: Finding
    clear: int = 0


class Watch:
    """The findings of a run, as its lines come in.

    options: of the run's recipe, by name; advice names those that are there. whole: see `Course`.
    """

    def __init__(self, options: Mapping[str, object], whole: bool = False) -> None:
        self.options, self.course = options, Course(whole)
        self.stays: dict[str, Stay] = {}
        self.sights: dict[str, Sight] = {}

    @property
    def findings(self) -> list[Finding]:
        """What ails the run now."""
        return [stay.finding for stay in self.stays.values()]

    def feed(self, line: Mapping[str, Any]) -> list[Change]:
        """Takes one line; where it holds an examination, lets the detectors look, and returns what changed."""
        self.course.add(line)
        examined = "signs" in line or self.course.given_up is not None
        unexamined = line.get("split") == "held_out" and "distance" not in self.course.series
        return self.judge() if examined or unexamined else []

    def judge(self) -> list[Change]:
        """Lets every detector look, and returns what changed since they last did."""
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
