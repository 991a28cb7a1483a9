"""Values that change over training: pure functions of the images seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """Always `value`."""

    value: float

    def __call__(self, images: int) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` over the first `images` images, then `end`: β's warm-up."""

    start: float
    end: float
    images: int

    def __call__(self, images: int) -> float:
        share = min(images / self.images, 1.0) if self.images > 0 else 1.0
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True)
class Cosine:
    """From `start` to `end` along half a cosine over `images` images."""

    start: float
    end: float
    images: int

    def __call__(self, images: int) -> float:
        share = min(images / self.images, 1.0) if self.images > 0 else 1.0
        return self.end + 0.5 * (self.start - self.end) * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class PowerPerEpoch:
    """(1 − epoch / epochs)^power, constant within an epoch of `epoch_images`."""

    epochs: int
    epoch_images: int
    power: float

    def __call__(self, images: int) -> float:
        epoch = min(images // self.epoch_images, self.epochs - 1)
        return (1 - epoch / self.epochs) ** self.power


def as_schedule(value: float | Schedule) -> Schedule:
    """Turns a number into a constant schedule."""
    return value if callable(value) else Constant(float(value))
