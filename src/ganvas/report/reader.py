"""Reads the files of a run directory, which may be unfinished, damaged or hostile."""

import json
import math
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ganvas.errors import GanvasError
from ganvas.health import Diagnosis, diagnose
from ganvas.health.course import mapping, number
from ganvas.machine.storage import read_list
from ganvas.runs.log import Counted, Event, Examined, HeldOut, Line, Log, Measured, Trained

Points = list[tuple[float, float]]
"""(images seen, value), sorted by images; NaN or infinity is a gap."""

MAX_SNAPSHOTS = 24
"""The maximum number of pictures on a page, so that it opens quickly: evenly spaced, with first and last."""

MAX_PICTURE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Recipe:
    """The content of recipe.json."""

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
        """The planned number of images, or None."""
        wanted = number(self.training.get("images"))
        return int(wanted) if math.isfinite(wanted) else None


@dataclass
class History:
    """metrics.jsonl, sorted into curves.

    terms: player -> term -> split ("train", "held_out") -> points.
    distance: of samples to held-out examples, from the examinations.
    seconds: spent training, over all sessions of the run. skipped_steps: because of NaN or infinity.
    """

    terms: dict[str, dict[str, dict[str, Points]]] = field(default_factory=dict)
    gradient_norms: dict[str, Points] = field(default_factory=dict)
    throughput: Points = field(default_factory=list)
    metrics: dict[str, Points] = field(default_factory=dict)
    distance: Points = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0
    skipped_steps: int = 0


@dataclass(frozen=True)
class Picture:
    """A picture of the run. images: seen when it was drawn; None if it is not a snapshot."""

    data: bytes
    media_type: str
    width: int
    height: int
    images: int | None


@dataclass(frozen=True)
class Run:
    """The parts of a run directory that the page shows.

    scores: the entries of evaluation.json. neighbours: samples above their nearest training examples.
    notes: messages about unreadable parts.
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
    scores: list[dict[str, object]]
    neighbours: Picture | None
    notes: list[str]


def read_run(directory: Path) -> Run:
    """Reads a run directory. Missing or damaged parts are empty, with a note. Raises GanvasError if it is not a run."""
    if not directory.is_dir():
        raise GanvasError(f"There is no run directory {str(directory)!r}.", "Name a run's directory.")
    if not any((directory / name).exists() for name in ("recipe.json", "metrics.jsonl")):
        raise GanvasError(
            f"{str(directory)!r} is not a run: it holds neither recipe.json nor metrics.jsonl.",
            "Name a directory that `ganvas train` wrote.",
        )
    notes: list[str] = []
    networks = _object(directory, "networks.json", notes)
    parameters = {name: number(mapping(entry).get("parameters")) for name, entry in networks.items()}
    recipe = _recipe(_object(directory, "recipe.json", notes))
    lines = _lines(directory, notes)
    return Run(
        directory=directory,
        recipe=recipe,
        environment=_object(directory, "environment.json", notes),
        networks={name: int(count) for name, count in parameters.items() if math.isfinite(count)},
        history=_history(lines),
        health=diagnose([line.record() for line in lines], recipe.arguments),
        samples=_snapshots(directory, "prior", notes),
        reconstructions=_snapshots(directory, "reconstruction", notes),
        walks=_snapshots(directory, "walk", notes),
        scores=_evaluation(directory, notes),
        neighbours=_picture(directory, Path("neighbours.png"), None, notes),
        notes=notes,
    )


def text(value: object) -> str:
    """A JSON value as text; "" for everything else."""
    return value if isinstance(value, str) else ""


def _inside(directory: Path, file: Path) -> bool:
    """Whether a file belongs to the run: a link in a hostile run must not add other files to the page."""
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
        notes.append(f"{name} is damaged and was skipped.")
    return mapping(value)


def _evaluation(directory: Path, notes: list[str]) -> list[dict[str, object]]:
    """The objects of evaluation.json; empty without an evaluation."""
    file = directory / "evaluation.json"
    if not file.is_file():
        return []
    try:
        return [mapping(entry) for entry in read_list(file)] if _inside(directory, file) else []
    except (OSError, ValueError):
        notes.append("evaluation.json is damaged and was skipped.")
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


def _lines(directory: Path, notes: list[str]) -> list[Line]:
    """The lines of metrics.jsonl. A run in progress may be in the middle of its last line."""
    log = Log(directory / "metrics.jsonl")
    if not log.file.is_file() or not _inside(directory, log.file):
        notes.append("metrics.jsonl is missing.")
        return []
    try:
        lines, damage = log.intact()
    except GanvasError as error:
        notes.append(error.message)
        return []
    if damage:
        notes.append(damage)
    return lines


def _history(lines: list[Line]) -> History:
    history = History()
    for line in lines:
        history.images = max(history.images, line.images)
        history.seconds = max(history.seconds, line.seconds or 0.0)
        match line:
            case Event():
                history.events.append(line)
            case Trained():
                _add_terms(history, line)
                for player, value in line.gradient_norms.items():
                    history.gradient_norms.setdefault(player, []).append((line.images, value))
                history.skipped_steps = max(history.skipped_steps, line.skipped_steps)
                if line.images_per_second is not None:
                    history.throughput.append((line.images, line.images_per_second))
            case HeldOut():
                _add_terms(history, line)
            case Examined():
                distance = line.signs.get("distance")
                if isinstance(distance, float):
                    history.distance.append((line.images, distance))
            case Measured() | Counted():
                for metric, value in line.metrics.items():
                    history.metrics.setdefault(metric, []).append((line.images, value))
            case _:
                pass
    return history


def _add_terms(history: History, line: Trained | HeldOut) -> None:
    for player, terms in line.players.items():
        for term, value in terms.items():
            splits = history.terms.setdefault(player, {}).setdefault(term, {})
            splits.setdefault(line.split, []).append((line.images, value))


def _snapshots(directory: Path, kind: str, notes: list[str]) -> list[Picture]:
    """samples/<kind>-<images>.png sorted by images, at most MAX_SNAPSHOTS."""
    named: list[tuple[int, Path]] = []
    for file in sorted((directory / "samples").glob(f"{kind}-*.png")):
        match = re.fullmatch(rf"{kind}-(\d{{1,15}})\.png", file.name, re.ASCII)
        if match:
            named.append((int(match[1]), file.relative_to(directory)))
    named.sort()
    if len(named) > MAX_SNAPSHOTS:
        notes.append(f"samples: {MAX_SNAPSHOTS} of {len(named)} {kind} pictures are shown, evenly spaced.")
        named = [named[round(i * (len(named) - 1) / (MAX_SNAPSHOTS - 1))] for i in range(MAX_SNAPSHOTS)]
    pictures = [_picture(directory, file, images, notes) for images, file in named]
    return [picture for picture in pictures if picture is not None]


def _picture(directory: Path, name: Path, images: int | None, notes: list[str]) -> Picture | None:
    """A picture with its size. None, with a note, if it is not of the type of its suffix."""
    file = directory / name
    if not file.is_file():
        return None
    if not _inside(directory, file) or file.stat().st_size > MAX_PICTURE_BYTES:
        notes.append(f"{name.as_posix()} is not shown: it is a link out of the run, or too large.")
        return None
    try:
        with warnings.catch_warnings(), Image.open(file, formats=["PNG"]) as image:
            width, height = image.size
            image.verify()
    except Exception:  # a decoder may raise anything for a hostile file
        notes.append(f"{name.as_posix()} is not shown: it is damaged.")
        return None
    return Picture(file.read_bytes(), "image/png", width, height, images)
