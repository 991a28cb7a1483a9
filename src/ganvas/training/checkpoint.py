"""A trainer's complete state in two files: tensors (safetensors) and the rest (JSON).

Tensors are written first. The JSON holds their SHA-256 and is renamed into place last. So a checkpoint is either complete
or absent.
"""

import copy
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.machine.storage import atomically, leftovers, read_object
from ganvas.training.conversions import converted, outdated, renumbered
from ganvas.training.failures import Failure, Norms, Rewind
from ganvas.training.trainer import Trainer

FORMAT = 1

State = tuple[dict[str, Tensor], dict[str, Any]]
"""What `state` returns."""

LARGEST_COUNT = 10**15
"""The largest valid number of images or steps; more means damage."""


class DamagedCheckpoint(GanvasError):
    """A checkpoint that is damaged or does not fit the model."""


@dataclass(frozen=True)
class Best:
    """The checkpoint with the best value of a score: the content of `best.json`. images: the checkpoint's."""

    images: int
    score: str
    value: float


def save(trainer: Trainer, folder: Path, keep: int = 3, best: Best | None = None) -> Path:
    """Writes `folder`/IMAGES.safetensors and .json, and removes all but the newest `keep` and the best.

    best: the new best checkpoint, if it changes. Returns the JSON's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = path_of(folder, trainer.images_seen).with_suffix("")
    tensors, facts = state(trainer)
    best_before = read_best(folder)
    best = best or best_before
    facts["best"] = None if best is None else asdict(best)  # in the same file: either both are there, or neither
    try:
        written = atomically(stem.with_suffix(".safetensors"), lambda path: save_file(tensors, path))
        facts["sha256"] = sha256(written)
        path = atomically(stem.with_suffix(".json"), lambda path: path.write_text(json.dumps(facts)))
    except (OSError, SafetensorError) as error:
        if not stem.with_suffix(".json").exists():
            stem.with_suffix(".safetensors").unlink(missing_ok=True)
        raise GanvasError(
            f"The checkpoint at {trainer.images_seen} images could not be written: {error}.",
            "Earlier checkpoints are intact. Free some space, then continue with --resume.",
        ) from error
    spared = {known.images for known in (best, best_before) if known is not None}
    for old in checkpoints(folder)[:-keep]:
        if int(old.stem) not in spared:
            old.unlink()
            old.with_suffix(".safetensors").unlink(missing_ok=True)
    return path


def save_best(trainer: Trainer, folder: Path, score: str, value: float, keep: int = 3) -> None:
    """Saves the trainer, and marks this checkpoint as the best."""
    best = Best(trainer.images_seen, score, value)
    save(trainer, folder, keep, best)
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
    restore(trainer, tensors, facts)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A checkpoint's facts and tensors, or `DamagedCheckpoint`. Nothing larger than the files is allocated."""
    data = path.with_suffix(".safetensors")
    try:
        facts = read_object(path)
        if facts["format"] != FORMAT:
            raise GanvasError(f"{path} has checkpoint format {facts['format']}; this ganvas reads {FORMAT}.")
        if not data.is_file():
            raise FileNotFoundError(f"the file {data} does not exist")
        with safe_open(data, framework="pt"):  # the header has the length, so a file of terabytes is not read
            pass
        if sha256(data) != facts["sha256"]:
            raise DamagedCheckpoint(f"{data} has changed since it was written: its SHA-256 does not match.")
        for name in ("images_seen", "steps"):
            count(facts[name])
        if facts.get("best") is not None:
            best_of(facts["best"])
        return facts, load_file(data)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpoint(f"The checkpoint {path} cannot be read: {type(error).__name__}: {error}.") from error


def count(value: object) -> int:
    """A number of images or steps, or ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{str(value)[:40]!r} is not a number of images or steps")
    return value


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


def state(trainer: Trainer) -> State:
    """Everything that the next step depends on: flat tensors and JSON facts."""
    trainer.look()
    tensors = {f"model/{name}": t for name, t in variables(trainer.model).items()}
    if trainer.ema:
        tensors |= {f"ema/{name}": t for name, t in variables(trainer.ema.model).items()}
    facts: dict[str, Any] = {
        "format": FORMAT,
        "images_seen": trainer.images_seen,
        "steps": trainer.steps,
        "before": trainer.before,
        "skipped_steps": trainer.skipped_steps,
        "failures": [asdict(failure) for failure in trainer.failures],
        "skipped_moves": trainer.skipped_moves,
        "rewinds": [asdict(rewind) for rewind in trainer.rewinds],
        "step_factors": {seat.player.name: seat.step_factor for seat in trainer.seats},
        "norms": {seat.player.name: {kind: n.to_list() for kind, n in seat.norms.items()} for seat in trainer.seats},
        "means": {"terms": trainer.terms.to_json(), "gradient_norms": trainer.gradient_norms.to_json()},
    }
    for seat in trainer.seats:
        for index, parameter in enumerate(seat.parameters):
            for key, value in seat.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{seat.player.name}/{index}/{key}"] = value
    return {name: t.detach().contiguous().clone() for name, t in tensors.items()}, facts


def restore(trainer: Trainer, tensors: dict[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Restores what `state` returned, or raises `DamagedCheckpoint`."""
    try:
        _restore(trainer, tensors, facts)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise DamagedCheckpoint(f"The checkpoint is damaged: {type(error).__name__}: {error}.") from error


def _restore(trainer: Trainer, tensors: dict[str, Tensor], facts: Mapping[str, Any]) -> None:
    own = variables(trainer.model)
    gone = outdated([name.removeprefix("model/") for name in tensors if name.startswith("model/")], own)
    tensors = renumbered(tensors, trainer.model, [seat.player for seat in trainer.seats], gone) if gone else tensors
    fill(trainer.model, tensors, "model/")
    if trainer.ema:
        fill(trainer.ema.model, tensors, "ema/")
    for seat in trainer.seats:
        seat.optimizer.state.clear()
        for index, parameter in enumerate(seat.parameters):
            prefix = f"optimizer/{seat.player.name}/{index}/"
            kept = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if kept:
                check_same(kept, fresh_state(seat.optimizer, parameter), prefix)
                seat.optimizer.state[parameter] = {key: placed(t, parameter) for key, t in kept.items()}
    for sound, buffer in zip(trainer.sound_buffers, trainer.buffers, strict=True):
        sound.copy_(buffer)
    trainer.moves = []
    trainer.images_seen, trainer.steps = facts["images_seen"], facts["steps"]
    trainer.before = count(facts.get("before", trainer.images_seen))
    trainer.skipped_steps, trainer.skipped_moves = count(facts["skipped_steps"]), count(facts.get("skipped_moves", 0))
    # Checkpoints of earlier versions store failures as sentences, and lack the rest.
    trainer.failures = [failure_of(known) for known in facts["failures"] if isinstance(known, dict)]
    trainer.rewinds = [rewind_of(known) for known in facts.get("rewinds", [])]
    factors, norms = facts.get("step_factors", {}), facts.get("norms", {})
    for seat in trainer.seats:
        seat.step_factor = float(factors.get(seat.player.name, 1.0))
        kinds = norms.get(seat.player.name, {})
        seat.norms = {str(kind): Norms([float(v) for v in values], trainer.device) for kind, values in kinds.items()}
    trainer.terms.from_json(facts["means"]["terms"])
    trainer.gradient_norms.from_json(facts["means"]["gradient_norms"])
    trainer.model.images_seen, trainer.model.steps = trainer.images_seen, trainer.steps


def failure_of(facts: Mapping[str, Any]) -> Failure:
    words = {name: str(facts[name]) for name in ("player", "what", "cause", "advice")}
    return Failure(step=count(facts["step"]), **words)


def rewind_of(facts: Mapping[str, Any]) -> Rewind:
    return Rewind(count(facts["images"]), tuple(map(str, facts["players"])), str(facts["message"]))


def fresh_state(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """An optimiser's state of a parameter after its first step: tensors, shapes and types."""
    twin = nn.Parameter(torch.zeros_like(parameter))
    twin.grad = torch.zeros_like(parameter)
    other = copy.copy(optimizer)
    other.state = defaultdict(dict)
    group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
    other.param_groups = [{**group, "params": [twin]}]
    other.step()
    return {key: value for key, value in other.state[twin].items() if isinstance(value, Tensor)}


def check_same(given: Mapping[str, Tensor], own: Mapping[str, Tensor], prefix: str) -> None:
    """Raises `DamagedCheckpoint` unless both are the same tensors by name, shape and type."""
    if missing := sorted(own.keys() ^ given.keys()):
        raise DamagedCheckpoint(
            f"The checkpoint is from another model: {len(missing)} tensors are in only one of the two"
            f" ({prefix}{missing[0]}).",
            "Use the ganvas version and the recipe that wrote it.",
        )
    for name, tensor in own.items():
        if (given[name].shape, given[name].dtype) != (tensor.shape, tensor.dtype):
            raise DamagedCheckpoint(
                f"The checkpoint is from another model: {prefix}{name} is {described(given[name])}, not {described(tensor)}."
            )


def described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def placed(value: Tensor, parameter: Tensor) -> Tensor:
    """An optimiser's tensor on its parameter's device and with its strides; step counts stay where they are."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape and value.dim() else value


def variables(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters and persistent buffers by name. A shared one appears once, under its first name."""
    seen: set[int] = set()
    unique: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            unique[name] = tensor
    return unique


@torch.no_grad()
def fill(model: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    """Copies the tensors named `prefix` + name into a model. Names and shapes must match exactly."""
    own = variables(model)
    given = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    try:
        given = converted(given, own)
    except (KeyError, ValueError, RuntimeError) as error:
        raise DamagedCheckpoint(f"The checkpoint of an earlier version is damaged: {error}.") from error
    check_same(given, own, "")
    for name, tensor in own.items():
        tensor.copy_(given[name])
