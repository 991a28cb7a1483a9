"""Averaged weights of a model. Their samples are better than those of any single step."""

import copy
import math

import torch
from torch import Tensor

from ganvas.core.model import Model


class EMA:
    """An exponential moving average of a model's parameters, with the latest buffers.

    half_life: in images seen, independent of the batch size. Early in training it is at most `ramp` of the images seen so
        far, so that the initial random weights soon lose influence. Karras et al. 2020 (StyleGAN2), and its program.
    """

    def __init__(self, model: Model, half_life: float, ramp: float = 0.05) -> None:
        self.half_life, self.ramp = half_life, ramp
        shared = {id(model.clock): model.clock}
        self.model = copy.deepcopy(model, shared).eval().requires_grad_(False)
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([*self.model.parameters()], [*model.parameters()])
        self._buffers: tuple[list[Tensor], list[Tensor]] = (list(self.model.buffers()), list(model.buffers()))

    def follow_from_start(self) -> None:
        """Gives the first weights their full influence, for a model that begins with trained ones."""
        self.ramp = math.inf

    @torch.no_grad()
    def update(self, images_seen: int, batch_size: int) -> None:
        """Updates the average after a step on `batch_size` images. images_seen: with this step."""
        half_life = min(self.half_life, self.ramp * images_seen)
        keep = 0.5 ** (batch_size / half_life) if half_life > 0 else 0.0
        slow, fast = self._pairs
        torch._foreach_lerp_(slow, fast, 1 - keep)  # pyright: ignore[reportPrivateUsage]
        if self._buffers[0]:
            torch._foreach_copy_(*self._buffers)  # pyright: ignore[reportPrivateUsage]
