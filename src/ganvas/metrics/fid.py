"""The Fréchet distance of two sets of features."""

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.machine.rng import generator
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.features import finite
from ganvas.metrics.metric import Metric, Reading
from ganvas.metrics.needs import Need

PAIRS = 2_000
"""Pairs of examples from which the quadratic part of the variance is estimated."""

NO_VARIANCE = 1e-10
"""A direction with this share of the largest variance, or less, is one in which features do not vary."""


def frechet_distance(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """FID: |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), Gaussians fitted to the features, in float64; its standard error.

    real, fake: (N, F), (M, F), each of at least F + 1 examples, since fewer leave the covariance singular.
    The error is the standard deviation over redraws of both sets: see `_error`. It does not contain FID's bias, which
    depends on N and M.

    References:
        Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule ...", eq. 6
    """
    num_features = real.shape[1]
    for name, features in (("real examples", real), ("samples", fake)):
        if len(features) <= num_features:
            raise GanvasError(
                f"{len(features)} {name} are too few for the covariance of {num_features} features: "
                f"at least {num_features + 1} are needed",
                "Use more, or use KID, which has no such limit.",
            )
    x, y = finite(real).double(), finite(fake).double()
    shift = x.mean(0) - y.mean(0)
    x, y = x - x.mean(0), y - y.mean(0)
    first, second = x.T @ x / (len(x) - 1), y.T @ y / (len(y) - 1)
    root, inverse = _roots(first)
    cross = root @ second @ root
    cross_root, cross_inverse = _roots((cross + cross.T) / 2)
    value = shift.square().sum() + first.trace() + second.trace() - 2 * cross_root.trace()
    there, back = (
        inverse @ cross_root @ inverse,
        root @ cross_inverse @ root,
    )  # optimal maps from C₁ to C₂, and from C₂ to C₁
    along = 2 * (x @ shift) + (x * (x - x @ there)).sum(1), -2 * (y @ shift) + (y * (y - y @ back)).sum(1)
    linear = along[0].var() / len(x) + along[1].var() / len(y)
    return max(0.0, value.item()), _error(linear, x, y, (first + second) / 2)


def _error(linear: Tensor, x: Tensor, y: Tensor, covariance: Tensor) -> float:
    """The standard error of FID. linear: variance of its influence function, summed over both sets.

    For equal distributions FID is, to second order, the mean over pairs of a kernel,
    h(x, x') = x·x' + ½ Σᵢⱼ (xxᵀ − C)ᵢⱼ (x'x'ᵀ − C)ᵢⱼ / (λᵢ + λⱼ) in the eigenvectors of C. Its variance there is
    D = 2 E h² (1/N + 1/M)². The influence function of the estimated Gaussians contains the noise of the estimate,
    so that its variance is L + 2D; the variance of FID is L + D.

    x, y: features less their means.
    """
    values, vectors = torch.linalg.eigh(covariance)
    varying = values > NO_VARIANCE * values[-1]
    values, vectors = values[varying], vectors[:, varying]
    weights = 1 / (values[:, None] + values)
    order = generator(0, "pairs of features")

    def spread(a: Tensor, b: Tensor) -> Tensor:
        i, j = (torch.randint(len(each), (PAIRS,), generator=order) for each in (a, b))
        different = i != j if a is b else torch.ones(PAIRS, dtype=torch.bool)
        p, q = a[i[different]] @ vectors, b[j[different]] @ vectors
        product = p * q
        own = p.square().sum(1) + q.square().sum(1) - values.sum()
        return (product.sum(1) + 0.5 * ((product @ weights) * product).sum(1) - 0.25 * own).var()

    n, m = len(x), len(y)
    quadratic = 2 * spread(x, x) / n**2 + 2 * spread(y, y) / m**2 + 4 * spread(x, y) / (n * m)
    return torch.maximum(linear - quadratic, quadratic).sqrt().item()


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """C^½ and C^−½ of a symmetric C (F, F); the latter is 0 in directions without variance."""
    values, vectors = torch.linalg.eigh(covariance)
    varying = values > NO_VARIANCE * values[-1].clamp_min(1e-300)
    root = values.clamp_min(0).sqrt()
    inverse = torch.where(varying, 1 / root.where(varying, 1), 0)
    return (vectors * root) @ vectors.T, (vectors * inverse) @ vectors.T


def _fid(c: EvaluationContext) -> Reading:
    num, num_features = len(c.held_out.x), c.reference_features.shape[1]
    if num <= num_features:
        raise GanvasError(
            f"the evaluation set is too small: it holds out {num} examples, and a covariance of {num_features} features "
            f"needs at least {num_features + 1}",
            "More samples do not help. KID has no such limit.",
        )
    value = frechet_distance(c.reference_features, c.sample_features)
    return Reading({"fid": value}, len(c.samples), len(c.x), c.features)


FID = Metric(
    "fid",
    summary="Fréchet distance of samples and held-out data in features",
    needs=(Need.SAMPLES, Need.FEATURES),
    better="lower",
    paper="Heusel et al. 2017, arXiv:1706.08500",
    measure=_fid,
    has_floor=True,
)
