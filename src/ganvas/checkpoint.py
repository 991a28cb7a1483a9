"""All that a trainer is at one moment, in two files: tensors (safetensors) and the rest (JSON).

Tensors are written first; the JSON holds their SHA-256 and is renamed into place last, so that a checkpoint either is
whole or is not there.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.trainer import Trainer

FORMAT = 1


class DamagedCheckpoint(GanvasError):
    """A checkpoint that cannot be read as it was written."""


@dataclass(frozen=True)
class Best:
    """Which checkpoint had the best value of a score so far: what `best.json` holds. images: the checkpoint's."""

    images: int
    score: str
    value: float


def save(trainer: Trainer, folder: Path, keep: int = 3) -> Path:
    """Writes `folder`/IMAGES.safetensors and .json, and removes all but the newest `keep` and the best.

    Returns the JSON's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = path_of(folder, trainer.images_seen).with_suffix("")
    tensors, facts = state(trainer)
    try:
        written = atomically(stem.with_suffix(".safetensors"), lambda path: save_file(tensors, path))
        facts["sha256"] = hashlib.sha256(written.read_bytes()).hexdigest()
        path = atomically(stem.with_suffix(".json"), lambda path: path.write_text(json.dumps(facts)))
    except (OSError, SafetensorError) as error:
        for half in (stem.with_suffix(".safetensors"), *folder.glob(f"{stem.name}.*.part")):
            if not stem.with_suffix(".json").exists() or half.suffix == ".part":
                half.unlink(missing_ok=True)
        raise GanvasError(
            f"The checkpoint at {trainer.images_seen} images could not be written: {error}.",
            "Earlier checkpoints are intact. Make room, then go on with --resume.",
        ) from error
    best = read_best(folder)
    for old in checkpoints(folder)[:-keep]:
        if best is not None and int(old.stem) == best.images:
            continue
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)
    return path


def save_best(trainer: Trainer, folder: Path, score: str, value: float, keep: int = 3) -> None:
    """Saves the trainer, and names what was saved as the best."""
    save(trainer, folder, keep)
    facts = json.dumps(asdict(Best(trainer.images_seen, score, value)))
    try:
        atomically(folder / "best.json", lambda path: path.write_text(facts))
    except OSError as error:
        raise GanvasError(f"{folder / 'best.json'} could not be written: {error}.") from error


def read_best(folder: Path) -> Best | None:
    """Which checkpoint is the best; None where none was named so."""
    file = folder / "best.json"
    if not file.exists():
        return None
    try:
        facts = json.loads(file.read_text())
        return Best(int(facts["images"]), str(facts["score"]), float(facts["value"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(
            f"{file} cannot be read: {error}.", "Remove it: only the knowledge of the best is lost."
        ) from error


def load(trainer: Trainer, path: Path) -> None:
    """Puts a trainer, made by the same recipe, where the checkpoint `path` (the JSON) left another."""
    facts, tensors = read(path)
    restore(trainer, tensors, facts)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A checkpoint's facts and tensors, or `DamagedCheckpoint`."""
    data = path.with_suffix(".safetensors")
    try:
        facts = json.loads(path.read_text())
        if facts["format"] != FORMAT:
            raise DamagedCheckpoint(f"{path} has checkpoint format {facts['format']}; this ganvas reads {FORMAT}.")
        if hashlib.sha256(data.read_bytes()).hexdigest() != facts["sha256"]:
            raise DamagedCheckpoint(f"{data} is not what was written: its SHA-256 does not match.")
        return facts, load_file(data)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpoint(f"The checkpoint {path} cannot be read: {type(error).__name__}: {error}.") from error


def checkpoints(folder: Path) -> list[Path]:
    """The JSON files of a folder's checkpoints, oldest first."""
    return sorted(p for p in folder.glob("*.json") if p.stem.isdigit())


def path_of(folder: Path, images: int) -> Path:
    """The JSON file of the checkpoint at `images`."""
    return folder / f"{images:012d}.json"


def newest(folder: Path, warn: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """The newest checkpoint that is whole; each damaged one on the way is reported to `warn`. None when there is none."""
    remaining = checkpoints(folder)
    while remaining:
        try:
            return read(remaining.pop())
        except DamagedCheckpoint as error:
            if not remaining:
                raise
            warn(f"{error.message} Falling back to the one before.")
    return None


def state(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything that the next step depends on, as flat tensors and JSON facts."""
    tensors = {f"model/{name}": t for name, t in variables(trainer.model).items()}
    if trainer.ema:
        tensors |= {f"ema/{name}": t for name, t in variables(trainer.ema.model).items()}
    facts: dict[str, Any] = {
        "format": FORMAT,
        "images_seen": trainer.images_seen,
        "steps": trainer.steps,
        "skipped_steps": trainer.skipped_steps,
        "failures": trainer.failures,
        "means": {"terms": trainer.terms.to_json(), "gradient_norms": trainer.gradient_norms.to_json()},
    }
    for seat in trainer.seats:
        for index, parameter in enumerate(seat.parameters):
            for key, value in seat.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{seat.player.name}/{index}/{key}"] = value
    return {name: t.detach().contiguous().clone() for name, t in tensors.items()}, facts


def restore(trainer: Trainer, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """The opposite of `state`."""
    fill(trainer.model, tensors, "model/")
    if trainer.ema:
        fill(trainer.ema.model, tensors, "ema/")
    for seat in trainer.seats:
        for index, parameter in enumerate(seat.parameters):
            prefix = f"optimizer/{seat.player.name}/{index}/"
            kept = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if kept:
                seat.optimizer.state[parameter] = {key: placed(t, parameter) for key, t in kept.items()}
    for sound, buffer in zip(trainer.sound_buffers, trainer.buffers, strict=True):
        sound.copy_(buffer)
    trainer.images_seen, trainer.steps = facts["images_seen"], facts["steps"]
    trainer.skipped_steps, trainer.failures = facts["skipped_steps"], facts["failures"]
    trainer.terms.from_json(facts["means"]["terms"])
    trainer.gradient_norms.from_json(facts["means"]["gradient_norms"])
    trainer.model.images_seen, trainer.model.steps = trainer.images_seen, trainer.steps


def placed(value: Tensor, parameter: Tensor) -> Tensor:
    """An optimiser's tensor on its parameter's device and with its strides; step counts stay where they are."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape and value.dim() else value


def variables(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters and persistent buffers by name, a shared one once, under its first name."""
    seen: set[int] = set()
    unique: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            unique[name] = tensor
    return unique


@torch.no_grad()
def fill(model: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    """Copies the tensors named `prefix` + name into a model; all must be there, with the same shapes, and no others."""
    own = variables(model)
    given = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    if missing := sorted(own.keys() ^ given.keys()):
        raise DamagedCheckpoint(
            f"The checkpoint is of another model: {len(missing)} tensors are in one and not in the other ({missing[0]}).",
            "Use the ganvas version and the recipe that wrote it.",
        )
    for name, tensor in own.items():
        if tensor.shape != given[name].shape:
            raise DamagedCheckpoint(
                f"The checkpoint is of another model: {name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}."
            )
        tensor.copy_(given[name])


def atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Lets `write` fill a file of a temporary name, and renames it to `path` when it is on the disk."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write(part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path
