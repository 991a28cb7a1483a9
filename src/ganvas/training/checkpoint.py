"""A trainer's complete state in two files: tensors (safetensors) and the rest (JSON).

Tensors are written first. The JSON holds their SHA-256 and is renamed into place last. So a checkpoint is either complete
or absent.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ganvas.errors import GanvasError, not_allowed, option
from ganvas.machine.storage import atomically, leftovers, read_object
from ganvas.machine.tensor_files import load_tensors, save_tensors
from ganvas.training.state import DamagedCheckpoint, count
from ganvas.training.trainer import Trainer

FORMAT = 1


@dataclass(frozen=True)
class Best:
    """The checkpoint with the best value of a score: the content of `best.json`. images: the checkpoint's."""

    images: int
    score: str
    value: float


def save(trainer: Trainer, folder: Path, keep: int = 3, best: Best | None = None, seconds: float | None = None) -> Path:
    """Writes `folder`/IMAGES.safetensors and .json, and removes all but the newest `keep` and the best.

    best: the new best checkpoint, if it changes. seconds: of training so far. Returns the JSON's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = path_of(folder, trainer.images_seen).with_suffix("")
    tensors, facts = trainer.state()
    facts |= {"format": FORMAT, "seconds": seconds}
    best_before = read_best(folder)
    best = best or best_before
    facts["best"] = None if best is None else asdict(best)  # in the same file: either both are there, or neither
    try:
        written = atomically(stem.with_suffix(".safetensors"), lambda path: save_tensors(tensors, path))
        facts["sha256"] = sha256(written)
        path = atomically(stem.with_suffix(".json"), lambda path: path.write_text(json.dumps(facts)))
    except (OSError, SafetensorError) as error:
        if not stem.with_suffix(".json").exists():
            stem.with_suffix(".safetensors").unlink(missing_ok=True)
        raise GanvasError(
            f"The checkpoint at {trainer.images_seen} images could not be written: {error}.",
            f"Earlier checkpoints are intact. Free some space, then continue with {option('resume')}.",
        ) from error
    spared = {known.images for known in (best, best_before) if known is not None}
    for old in checkpoints(folder)[:-keep]:
        if int(old.stem) not in spared:
            old.unlink()
            old.with_suffix(".safetensors").unlink(missing_ok=True)
    return path


def save_best(
    trainer: Trainer, folder: Path, score: str, value: float, keep: int = 3, seconds: float | None = None
) -> None:
    """Saves the trainer, and marks this checkpoint as the best. seconds: of training so far."""
    best = Best(trainer.images_seen, score, value)
    save(trainer, folder, keep, best, seconds)
    try:
        write_best(folder, best)
    except OSError as error:
        raise GanvasError(f"{folder / 'best.json'} could not be written: {error}.") from error


def write_best(folder: Path, best: Best) -> None:
    atomically(folder / "best.json", lambda path: path.write_text(json.dumps(asdict(best))))


def read_best(folder: Path) -> Best | None:
    """The best checkpoint, or None."""
    file = folder / "best.json"
    if not file.exists():
        return None
    try:
        return best_of(read_object(file))
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DamagedCheckpoint(
            f"{file} cannot be read: {error}.", "Remove it: only the mark of the best checkpoint is lost."
        ) from error


def best_of(facts: Mapping[str, Any]) -> Best:
    return Best(count(facts["images"]), str(facts["score"]), float(facts["value"]))


def load(trainer: Trainer, path: Path) -> None:
    """Restores a trainer from the checkpoint `path` (the JSON). The same recipe must have made it."""
    facts, tensors = read(path)
    trainer.restore(tensors, facts)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A checkpoint's facts and tensors, or `DamagedCheckpoint`. Nothing larger than the files is allocated."""
    data = path.with_suffix(".safetensors")
    try:
        facts = read_object(path)
        if facts["format"] != FORMAT:
            raise GanvasError(f"{path} has checkpoint format {facts['format']}; this ganvas reads {FORMAT}.")
        if not data.is_file():
            raise FileNotFoundError(f"the file {data} does not exist")
        with (
            data.open("rb"),
            safe_open(data, framework="pt"),
        ):  # the header has the length, so a file of terabytes is not read
            pass
        if sha256(data) != facts["sha256"]:
            raise DamagedCheckpoint(f"{data} has changed since it was written: its SHA-256 does not match.")
        for name in ("images_seen", "steps"):
            count(facts[name])
        if facts.get("best") is not None:
            best_of(facts["best"])
        return facts, load_tensors(data)
    except PermissionError as error:
        raise not_allowed(error.filename) from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpoint(f"The checkpoint {path} cannot be read: {type(error).__name__}: {error}.") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checkpoints(folder: Path) -> list[Path]:
    """The JSON files of a folder's checkpoints, oldest first."""
    return sorted(p for p in folder.glob("*.json") if re.fullmatch(r"[0-9]{1,16}", p.stem))


def tidy(folder: Path, images: int) -> None:
    """Removes leftovers of a killed process, and checkpoints newer than `images`, which are damaged."""
    for path in checkpoints(folder):
        if int(path.stem) > images:
            path.unlink()
    for path in folder.glob("*.safetensors"):
        if not path.with_suffix(".json").exists():
            path.unlink()
    for path in leftovers(folder):
        path.unlink()
    if (here := path_of(folder, images)).is_file():
        known = read_object(here).get("best")
        best = None if known is None else best_of(known)
        if best is not None and path_of(folder, best.images).is_file():
            write_best(folder, best)  # a killed process may not have written it


def path_of(folder: Path, images: int) -> Path:
    """The JSON file of the checkpoint at `images`."""
    return folder / f"{images:012d}.json"


def newest(folder: Path, warn: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """The newest complete checkpoint, or None. Calls `warn` for each damaged one."""
    remaining = checkpoints(folder)
    while remaining:
        try:
            return read(remaining.pop())
        except DamagedCheckpoint as error:
            if not remaining:
                raise
            warn(f"{error.message} Using the checkpoint before it.")
    return None
