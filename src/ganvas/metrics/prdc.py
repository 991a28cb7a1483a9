"""How much of the samples looks real, and how much of the real data the samples reach."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.metrics.distances import squared_distances
from ganvas.metrics.features import finite


@dataclass(frozen=True)
class PRDC:
    """precision, recall, coverage: shares in [0, 1]; density: 1 where samples are as packed as the real data."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """Precision and recall by k-nearest-neighbour balls, density and coverage. real, fake: features (N, F), (M, F).

    A point is in a ball when its distance is at most the radius (up to rounding), so that identical sets score 1.

    References:
        Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric ...", eq. 1 and 2
        Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics ...", eq. 3 to 5
    """
    if min(len(real), len(fake)) <= k:
        raise GanvasError(
            f"the {k}-th neighbour needs more than {k} examples; there are {len(real)} real and {len(fake)} generated"
        )
    rounding = 1e-12 * torch.cat([finite(real), finite(fake)]).double().var(0).sum().item()
    real_balls = _squared_radii(real, k) + rounding
    fake_balls = _squared_radii(fake, k) + rounding
    balls_around = torch.zeros(len(fake))  # for each sample, in how many real balls it lies
    recalled, covered = 0.0, 0.0
    for rows, distances in squared_distances(real, fake):
        inside = distances <= real_balls[rows, None]
        balls_around += inside.sum(0, dtype=torch.int32)  # its own type for bool is seven times slower
        covered += inside.any(1).sum().item()
        recalled += (distances <= fake_balls).any(1).sum().item()
    return PRDC(
        precision=(balls_around > 0).double().mean().item(),
        recall=recalled / len(real),
        density=balls_around.double().mean().item() / k,
        coverage=covered / len(real),
    )


def _squared_radii(points: Tensor, k: int) -> Tensor:
    """Squared distance of each point to its k-th nearest neighbour, itself not counted, (N,)."""
    return torch.cat(
        [part.topk(k + 1, dim=1, largest=False).values.amax(1) for _, part in squared_distances(points, points)]
    )
