"""metrics.jsonl, written and read: one dataclass for each kind of line. Nothing here needs torch."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from ganvas.machine.storage import atomically, lines, parsed_object

LARGEST_CLOCK = 10**15
"""A line of more images is damaged."""

Terms = Mapping[str, Mapping[str, float]]
"""Values by player and term. In a line that was read, what is no number is NaN."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What every line has. A field that is None is not written.

    images: seen so far. step: steps taken so far. seconds: of training so far, over all sessions.
    partial: whether only the end of a session called for the line; a run that goes on drops it.
    """

    images: int
    step: int | None = None
    seconds: float | None = None
    partial: bool = False
    kind: ClassVar[str]
    split: ClassVar[str] = ""

    def record(self) -> dict[str, Any]:
        """The line as a JSON object."""
        given = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        split = {"split": self.split} if self.split else {}
        return {"kind": self.kind, **split, **{name: value for name, value in given.items() if value is not None}}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The line that an object is. A value of the wrong type is NaN, empty or None. ValueError without `images`."""
        images = number(record.get("images"))
        if not 0 <= images < LARGEST_CLOCK:
            raise ValueError("a line needs the images seen")
        found = {
            f.name: READ[f.name](record[f.name]) for f in dataclasses.fields(cls) if f.name in record and f.name in READ
        }
        return cls(images=int(images), partial=bool(record.get("partial", False)), **found)


@dataclass(frozen=True, kw_only=True)
class Trained(Line):
    """Means since the last line: each player's terms and gradient norm. roles: of players, as `Player.role`.

    logged: means of numbers that the model logs and no player descends.
    skipped_steps, skipped_moves: not taken so far, because a value was NaN or infinite.
    """

    kind: ClassVar[str] = "training"
    split: ClassVar[str] = "train"
    players: Terms = field(default_factory=dict[str, Mapping[str, float]])
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    gradient_norms: Mapping[str, float] = field(default_factory=dict[str, float])
    logged: Mapping[str, float] | None = None
    images_per_second: float | None = None
    skipped_steps: int = 0
    skipped_moves: int = 0


@dataclass(frozen=True, kw_only=True)
class HeldOut(Line):
    """Each player's terms on held-out examples."""

    kind: ClassVar[str] = "held-out"
    split: ClassVar[str] = "held_out"
    players: Terms = field(default_factory=dict[str, Mapping[str, float]])


@dataclass(frozen=True, kw_only=True)
class Examined(Line):
    """The model's vital signs, each a number or a list of numbers."""

    kind: ClassVar[str] = "signs"
    signs: Mapping[str, float | Sequence[float]] = field(default_factory=dict[str, float | Sequence[float]])


@dataclass(frozen=True, kw_only=True)
class Counted(Line):
    """What modules counted in training since the last line, such as the entries of a codebook that were used."""

    kind: ClassVar[str] = "counts"
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True)
class Measured(Line):
    """Scores that were measured during training. protocol: how."""

    kind: ClassVar[str] = "metrics"
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    protocol: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Health(Line):
    """A finding that is new, or is no more. health: "found" or "healed". since: images."""

    kind: ClassVar[str] = "health"
    health: str = ""
    illness: str = ""
    since: int | None = None
    evidence: str | None = None
    advice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event(Line):
    """How a session ended ("finished", "stopped", "failed"), that the run went back to a checkpoint ("rewound"), that it

    began with another run's weights ("began"), or that it goes on with other options ("changed").
    """

    kind: ClassVar[str] = "event"
    event: str = ""
    message: str = ""
    peak_memory: float | None = None


KINDS: dict[str, type[Line]] = {
    kind.kind: kind for kind in (Trained, HeldOut, Examined, Counted, Measured, Health, Event)
}


def line(kind: str, **fields: Any) -> Line:
    """A line of a kind, made of its fields."""
    return KINDS[kind](**fields)


def of_record(record: Mapping[str, Any]) -> Line:
    """The line that a JSON object is; one of version 0.1.0 has no `kind`, and is known by its keys. Raises ValueError."""
    kind = record.get("kind") or kind_by_keys(record)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"there is no kind of line {kind!r}")
    return KINDS[kind].of(record)


def kind_by_keys(record: Mapping[str, Any]) -> str:
    """The kind of a line that does not say it."""
    for key in ("event", "health", "signs"):
        if key in record:
            return key
    if "metrics" in record:
        return "metrics" if "protocol" in record else "counts"
    return "held-out" if record.get("split") == "held_out" else "training"


@dataclass(frozen=True)
class Log:
    """The metrics of a run. A line that a crash cut short, or that is no line of a run, is passed over."""

    file: Path

    def append(self, new: Line) -> None:
        with self.file.open("a") as file:
            file.write(json.dumps(new.record()) + "\n")

    def lines(self) -> list[Line]:
        return [found for _, found in self.read() if found is not None]

    def read(self) -> Iterator[tuple[str, Line | None]]:
        """Each line's text, with the line that it is; None if it is damaged. An unfinished last line is no line."""
        for text in lines(self.file):
            if text.endswith("\n") and text.strip():
                try:
                    yield text, of_record(parsed_object(text))
                except ValueError:
                    yield text, None

    def intact(self) -> tuple[list[Line], str]:
        """The lines, and a sentence about those that are damaged; an empty one if none is."""
        found = [each for _, each in self.read()]
        whole = [each for each in found if each is not None]
        damaged = len(found) - len(whole)
        return whole, f"{damaged} damaged line{'s' * (damaged > 1)} of {self.file.name} skipped." if damaged else ""

    def events(self) -> list[Event]:
        return [each for each in self.lines() if isinstance(each, Event)]

    def seconds(self) -> float:
        """How long the run was trained, over all sessions."""
        return max((each.seconds or 0.0 for each in self.lines()), default=0.0)

    def latest(self, name: str) -> float | None:
        """The newest number in a field of that name; None if no line has one."""
        found = [value for each in self.lines() if isinstance(value := getattr(each, name, None), int | float)]
        return found[-1] if found else None

    def rewind(self, images: int) -> None:
        """Drops what was written after the checkpoint at `images`, or because a session ended there.

        What weights the run began with stays.
        """

        def stays(line: Line) -> bool:
            began = isinstance(line, Event) and line.event == "began"
            return began or (line.images <= images and not line.partial)

        kept = [text for text, each in self.read() if each and stays(each)]
        atomically(self.file, lambda part: part.write_text("".join(kept)))


def number(value: object) -> float:
    """A JSON value as a float; NaN for everything that is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def finite(value: object) -> float | None:
    return number(value) if math.isfinite(number(value)) else None


def whole(value: object) -> int:
    return int(number(value)) if math.isfinite(number(value)) else 0


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def mapping(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def numbers(value: object) -> dict[str, float]:
    return {name: number(each) for name, each in mapping(value).items()}


def signs(value: object) -> dict[str, float | list[float]]:
    return {
        name: [number(one) for one in cast(list[object], each)] if isinstance(each, list) else number(each)
        for name, each in mapping(value).items()
    }


READ: dict[str, Any] = {
    "step": whole,
    "seconds": finite,
    "players": lambda value: {player: numbers(terms) for player, terms in mapping(value).items()},  # type: ignore[misc]
    "roles": lambda value: {player: text(role) for player, role in mapping(value).items()},  # type: ignore[misc]
    "gradient_norms": numbers,
    "logged": numbers,
    "images_per_second": finite,
    "skipped_steps": whole,
    "skipped_moves": whole,
    "signs": signs,
    "metrics": numbers,
    "protocol": mapping,
    "health": text,
    "illness": text,
    "since": whole,
    "evidence": text,
    "advice": text,
    "event": text,
    "message": text,
    "peak_memory": finite,
}
"""How each field is read from a file that may be a stranger's."""
