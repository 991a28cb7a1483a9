"""How much of the samples looks real, and how much of the real data the samples reach."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.metrics.distances import squared_distances
from ganvas.metrics.features import finite


@dataclass(frozen=True)
class PRDC:
    """precision, recall, coverage: shares in [0, 1]; density: 1 if samples are as packed as the real data."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """Precision and recall by k-nearest-neighbour balls, density and coverage. real, fake: features (N, F), (M, F).

    Precision and recall count a point at exactly the radius, as Kynkäänniemi et al. do. Density and coverage do not,
    as in the code of Naeem et al.: a real ball then holds its own centre and k − 1 other real points, k in all, so that
    identical sets have density 1. If several real points lie at the radius, each counts for an equal part of the
    places that are left of k. Identical sets score 1 in all four, with and without ties.

    References:
        Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric ...", eq. 1 and 2
        Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics ...", eq. 3 to 5, and its code
    """
    if min(len(real), len(fake)) <= k:
        raise GanvasError(
            f"the {k}-th neighbour needs more than {k} examples; there are {len(real)} real and {len(fake)} generated"
        )
    rounding = 1e-12 * torch.cat([finite(real), finite(fake)]).double().var(0).sum().item()
    real_balls, at_radius = _balls(real, k, rounding)
    fake_balls, _ = _balls(fake, k, rounding)
    balls_around = torch.zeros(len(fake))  # for each sample, in how many real balls it lies
    packed, recalled, covered = 0.0, 0.0, 0.0
    for rows, distances in squared_distances(real, fake):
        closed = distances <= real_balls[rows, None] + rounding
        opened = distances < real_balls[rows, None] - rounding
        balls_around += closed.sum(0, dtype=torch.int32)  # its own type for bool is seven times slower
        inside = opened.sum(1, dtype=torch.int32)
        weight = at_radius[rows] * (closed.sum(1, dtype=torch.int32) - inside)
        packed += (inside + weight).double().sum().item()
        covered += ((inside > 0) | (weight > 0)).sum().item()
        recalled += (distances <= fake_balls + rounding).any(1).sum().item()
    return PRDC(
        precision=(balls_around > 0).double().mean().item(),
        recall=recalled / len(real),
        density=packed / (k * len(fake)),
        coverage=covered / len(real),
    )


def _balls(points: Tensor, k: int, rounding: float) -> tuple[Tensor, Tensor]:
    """Of each point's ball: squared distance to its k-th nearest neighbour, itself not counted; weight at the radius.

    The weight is what a point at exactly the radius counts for, so that the ball holds k points. Both (N,).
    """
    radii: list[Tensor] = []
    weights: list[Tensor] = []
    for _, distances in squared_distances(points, points):
        radius = distances.topk(k + 1, dim=1, largest=False).values.amax(1)
        inside = (distances < radius[:, None] - rounding).sum(1, dtype=torch.int32)
        closed = (distances <= radius[:, None] + rounding).sum(1, dtype=torch.int32)
        radii.append(radius)
        weights.append((k - inside) / (closed - inside))
    return torch.cat(radii), torch.cat(weights)
