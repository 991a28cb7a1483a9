"""What runs there are below a folder, and how far each has come, from their files alone."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ganvas.errors import GanvasError
from ganvas.machine import storage
from ganvas.runs.directory import Directory, parsed
from ganvas.runs.scores import from_json, kept
from ganvas.training import checkpoint

State = Literal["running", "finished", "stopped", "given up", "exported", "damaged"]

ENDS: dict[str, State] = {"finished": "finished", "failed": "given up"}
"""What the event of a run's last line makes of it."""

DEEPEST = 8
"""So many folders below the one that was named are looked into."""


@dataclass(frozen=True)
class RunFacts:
    """A line of `ganvas runs`.

    state: running (a process on this machine trains it), finished, stopped (or killed), given up (its numbers were
        not finite), exported (only for use), damaged.
    images, wanted: seen so far, and to be seen in all. best: what --keep-best kept: its score, value and images.
    scores: the newest measured ones. changed: when, as ISO 8601 in UTC. problem: what is damaged.
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
    """Every run below a folder, the one that changed last first. GanvasError when there is no such folder."""
    if not folder.is_dir():
        raise GanvasError(f"There is no folder {folder}.", "Runs lie in ./runs unless --out said otherwise.")
    return sorted(map(facts, found(folder)), key=lambda run: (run.changed, run.path), reverse=True)


def found(folder: Path) -> Iterator[Path]:
    """The folders that are runs, in the order of names; links are not followed, and runs not searched."""
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
    """About one run; never an error, whatever its files hold."""
    directory = Directory(path)
    changed = newest_change(path)
    try:
        settings = directory.settings()
        about: dict[str, Any] = {"recipe": settings.recipe, "data": settings.source, "wanted": settings.training.images}
        if directory.published:
            seen = checkpoint.count(storage.read_object(path / "config.json")["images_seen"])
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
    """When a run's files changed last: nobody counts a report that was written again."""
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
    """Images seen by the metrics, the newest values of what was measured on the way, and how the run ended, if it did."""
    images, event = 0, ""
    measured: dict[str, float] = {}
    for line in map(parsed, storage.lines(directory.metrics)):
        seen = line.get("images")
        if isinstance(seen, int) and not isinstance(seen, bool) and 0 <= seen <= checkpoint.LARGEST_COUNT:
            images = max(images, seen)
        values = line.get("metrics")
        if isinstance(values, dict):
            measured = {str(n): float(v) for n, v in values.items() if isinstance(v, int | float) and math.isfinite(v)}
        event = str(line.get("event", ""))
    return images, measured, event


def evaluated(path: Path) -> dict[str, float]:
    """The newest value of each score that `ganvas evaluate` kept."""
    scores = [from_json(entry).score for entry in kept(path)]
    return {score.name: score.value for score in scores}
