"""Precision, recall, density and coverage."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.machine.rng import generator
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.distances import squared_distances
from ganvas.metrics.features import finite
from ganvas.metrics.metric import Metric, Reading, Value
from ganvas.metrics.needs import Need
from ganvas.metrics.prdc_errors import Balls, Pairs, halves_differ


@dataclass(frozen=True)
class PRDC:
    """precision, recall, coverage: shares in [0, 1]; density: 1 if samples are as packed as the real data.

    errors: the standard errors of the four, in this order.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    errors: tuple[float, float, float, float]


def prdc(real: Tensor, fake: Tensor, k: int = 5, seed: int = 0) -> PRDC:
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
    real_balls, fake_balls = Balls.of(real, k, rounding), Balls.of(fake, k, rounding)
    around_real, around_fake = Pairs(), Pairs()
    balls_around = torch.zeros(len(fake))  # for each sample, in how many real balls it lies
    packed, recalled, covered = 0.0, 0.0, 0.0
    for rows, distances in squared_distances(real, fake):
        closed = distances <= real_balls.radii[rows, None] + rounding
        opened = distances < real_balls.radii[rows, None] - rounding
        balls_around += closed.sum(0, dtype=torch.int32)  # its own type for bool is seven times slower
        inside = opened.sum(1, dtype=torch.int32)
        weight = real_balls.at_radius[rows] * (closed.sum(1, dtype=torch.int32) - inside)
        packed += (inside + weight).double().sum().item()
        covered += ((inside > 0) | (weight > 0)).sum().item()
        recalled += (distances <= fake_balls.radii + rounding).any(1).sum().item()
        around_real.add(rows.start, distances, distances <= real_balls.reach[rows, None] + rounding)
        around_fake.add(rows.start, distances, distances <= fake_balls.reach + rounding)
    if around_real.overflown or around_fake.overflown:
        errors = _errors_of_fewer(real, fake, k, seed)
    else:
        errors = halves_differ(real_balls, fake_balls, around_real, around_fake, k, seed)
    return PRDC(
        precision=(balls_around > 0).double().mean().item(),
        recall=recalled / len(real),
        density=packed / (k * len(fake)),
        coverage=covered / len(real),
        errors=errors,
    )


def _errors_of_fewer(real: Tensor, fake: Tensor, k: int, seed: int) -> tuple[float, float, float, float]:
    """Errors measured on a random half of both sets, for those that have too many pairs to be kept."""
    draw = generator(seed, "fewer", len(real), len(fake))
    half_real, half_fake = (x[torch.randperm(len(x), generator=draw)[: len(x) // 2]] for x in (real, fake))
    a, b, c, d = (error / math.sqrt(2) for error in prdc(half_real, half_fake, k, seed).errors)
    return a, b, c, d


def _prdc(c: EvaluationContext) -> Reading:
    found = prdc(c.reference_features, c.sample_features, c.k, c.seed)
    scores = (found.precision, found.recall, found.density, found.coverage)
    names = ("precision", "recall", "density", "coverage")
    values: dict[str, Value] = dict(zip(names, zip(scores, found.errors, strict=True), strict=True))
    return Reading(values, len(c.samples), len(c.x), c.features, {"k": c.k})


PRECISION_RECALL = Metric(
    "prdc",
    summary="precision, recall, density, coverage by nearest neighbours in features",
    needs=(Need.SAMPLES, Need.FEATURES),
    better="higher",
    paper="Kynkäänniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797",
    measure=_prdc,
    has_floor=True,
    gives=("precision", "recall", "density", "coverage"),
)
