"""How a network is told the time of a noising path."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.nn.conditioning import ClassEmbedding


class TimeEmbedding(nn.Module):
    """A float time, and a class if there are any, as one vector: sines and cosines, then two dense layers.

    t: (N,) in [0, 1]; y: (N,) classes, -1 for none. Returns (N, size).
    Frequencies go from 1 to 1,000 radians a unit of time; an integer time fed here would alias. Vaswani et al. 2017.
    """

    frequencies: Tensor

    def __init__(self, size: int, num_classes: int = 0, num_frequencies: int = 32) -> None:
        super().__init__()
        steps = torch.arange(num_frequencies) / (num_frequencies - 1)
        self.register_buffer("frequencies", torch.exp(math.log(1_000.0) * steps), persistent=False)
        self.first, self.second = nn.Linear(2 * num_frequencies, size), nn.Linear(size, size)
        self.classes = ClassEmbedding(num_classes, size) if num_classes else None

    def forward(self, t: Tensor, y: Tensor | None = None) -> Tensor:
        angles = t[:, None].float() * self.frequencies
        h = self.second(F.silu(self.first(torch.cat([angles.sin(), angles.cos()], dim=1))))
        return F.silu(h if self.classes is None else h + self.classes(y))
