"""Whether samples are copies of training images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.metrics.distances import nearest
from ganvas.metrics.features import finite


@dataclass(frozen=True)
class Memorisation:
    """share: how often a sample lies closer to the training set than a held-out example does; 0.5 without copying.

    neighbours: indices of each sample's nearest training examples, nearest first, (M, k).
    distances: to them, (M, k), in units of the features.
    closest: indices of the samples, the most suspicious (nearest to the training set) first, (M,).
    """

    share: float
    neighbours: Tensor
    distances: Tensor
    closest: Tensor


def memorisation(train: Tensor, held_out: Tensor, fake: Tensor, k: int = 1) -> Memorisation:
    """P(d(sample, train) < d(held-out, train)) over all pairs, ties counting half: the Mann-Whitney statistic.

    train, held_out, fake: features (N, F), (H, F), (M, F).

    References:
        Meehan, Chaudhuri & Dasgupta 2020, "A Non-Parametric Test to Detect Data-Copying", section 3
    """
    distances, neighbours = nearest(finite(fake), finite(train), k)
    of_held_out = nearest(finite(held_out), train)[0][:, 0].sort().values
    of_samples = distances[:, 0].contiguous()
    above = len(of_held_out) - torch.searchsorted(of_held_out, of_samples, right=True)
    at_least = len(of_held_out) - torch.searchsorted(of_held_out, of_samples)
    share = (above + at_least).double().mean().item() / (2 * len(of_held_out))
    return Memorisation(share, neighbours, distances, of_samples.argsort())
