"""Lists the runs in a folder and their progress, from their files only."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ganvas.errors import GanvasError, option
from ganvas.machine import storage
from ganvas.runs.directory import Directory
from ganvas.runs.log import Counted, Event, Measured
from ganvas.runs.scores import from_json, kept
from ganvas.training import checkpoint, state

State = Literal["running", "finished", "stopped", "given up", "exported", "damaged"]

ENDS: dict[str, State] = {"finished": "finished", "failed": "given up"}
"""The state of a run for the event of its last line."""

DEEPEST = 8
"""The depth of the search for runs."""


@dataclass(frozen=True)
class RunFacts:
    """A line of `ganvas runs`.

    state: running (a process on this machine trains it), finished, stopped (or killed), given up (stopped because of NaN
        or infinity), exported (only for use), damaged.
    images, wanted: seen so far, and planned. best: the checkpoint of --keep-best: its score, value and images.
    scores: the newest ones. changed: time of the last change, as ISO 8601 in UTC. problem: what is damaged.
    """

    path: str
    state: State
    changed: str
    recipe: str = ""
    data: str = ""
    images: int = 0
    wanted: int = 0
    best: dict[str, Any] | None = None
    scores: dict[str, float] = field(default_factory=dict[str, float])
    problem: str = ""


def runs(folder: Path) -> list[RunFacts]:
    """Every run in a folder, the last changed first. Raises GanvasError if the folder does not exist."""
    if not folder.is_dir():
        raise GanvasError(
            f"There is no folder {folder}.", f"Runs are in ./runs, unless {option('out')} named another folder."
        )
    return sorted(map(facts, found(folder)), key=lambda run: (run.changed, run.path), reverse=True)


def found(folder: Path) -> Iterator[Path]:
    """The folders that are runs, sorted by name. Links are not followed, and runs are not searched."""
    for place, inner, names in os.walk(folder):
        here = Path(place)
        if "recipe.json" in names or Directory(here).published:
            inner.clear()
            yield here
        elif len(here.relative_to(folder).parts) >= DEEPEST:
            inner.clear()
        else:
            inner[:] = sorted(name for name in inner if not name.startswith("."))


def facts(path: Path) -> RunFacts:
    """Facts about one run; raises no error for any content of its files."""
    directory = Directory(path)
    changed = newest_change(path)
    try:
        settings = directory.settings()
        about: dict[str, Any] = {"recipe": settings.recipe, "data": settings.source, "wanted": settings.training.images}
        if directory.published:
            seen = state.count(storage.read_object(path / "config.json")["images_seen"])
            return RunFacts(str(path), "exported", changed, **about, images=seen, scores=evaluated(path))
        images, measured, event = progress(directory)
        best = checkpoint.read_best(directory.checkpoints)
        return RunFacts(
            str(path),
            "running" if storage.in_use(path) else ENDS.get(event, "stopped"),
            changed,
            **about,
            images=images,
            best=None if best is None else {"score": best.score, "value": best.value, "images": best.images},
            scores=evaluated(path) or measured,
        )
    except GanvasError as error:
        return RunFacts(str(path), "damaged", changed, problem=error.message)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        return RunFacts(str(path), "damaged", changed, problem=f"{type(error).__name__}: {error}")


def newest_change(path: Path) -> str:
    """The time of the last change of a run's files; a rewritten report does not count."""
    times: list[float] = []
    for name in ("recipe.json", "metrics.jsonl", "checkpoints", checkpoint_file(path)):
        try:
            times.append((path / name).stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times, default=0.0), UTC).isoformat(timespec="seconds")


def checkpoint_file(path: Path) -> str:
    return "config.json" if not (path / "recipe.json").is_file() else "checkpoints/best.json"


def progress(directory: Directory) -> tuple[int, dict[str, float], str]:
    """By the metrics: images seen, the newest scores, and how the run ended, if it did."""
    images, event = 0, ""
    measured: dict[str, float] = {}
    for line in directory.log.lines():
        images = max(images, line.images)
        if isinstance(line, Measured | Counted):
            measured = {name: value for name, value in line.metrics.items() if math.isfinite(value)}
        event = line.event if isinstance(line, Event) else ""
    return images, measured, event


def evaluated(path: Path) -> dict[str, float]:
    """The newest value of each score from `ganvas evaluate`."""
    scores = [from_json(entry).score for entry in kept(path)]
    return {score.name: score.value for score in scores}
