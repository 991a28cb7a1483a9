"""The Wasserstein distance, along many random lines."""

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.machine.rng import generator
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.images import as_float
from ganvas.metrics.metric import Metric, Reading
from ganvas.metrics.needs import Need

PROJECTIONS = 512
AT_ONCE = 64

PAIRS, SMALLEST_PART = 10, 50
"""Pairs of parts of each set, from which the quadratic part of the variance is estimated; examples a part has at least."""


def sliced_wasserstein(real: Tensor, fake: Tensor, seed: int, projections: int = PROJECTIONS) -> tuple[float, float]:
    """Sliced 2-Wasserstein distance of two sets of the same size: (E_θ W₂²(θ·X, θ·Y))^½, and its standard error.

    real, fake: (N, ...), flattened to vectors; for images in units of [−1, 1]. θ is uniform on the sphere.
    The error is the standard deviation over redraws of both sets, for these directions. The influence function of the
    squared distance is the mean of the Kantorovich potentials; its variance is L + 2D, of which D, the variance for
    equal distributions, is measured between parts of one set. The squared distance has variance L + D.

    References:
        Bonneel et al. 2015, "Sliced and Radon Wasserstein Barycenters of Measures"
        del Barrio & Loubes 2019, "Central limit theorems for empirical transportation cost in general dimension"
    """
    if len(real) != len(fake):
        raise GanvasError(f"sliced Wasserstein compares sets of one size, not {len(real)} with {len(fake)}")
    real, fake = real.flatten(1), fake.flatten(1)
    draw = generator(seed, "sliced Wasserstein")
    directions = torch.randn(real.shape[1], projections, generator=draw)
    directions /= directions.norm(dim=0)
    parts = [_parts(len(real), draw) for _ in range(2)]
    squared = 0.0
    potentials = torch.zeros(2, len(real), dtype=torch.float64)
    between = torch.zeros(2, PAIRS, dtype=torch.float64)
    for some in directions.split(AT_ONCE, dim=1):
        along = [x.double() @ some.double() for x in (real, fake)]
        # In one dimension the optimal plan joins the sorted points.
        (x, at_x), (y, at_y) = (line.sort(0) for line in along)
        squared += (x - y).square().mean(0).sum().item()
        potentials[0] += _potential(x, at_x, x - y)
        potentials[1] += _potential(y, at_y, y - x)
        for i, line in enumerate(along):
            first, second = line[parts[i]].sort(2).values  # (pairs, examples, directions)
            between[i] += (first - second).square().mean(1).sum(1)
    linear = (potentials / projections).var(1).sum().item() / len(real)
    quadratic = (between / projections).var(1).mean().item() * (parts[0].shape[2] / len(real)) ** 2
    value = (squared / projections) ** 0.5
    return value, max(linear - quadratic, quadratic) ** 0.5 / (2 * value) if value else 0.0


def _potential(points: Tensor, places: Tensor, gap: Tensor) -> Tensor:
    """Kantorovich potentials φ' = 2 (x − T(x)), summed over directions, for each example, (N,).

    points: sorted, (N, K). places: which example each is. gap: x − T(x) of each.
    """
    steps = (points[1:] - points[:-1]) * (gap[1:] + gap[:-1])
    potential = torch.cat([torch.zeros_like(points[:1]), steps.cumsum(0)])
    potential -= potential.mean(0)
    return torch.zeros(len(points), dtype=points.dtype).index_add_(0, places.flatten(), potential.flatten())


def _parts(num: int, draw: torch.Generator) -> Tensor:
    """Pairs of disjoint parts of `num` examples: indices (2, pairs, examples of a part)."""
    size = max(1, num // (4 * PAIRS), min(SMALLEST_PART, num // 2))
    orders = [torch.randperm(num, generator=draw)[: 2 * size] for _ in range(PAIRS)]
    return torch.stack(orders).view(PAIRS, 2, size).transpose(0, 1)


def _swd(c: EvaluationContext) -> Reading:
    num = min(len(c.x), len(c.samples))
    value = sliced_wasserstein(as_float(c.x[:num]), c.samples[:num], c.seed)
    return Reading({"swd": value}, num, num, None, {"projections": PROJECTIONS})


SLICED_WASSERSTEIN = Metric(
    "swd",
    summary="sliced Wasserstein distance of pixels",
    needs=(Need.SAMPLES,),
    better="lower",
    paper="Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3",
    measure=_swd,
    has_floor=True,
)
