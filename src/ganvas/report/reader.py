"""What the files of a run directory say, however incomplete: a run may be unfinished, damaged or a stranger's."""

import json
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ganvas.errors import GanvasError
from ganvas.health import Diagnosis, diagnose
from ganvas.health.course import mapping, number
from ganvas.machine.storage import read_list

Points = list[tuple[float, float]]
"""(images seen, value), in the order of images; a value that is not finite is a gap."""

MAX_SNAPSHOTS = 24
"""A page that embeds hundreds of pictures no longer opens quickly; this many are picked evenly, first and last kept."""

MAX_IMAGES = 1e15
"""A clock beyond this is damage."""

MAX_PICTURE_BYTES = 16 * 2**20

MEDIA_TYPES = {".png": "PNG", ".gif": "GIF"}


@dataclass(frozen=True)
class Recipe:
    """recipe.json: what was asked for."""

    name: str = "unknown recipe"
    summary: str = ""
    paper: str = ""
    file: str = ""
    source: str = "unknown data"
    arguments: dict[str, object] = field(default_factory=dict)
    data_options: dict[str, object] = field(default_factory=dict)
    data_info: dict[str, object] = field(default_factory=dict)
    training: dict[str, object] = field(default_factory=dict)
    version: str = ""
    command: str = ""

    @property
    def images(self) -> int | None:
        """How many images the run was to see, where that is known."""
        wanted = number(self.training.get("images"))
        return int(wanted) if math.isfinite(wanted) else None


@dataclass(frozen=True)
class Event:
    images: int
    name: str
    message: str


@dataclass
class History:
    """metrics.jsonl, sorted into curves.

    terms: player -> term -> split ("train", "held_out") -> points.
    seconds: spent training, over all sessions of the run. skipped_steps: not taken, for a value was not finite.
    """

    terms: dict[str, dict[str, dict[str, Points]]] = field(default_factory=dict)
    gradient_norms: dict[str, Points] = field(default_factory=dict)
    throughput: Points = field(default_factory=list)
    metrics: dict[str, Points] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0
    skipped_steps: int = 0


@dataclass(frozen=True)
class Picture:
    """A picture of the run. images: how many had been seen when it was drawn (None for one that is not a snapshot)."""

    data: bytes
    media_type: str
    width: int
    height: int
    images: int | None


@dataclass(frozen=True)
class Run:
    """Everything of a run directory that the page shows.

    scores: the entries of evaluation.json. neighbours: samples above their nearest training examples.
    notes: what could not be read, for the reader to know.
    """

    directory: Path
    recipe: Recipe
    environment: dict[str, object]
    networks: dict[str, int]
    history: History
    health: Diagnosis
    samples: list[Picture]
    reconstructions: list[Picture]
    walks: list[Picture]
    animation: Picture | None
    scores: list[dict[str, object]]
    neighbours: Picture | None
    notes: list[str]


def read_run(directory: Path) -> Run:
    """Read a run directory. GanvasError when it is none; parts that are missing or damaged are empty, with a note."""
    if not directory.is_dir():
        raise GanvasError(f"There is no run directory {str(directory)!r}.", "Give the directory that --out named.")
    if not any((directory / name).exists() for name in ("recipe.json", "metrics.jsonl")):
        raise GanvasError(
            f"{str(directory)!r} is not a run: it holds neither recipe.json nor metrics.jsonl.",
            "Give the directory that `ganvas train --out` wrote.",
        )
    notes: list[str] = []
    networks = _object(directory, "networks.json", notes)
    parameters = {name: number(mapping(entry).get("parameters")) for name, entry in networks.items()}
    recipe = _recipe(_object(directory, "recipe.json", notes))
    lines = _replayed(_lines(directory, notes))
    return Run(
        directory=directory,
        recipe=recipe,
        environment=_object(directory, "environment.json", notes),
        networks={name: int(count) for name, count in parameters.items() if math.isfinite(count)},
        history=_history(lines),
        health=diagnose(lines, recipe.arguments),
        samples=_snapshots(directory, "prior", notes),
        reconstructions=_snapshots(directory, "reconstruction", notes),
        walks=_snapshots(directory, "walk", notes),
        animation=_picture(directory, Path("samples/walk.gif"), None, notes),
        scores=_evaluation(directory, notes),
        neighbours=_picture(directory, Path("neighbours.png"), None, notes),
        notes=notes,
    )


def text(value: object) -> str:
    """A JSON value as text; "" for everything else."""
    return value if isinstance(value, str) else ""


def _inside(directory: Path, file: Path) -> bool:
    """Whether a file is the run's own: a link in a stranger's run must not bring other files into the page."""
    return file.resolve().is_relative_to(directory.resolve())


def _object(directory: Path, name: str, notes: list[str]) -> dict[str, object]:
    file = directory / name
    if not file.is_file() or not _inside(directory, file):
        notes.append(f"{name} is missing.")
        return {}
    try:
        value = json.loads(file.read_text("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        notes.append(f"{name} is damaged and was not read.")
    return mapping(value)


def _evaluation(directory: Path, notes: list[str]) -> list[dict[str, object]]:
    """The objects of evaluation.json; none where the run was not evaluated."""
    file = directory / "evaluation.json"
    if not file.is_file():
        return []
    try:
        return [mapping(entry) for entry in read_list(file)] if _inside(directory, file) else []
    except (OSError, ValueError):
        notes.append("evaluation.json is damaged and was not read.")
        return []


def _recipe(entry: dict[str, object]) -> Recipe:
    data = mapping(entry.get("data"))
    return Recipe(
        name=text(entry.get("recipe")) or Recipe.name,
        summary=text(entry.get("summary")),
        paper=text(entry.get("paper")),
        file=text(entry.get("file")),
        source=text(data.get("source")) or Recipe.source,
        arguments=mapping(entry.get("arguments")),
        data_options=mapping(data.get("options")),
        data_info=mapping(data.get("info")),
        training=mapping(entry.get("training")),
        version=text(entry.get("ganvas")),
        command=text(entry.get("command")),
    )


def _lines(directory: Path, notes: list[str]) -> Iterator[dict[str, object]]:
    """The objects of metrics.jsonl. A run in progress may be in the middle of its last line."""
    file = directory / "metrics.jsonl"
    if not file.is_file() or not _inside(directory, file):
        notes.append("metrics.jsonl is missing.")
        return
    damaged = 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                damaged += bool(line.strip()) and line.endswith("\n")
                continue
            if isinstance(value, dict) and 0 <= number(mapping(value).get("images")) < MAX_IMAGES:
                yield mapping(value)
            else:
                damaged += 1
    if damaged:
        notes.append(f"{damaged} damaged line{'s' * (damaged > 1)} of metrics.jsonl left out.")


def _replayed(lines: Iterator[dict[str, object]]) -> list[dict[str, object]]:
    """The lines without those that a resumed run went through again from its last checkpoint."""
    kept: list[dict[str, object]] = []
    for line in lines:
        if line.get("event") == "resumed":
            start = number(line["images"])
            kept = [old for old in kept if number(old["images"]) <= start or "event" in old]
        kept.append(line)
    return kept


def _history(lines: list[dict[str, object]]) -> History:
    history = History()
    earlier = last = 0.0  # seconds of sessions that are over; seconds of this one
    for line in lines:
        images = number(line["images"])
        if "event" in line:
            event = Event(int(images), text(line["event"]), text(line.get("message")))
            history.events.append(event)
        history.images = max(history.images, int(images)) if line.get("event") != "resumed" else history.images
        seconds = number(line.get("seconds"))
        if math.isfinite(seconds):
            # A clock that went back was started anew by a session that resumed the run.
            earlier, last = (earlier + last, seconds) if seconds < last else (earlier, seconds)
        _record(history, images, line)
    history.seconds = earlier + last
    return history


def _record(history: History, images: float, line: dict[str, object]) -> None:
    split = text(line.get("split")) or "train"
    for player, terms in mapping(line.get("players")).items():
        for term, value in mapping(terms).items():
            splits = history.terms.setdefault(player, {}).setdefault(term, {})
            splits.setdefault(split, []).append((images, number(value)))
    for player, value in mapping(line.get("gradient_norms")).items():
        history.gradient_norms.setdefault(player, []).append((images, number(value)))
    for metric, value in mapping(line.get("metrics")).items():
        history.metrics.setdefault(metric, []).append((images, number(value)))
    skipped = number(line.get("skipped_steps"))
    history.skipped_steps = max(history.skipped_steps, int(skipped) if math.isfinite(skipped) else 0)
    if "images_per_second" in line:
        history.throughput.append((images, number(line["images_per_second"])))


def _snapshots(directory: Path, kind: str, notes: list[str]) -> list[Picture]:
    """samples/<kind>-<images>.png in the order of images, at most MAX_SNAPSHOTS of them."""
    named: list[tuple[int, Path]] = []
    for file in sorted((directory / "samples").glob(f"{kind}-*.png")):
        match = re.fullmatch(rf"{kind}-(\d{{1,15}})\.png", file.name, re.ASCII)
        if match:
            named.append((int(match[1]), file.relative_to(directory)))
    named.sort()
    if len(named) > MAX_SNAPSHOTS:
        notes.append(f"samples: {MAX_SNAPSHOTS} of {len(named)} {kind} pictures are shown, evenly spread.")
        named = [named[round(i * (len(named) - 1) / (MAX_SNAPSHOTS - 1))] for i in range(MAX_SNAPSHOTS)]
    pictures = [_picture(directory, file, images, notes) for images, file in named]
    return [picture for picture in pictures if picture is not None]


def _picture(directory: Path, name: Path, images: int | None, notes: list[str]) -> Picture | None:
    """A picture with its size, checked to be what its ending says; None, with a note, when it is not."""
    file = directory / name
    kind = MEDIA_TYPES[name.suffix]
    if not file.is_file():
        return None
    if not _inside(directory, file) or file.stat().st_size > MAX_PICTURE_BYTES:
        notes.append(f"{name.as_posix()} is a link out of the run, or too large, and is not shown.")
        return None
    try:
        with warnings.catch_warnings(), Image.open(file, formats=[kind]) as image:
            width, height = image.size
            image.verify()
    except Exception:  # what a decoder raises on a hostile file has no end
        notes.append(f"{name.as_posix()} is damaged and is not shown.")
        return None
    return Picture(file.read_bytes(), f"image/{kind.lower()}", width, height, images)
