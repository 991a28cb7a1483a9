"""A run's metrics so far, as series over images seen."""

import math
import statistics
from collections.abc import Mapping
from typing import Any, cast

Points = list[tuple[int, float]]
"""(images seen, value); all values are finite."""

LARGEST_CLOCK = 10**15
"""The largest valid number of images or steps; more means damage."""

LONGEST = 40
"""The maximum number of examinations that a detector uses."""

FEWEST = 4
"""The minimum number of examinations in the newer half of a run ..."""

FIRST_STEPS = 200
"""... and the minimum number of steps: an untrained model shows most problems."""


class Course:
    """The lines so far, as series over images seen. Skips invalid parts of a line.

    whole: whether to keep whole series. Detectors need only the newest values, the first few, and the peaks (the largest
        median of three values in a row), so a long run does not fill the memory.
    images, steps: so far. failures: (images, skipped steps so far).
    rewinds: images of the checkpoints to which the run returned. given_up: images at the stop because of NaN or infinity.
    roles: of players, as `Player.role`. adversaries: players trained to fool a critic; critics: the fooled players.
    """

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole
        self.series: dict[str, Points] = {}
        self.first: dict[str, Points] = {}
        self.peaks: dict[str, float] = {}
        self.images = self.steps = 0
        self.bins: list[float] = []
        self.failures: Points = []
        self.rewinds: list[int] = []
        self.given_up: int | None = None
        self.roles: dict[str, str] = {}
        self.adversaries: set[str] = set()
        self.critics: set[str] = set()

    def add(self, line: Mapping[str, Any]) -> None:
        images, steps = number(line.get("images")), number(line.get("step"))
        if not 0 <= images < LARGEST_CLOCK:
            return
        at = int(images)
        self.images = max(self.images, at)
        if 0 <= steps < LARGEST_CLOCK:
            self.steps = max(self.steps, int(steps))
        for name, value in mapping(line.get("signs")).items():
            if name == "bins":
                self.add_bins(at, value)
            else:
                self.put(name.replace("_", " "), at, value)
        if line.get("event") == "failed":
            self.given_up = at
        if line.get("partial"):  # written at a run's end: a run that continues has no such means and counts
            return
        if line.get("split") == "train":
            self.add_training(at, line)
        if "protocol" not in line:  # counts of modules, not a requested metric
            for name, value in mapping(line.get("metrics")).items():
                if "codebook" in name:
                    self.put(name.replace("_", " "), at, value)
        if line.get("event") == "rewound":
            self.rewinds.append(at)

    def add_training(self, at: int, line: Mapping[str, Any]) -> None:
        roles = mapping(line.get("roles"))
        self.roles |= {player: role for player, role in roles.items() if isinstance(role, str)}
        for player, terms in mapping(line.get("players")).items():
            for term, value in mapping(terms).items():
                self.put(f"{player}: {term.replace('_', ' ')}", at, value)
                if is_adversarial(term):
                    (self.critics if self.is_critic(player) else self.adversaries).add(player)
            if roles.get(player) == "critic":
                self.critics.add(player)
        if self.critics:  # a generator learns from a critic, whatever its terms are called
            self.adversaries |= {player for player, role in self.roles.items() if role == "generator"}
        for player, value in mapping(line.get("gradient_norms")).items():
            self.put(gradient_of(player), at, value)
        failed = number(line.get("skipped_steps"))
        if math.isfinite(failed):
            self.failures = [*self.failures[1 - LONGEST :], (at, failed)]

    def is_critic(self, player: str) -> bool:
        """Whether others are trained to fool the player: by its role, or in runs without roles by its name."""
        role = self.roles.get(player)
        return role == "critic" if role else "critic" in player or "discriminator" in player

    def add_bins(self, at: int, value: object) -> None:
        """Turns shares of samples by bin into the share that changed bins since the last examination."""
        bins = [number(share) for share in cast(list[object], value)] if isinstance(value, list) else []
        if len(bins) == len(self.bins) > 0:
            self.put("changed bins", at, sum(abs(a - b) for a, b in zip(bins, self.bins, strict=True)) / 2)
        self.bins = bins

    def put(self, name: str, at: int, value: object) -> None:
        if not math.isfinite(number(value)):
            return
        points, first = self.series.setdefault(name, []), self.first.setdefault(name, [])
        points.append((at, number(value)))
        if len(first) < FEWEST:
            first.append(points[-1])
        if len(points) >= 3:
            self.peaks[name] = max(self.peaks.get(name, -math.inf), statistics.median(v for _, v in points[-3:]))
        if not self.whole and len(points) > 2 * LONGEST:
            del points[:LONGEST]

    def recent(self, name: str) -> Points:
        """The newer half of a series, by images seen, with at most `LONGEST` values; empty if it is too early."""
        points = self.series.get(name, [])[-LONGEST:]
        if not points or self.steps < FIRST_STEPS:
            return []
        newer = [point for point in points if 2 * point[0] >= points[-1][0]]
        return newer if len(newer) >= FEWEST else []


def number(value: object) -> float:
    """A JSON value as a float; NaN if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def mapping(value: object) -> dict[str, Any]:
    """A JSON value as an object; empty if it is not one."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def gradient_of(player: str) -> str:
    return f"gradient of the {player}"


def is_adversarial(term: str) -> bool:
    """Whether a term is adversarial. With several critics the name says which, as in "code adversarial"."""
    return term.replace("_", " ").endswith("adversarial")
