"""Progressive growing: networks begin with small images, and larger layers fade in. Karras et al. 2018, section 2."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.core.clock import Clock


@dataclass(eq=False)
class Growth:
    """The level of growing networks, by the clock: 2.3 is level 2, into which level 3 has faded by 0.3.

    Each level has a stable phase of `images` images, then a fade to the next one of as many. The last level stays.

    sides: of images at each level, ascending, each twice the one before. start: the first level. images: 0 for the last
    level from the beginning. clock: of the model that grows.
    """

    sides: Sequence[int]
    images: int
    start: int = 0
    clock: Clock = field(default_factory=Clock)

    @property
    def levels(self) -> range:
        """Those that are ever reached, each with its own layers from or to pixels."""
        return range(self.start if self.images else len(self.sides) - 1, len(self.sides))

    @property
    def level(self) -> float:
        last = len(self.sides) - 1
        if self.images == 0:
            return float(last)
        phase, inside = divmod(self.clock.images, 2 * self.images)
        return min(self.start + phase + max(inside - self.images, 0) / self.images, float(last))

    def real(self, x: Tensor) -> Tensor:
        """Real images x (N, C, H, W) at the present side. While a level fades in, its finest details fade in here, too.

        Else the critic could tell images by their sharpness alone.
        """
        lower, upper, share = self.around
        x = self.reduced(x)
        return x if lower == upper else torch.lerp(doubled(halved(x, 1), 1), x, share)

    def whole(self, x: Tensor) -> Tensor:
        """Images at the present side, enlarged to the last one by nearest neighbours."""
        return doubled(x, len(self.sides) - 1 - self.around[1])

    def reduced(self, x: Tensor) -> Tensor:
        """Images at the last side, reduced to the present one: the opposite of `whole`."""
        return halved(x, len(self.sides) - 1 - self.around[1])

    @property
    def around(self) -> tuple[int, int, float]:
        """The level below and above, which are equal in a stable phase, and by how much the upper one has faded in."""
        level = self.level
        lower = math.floor(level)
        return lower, math.ceil(level), level - lower


def halved(x: Tensor, times: int) -> Tensor:
    """x (N, C, H, W), each side halved so many times, by means of squares of pixels."""
    return F.avg_pool2d(x, 2**times) if times > 0 else x


def doubled(x: Tensor, times: int) -> Tensor:
    """x (N, C, H, W), each side doubled so many times, by nearest neighbours."""
    return F.interpolate(x, scale_factor=2**times) if times > 0 else x
