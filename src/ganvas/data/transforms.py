"""Transforms of a batch before the model: callables from a batch to a batch.

They use `rng.rand`, so results do not depend on the number of processes. The trainer seeds every step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ganvas.core.batch import Batch
from ganvas.machine import rng


@dataclass(frozen=True)
class Binarize:
    """Draws each pixel as black (-1) or white (1), white with probability (x + 1) / 2: dynamic binarisation.

    Salakhutdinov & Murray 2008; used for MNIST by Burda et al. 2016.
    """

    def __call__(self, batch: Batch) -> Batch:
        white = rng.rand(*batch.x.shape, like=batch.x) < (batch.x + 1) / 2
        return batch.replace(x=white.to(batch.x.dtype).mul_(2).sub_(1))


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirrors each image left to right with this probability."""

    probability: float = 0.5

    def __call__(self, batch: Batch) -> Batch:
        flip = rng.rand(len(batch), like=batch.x) < self.probability
        return batch.replace(x=torch.where(flip[:, None, None, None], batch.x.flip(-1), batch.x))


class Compose:
    """Transforms applied in order."""

    def __init__(self, *transforms: Callable[[Batch], Batch]) -> None:
        self.transforms = transforms

    def __call__(self, batch: Batch) -> Batch:
        for transform in self.transforms:
            batch = transform(batch)
        return batch

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"
