"""Memorisation: whether samples copy training images."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.metrics.distances import nearest
from ganvas.metrics.features import finite


@dataclass(frozen=True)
class Memorisation:
    """share: how often a sample is closer to the training set than a held-out example is; 0.5 without copies.

    error: its standard error over redraws of samples and of held-out examples, for the same training set.
    neighbours: indices of each sample's nearest training examples, nearest first, (M, k).
    distances: to them, (M, k), in units of the features.
    closest: indices of the samples, sorted by distance to the training set, (M,).
    """

    share: float
    error: float
    neighbours: Tensor
    distances: Tensor
    closest: Tensor


def memorisation(train: Tensor, held_out: Tensor, fake: Tensor, k: int = 1) -> Memorisation:
    """P(d(sample, train) < d(held-out, train)) over all pairs, ties counting half: the Mann-Whitney statistic.

    train, held_out, fake: features (N, F), (H, F), (M, F).

    The error is that of DeLong et al.: each sample's share of held-out examples, and each held-out example's share of
    samples, vary independently.

    References:
        Meehan, Chaudhuri & Dasgupta 2020, "A Non-Parametric Test to Detect Data-Copying", section 3
        DeLong, DeLong & Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated ... Curves", eq. 5
    """
    distances, neighbours = nearest(finite(fake), finite(train), k)
    of_held_out, of_samples = nearest(finite(held_out), train)[0][:, 0], distances[:, 0].contiguous()
    above, below = _share_above(of_samples, of_held_out), _share_above(of_held_out, of_samples)
    error = math.sqrt(above.var().item() / len(above) + below.var().item() / len(below))
    return Memorisation(above.mean().item(), error, neighbours, distances, of_samples.argsort())


def _share_above(values: Tensor, others: Tensor) -> Tensor:
    """For each of `values` the share of `others` that are larger, equal ones counting half, (N,) float64."""
    ordered = others.sort().values
    up_to, below = (torch.searchsorted(ordered, values, right=right) for right in (True, False))
    return 1 - (up_to + below).double() / (2 * len(ordered))
