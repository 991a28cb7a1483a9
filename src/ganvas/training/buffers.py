"""A model's buffers, taken back after a step that failed."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Buffers:
    """Keeps a copy of a model's buffers as the last sound step left them.

    A batch with NaN reaches running means and codebooks in the forward pass, before anything shows that the step failed.
    """

    def __init__(self, model: nn.Module) -> None:
        self.now = list(model.buffers())
        self.kept = [b.clone() for b in self.now]

    @torch.no_grad()
    def keep(self, sound: Sequence[Tensor | bool]) -> None:
        """Ends a step. sound: of each of its moves, whether all was finite; a tensor if only the device knows."""
        if not self.now:
            return
        unsure = [flag for flag in sound if isinstance(flag, Tensor)]
        if not all(flag for flag in sound if isinstance(flag, bool)):
            torch._foreach_copy_(self.now, self.kept)  # pyright: ignore[reportPrivateUsage]
        elif unsure:
            whole = torch.stack(unsure).all()
            for buffer, before in zip(self.now, self.kept, strict=True):
                buffer.copy_(torch.where(whole, buffer, before))
        self.accept()

    @torch.no_grad()
    def accept(self) -> None:
        """Takes the buffers as they are for sound."""
        if self.now:
            torch._foreach_copy_(self.kept, self.now)  # pyright: ignore[reportPrivateUsage]
