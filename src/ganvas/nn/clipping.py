"""Weight clipping."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class WeightClipping:
    """Clips every parameter of a module to [−limit, limit], which bounds its gradient. Arjovsky et al. 2017, algorithm 1."""

    limit: float = 0.01

    @torch.no_grad()
    def __call__(self, module: nn.Module) -> None:
        for parameter in module.parameters():
            parameter.clamp_(-self.limit, self.limit)
