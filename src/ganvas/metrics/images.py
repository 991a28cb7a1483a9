"""Images as the metrics read them: float in [−1, 1], or the 256 levels of files."""

import torch
from torch import Tensor


def as_float(x: Tensor) -> Tensor:
    """uint8 levels to float in [−1, 1]; what is float already stays as it is. Shape kept."""
    return x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x


def as_levels(x: Tensor) -> Tensor:
    """Float in [−1, 1] to the nearest of 256 levels, uint8; uint8 stays as it is. Shape kept."""
    return x if x.dtype == torch.uint8 else ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def as_unit(x: Tensor) -> Tensor:
    """Float in [−1, 1] to [0, 1], the range for which SSIM's constants are defined. Shape kept, float64.

    In float32 the variances of flat regions, differences of squares, are as large as those constants' effect.
    """
    return (x.double().clamp(-1, 1) + 1) / 2
