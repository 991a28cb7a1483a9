"""Fine-tuning: a new run begins with the weights of another run."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ganvas.errors import GanvasError, option
from ganvas.machine.tensor_files import load_tensors
from ganvas.runs.directory import PUBLISHED, Directory
from ganvas.training import checkpoint
from ganvas.training.conversions import converted
from ganvas.training.state import variables
from ganvas.training.trainer import Trainer
from ganvas.use.run import warn

Weights = Mapping[str, Tensor]


def begin(trainer: Trainer, init_from: str | None) -> str:
    """What `begin_with` returns, for a run that begins with another one's weights and took no step; else ""."""
    if init_from is None:
        return ""
    if trainer.ema:
        trainer.ema.follow_from_start()
    return begin_with(trainer, Path(init_from)) if trainer.images_seen == 0 else ""


def begin_with(trainer: Trainer, run: Path) -> str:
    """Copies another run's weights and averages into a trainer that took no step. Returns in words what was taken.

    Clocks and optimisers begin anew. Tensors of another name, shape or type stay as they are, and are named. If the run
    has averages, they become this trainer's; else its weights do. Raises GanvasError if no tensor fits.
    """
    images, weights, averages = read(run)
    ours = variables(trainer.model)
    taken, left = copied(weights, ours)
    if not taken:
        raise GanvasError(
            f"No tensor of the run {run} fits the networks of this run.",
            f"Use the recipe of that run and its sizes, or leave {option('init_from')} out.",
        )
    if trainer.ema:
        copied(averages, variables(trainer.ema.model))
    trainer.buffers.accept()
    skipped = f" Not taken: {'; '.join(left)}." if left else ""
    return f"Began with the weights of {run} after {images:,} images: {taken} of {len(ours)} tensors.{skipped}"


def read(run: Path) -> tuple[int, Weights, Weights]:
    """The images that a run has seen, its weights and its averages. An export has one set, which serves as both."""
    directory = Directory(run)
    directory.settings()  # GanvasError if this is no run
    if directory.published:
        tensors = load_tensors(run / PUBLISHED)
        return 0, tensors, tensors
    found = checkpoint.newest(directory.checkpoints, warn=warn)
    if found is None:
        raise GanvasError(f"The run {run} has no checkpoint yet.", f"Train it further with {option('resume')}.")
    facts, tensors = found
    weights, averages = (
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        for prefix in ("model/", "ema/")
    )
    return int(facts["images_seen"]), weights, averages or weights


@torch.no_grad()
def copied(theirs: Weights, ours: Weights) -> tuple[int, list[str]]:
    """Copies what fits. Returns the number of tensors that were copied, and the others in words."""
    with suppress(KeyError, ValueError, RuntimeError):  # networks of other sizes cannot be converted
        theirs = converted(theirs, ours)
    left: list[str] = []
    for name, tensor in ours.items():
        other = theirs.get(name)
        if other is None:
            left.append(f"{name} (only here)")
        elif (other.shape, other.dtype) != (tensor.shape, tensor.dtype):
            there, here = tuple(other.shape), tuple(tensor.shape)
            left.append(f"{name} ({there} there, {here} here)" if there != here else f"{name} (another type)")
        else:
            tensor.copy_(other)
    num = len(ours) - len(left)
    return num, [*left, *(f"{name} (only there)" for name in theirs if name not in ours)]
