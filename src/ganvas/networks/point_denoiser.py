"""A dense network that predicts at a time: the denoiser of points."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.nn.init import zeroed
from ganvas.nn.times import TimeEmbedding


class PointDenoiser(nn.Module):
    """A dense layer, then `depth` residual blocks that are told the time, on the flattened example.

    shape: of one example. width: of the hidden layers. num_classes: how many classes it is told, if any.

    Called with x (N, *shape), t (N,) in [0, 1] and y (N,); returns a prediction shaped as x, which begins at 0.
    """

    def __init__(self, shape: Sequence[int], width: int = 128, depth: int = 3, num_classes: int = 0) -> None:
        super().__init__()
        size = math.prod(shape)
        self.time = TimeEmbedding(width, num_classes)
        self.first = nn.Linear(size, width)
        self.wide = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))
        self.back = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = zeroed(nn.Linear(width, size))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        told = self.time(t, y)
        h = self.first(x.flatten(1))
        for wide, back in zip(self.wide, self.back, strict=True):
            h = h + back(F.silu(wide(torch.cat([F.silu(h), told], dim=1))))
        return self.last(F.silu(h)).unflatten(1, x.shape[1:])
