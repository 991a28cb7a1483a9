"""Bilinear sampling of images at given points, with derivatives of every order in the image.

torch's own has one derivative only. A gradient penalty through an augmentation needs two.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def sampled(x: Tensor, grid: Tensor) -> Tensor:
    """x at the points of the grid, 0 beyond the border. x: (N, C, H, W); grid: (N, h, w, 2), from −1 to 1, no gradient.

    Returns (N, C, h, w).
    """
    return _Sample.apply(x, grid)  # pyright: ignore[reportReturnType]


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(grid)
        ctx.size = x.shape
        return F.grid_sample(x, grid, "bilinear", "zeros", align_corners=False)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grid,) = ctx.saved_tensors
        return _Spread.apply(slope, grid, ctx.size), None  # pyright: ignore[reportReturnType]


class _Spread(torch.autograd.Function):
    """The transpose of `_Sample`, which is linear in x."""

    @staticmethod
    def forward(ctx: Any, slope: Tensor, grid: Tensor, size: torch.Size) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(grid)
        like = slope.new_empty(size)  # only its shape matters
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(slope, like, grid, 0, 0, False, [True, False])[0]
        return spread

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grid,) = ctx.saved_tensors
        return sampled(slope, grid), None, None
