"""Whether mirrored pictures look like the others: text, digits and faces in profile do not, landscapes do."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.machine import rng

FEWEST = 400
"""With fewer pictures, chance alone moves the share by more than two hundredths."""

MOST = 4_000
SIDE = 16
RIDGE = 0.1
"""Weight of the penalty, as a share of the features' mean square."""


def told_from_mirrored(x: Tensor) -> float | None:
    """The share of pictures that a linear rule tells from their mirror images; 0.5 is chance. None if there are too few.

    x: uint8 (N, C, H, W). The rule is fitted on one half of the pictures and tried on the other, and then the other way
    round. It sees what is left of a picture, 16x16 pixels large, less its mirror image: w·(x − mirrored x) > 0. A rule so
    simple misses subtle signs, so 0.5 does not prove that nobody could tell.
    """
    if len(x) < FEWEST:
        return None
    order = torch.randperm(len(x), generator=rng.generator("handedness"))[:MOST]
    small = F.interpolate(x[order].float(), size=(SIDE, SIDE), mode="area").double()
    differences = (small - small.flip(3))[..., : SIDE // 2].flatten(1)
    halves = differences.tensor_split(2)
    return sum(_share(fit, trial) for fit, trial in (halves, halves[::-1])) / 2


def _share(fit: Tensor, trial: Tensor) -> float:
    """The share of rows of `trial` that a plane, fitted to `fit` by ridge regression to 1, puts on the right side."""
    squares = fit.T @ fit
    penalty = RIDGE * squares.trace() / len(squares) + 1e-9  # for pictures that are all symmetric
    plane = torch.linalg.solve(squares + penalty * torch.eye(len(squares), dtype=fit.dtype), fit.sum(0))
    sides = trial @ plane
    return float((sides > 0).double().mean() + 0.5 * (sides == 0).double().mean())
