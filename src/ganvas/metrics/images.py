"""Images as the metrics read them: float in [−1, 1], or the 256 levels of files."""

from torch import Tensor

from ganvas.data.domains.rest import at_rest, awake


def as_float(x: Tensor) -> Tensor:
    """uint8 levels to float in [−1, 1]; what is float already stays as it is. Shape kept."""
    return awake(x)


def as_levels(x: Tensor) -> Tensor:
    """Float in [−1, 1] to the nearest of 256 levels, uint8; uint8 stays as it is. Shape kept."""
    return at_rest(x)


def as_unit(x: Tensor) -> Tensor:
    """Float in [−1, 1] to [0, 1], the range for which SSIM's constants are defined. Shape kept, float64.

    In float32 the variances of flat regions, differences of squares, are as large as those constants' effect.
    """
    return (x.double().clamp(-1, 1) + 1) / 2
