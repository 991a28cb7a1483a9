"""Likelihood of data under a latent-variable model: the ELBO, its two parts, and −log p."""

import math
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from ganvas.core.model import LatentVariableModel
from ganvas.errors import GanvasError
from ganvas.machine.rng import seeded
from ganvas.metrics.codes import batches, evaluating
from ganvas.metrics.images import as_float
from ganvas.probability.distributions import BernoulliImage

CODES_AT_ONCE = 1_000
"""Number of codes decoded at once: one layer of 28x28 likelihoods then fits the CPU cache."""

KL_SAMPLES = 64


class Kind(StrEnum):
    """The kind of p(x|z). Nats of different kinds are not comparable, and only probabilities give bits."""

    PROBABILITY = "probability of pixels"
    DENSITY = "density in units of [−1, 1]"
    SURROGATE = "cross-entropy of grey pixels"


def kind_of(model: LatentVariableModel, x: Tensor, y: Tensor | None = None) -> Kind:
    """The kind of the model's likelihood for these examples, (N, ...). y: (N,)."""
    with evaluating(model):
        first, label = next(batches(model, x[:1], None if y is None else y[:1]))
        p = model.decode(model.encode(first, label).mean, label)
    if p.has_rsample:
        return Kind.DENSITY
    # Of pixels between black and white a Bernoulli's cross-entropy is no −log p: over all of them it does not sum to one.
    grey = isinstance(p, BernoulliImage) and any(bool((as_float(part).abs() != 1).any()) for part in x.split(1_000))
    return Kind.SURROGATE if grey else Kind.PROBABILITY


@dataclass(frozen=True)
class Bound:
    """Nats per example, (N,) float64: distortion −E_q log p(x|z), rate KL(q(z|x) ‖ p(z)); −ELBO is their sum."""

    distortion: Tensor
    rate: Tensor

    @property
    def negative_elbo(self) -> Tensor:
        return self.distortion + self.rate


def negative_elbo(
    model: LatentVariableModel, x: Tensor, y: Tensor | None = None, *, samples: int = 10, seed: int = 0
) -> Bound:
    """The bound for each example, E_q over `samples` codes. x: (N, ...) uint8 or float; y: (N,).

    The rate is in closed form if torch has one for (q, p), else a mean over 64 codes.

    References:
        Kingma & Welling 2014, eq. 3
    """
    distortion: list[Tensor] = []
    rate: list[Tensor] = []
    with evaluating(model), seeded(seed, "elbo"):
        for x_batch, y_batch in batches(model, x, y):
            q = model.encode(x_batch, y_batch)
            draws = [-_log_likelihood(model, x_batch, q.sample((1,)), y_batch)[0] for _ in range(samples)]
            distortion.append(torch.stack(draws).mean(0).cpu())
            rate.append(divergence(q, model.prior()).double().cpu())
    return Bound(_finite(torch.cat(distortion)), _finite(torch.cat(rate)))


def negative_log_likelihood(
    model: LatentVariableModel, x: Tensor, y: Tensor | None = None, *, samples: int = 5_000, seed: int = 0
) -> Tensor:
    """−log p(x) of each example by importance sampling from q, (N,) float64 nats: −log 1/k Σ p(x|zᵢ) p(zᵢ) / q(zᵢ|x).

    In expectation an upper bound of −log p(x), tighter with more samples. Memory does not grow with `samples`.

    References:
        Burda et al. 2016, "Importance Weighted Autoencoders", eq. 8
    """
    size = max(1, CODES_AT_ONCE // samples)
    with evaluating(model), seeded(seed, "importance samples"):
        # One tensor for all: small ones that stay, made among large ones that go, would leave holes in the process's memory.
        estimates = torch.empty(len(x), dtype=torch.float64)
        for part, batch in zip(estimates.split(size), batches(model, x, y, size), strict=True):
            part.copy_(_importance_sum(model, *batch, samples) - math.log(samples))
    return -_finite(estimates)


def bits_per_dimension(nats: Tensor, num_dimensions: int) -> Tensor:
    """Nats per example to bits per pixel and channel."""
    return nats / (num_dimensions * math.log(2))


def divergence(q: Distribution, p: Distribution) -> Tensor:
    """KL(q ‖ p) for each of q's batch, (N,) nats: closed form where registered, else a mean over 64 draws of q."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        z = q.sample((KL_SAMPLES,))
        return (q.log_prob(z) - p.log_prob(z)).mean(0)


def _importance_sum(model: LatentVariableModel, x: Tensor, y: Tensor | None, samples: int) -> Tensor:
    """log Σᵢ p(x|zᵢ) p(zᵢ) / q(zᵢ|x), (N,) float64, the codes some at a time."""
    q, prior = model.encode(x, y), model.prior()
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    at_once = max(1, CODES_AT_ONCE // len(x))
    for start in range(0, samples, at_once):
        z = q.sample((min(at_once, samples - start),))
        log_weights = _log_likelihood(model, x, z, y) + prior.log_prob(z).double() - q.log_prob(z).double()
        total = torch.logaddexp(total, log_weights.logsumexp(0))
    return total


def _log_likelihood(model: LatentVariableModel, x: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
    """log p(x|z), (k, N) float64, for codes z (k, N, ...) of examples x (N, ...)."""
    num = z.shape[:2]
    labels = None if y is None else y.expand(num).flatten()
    p = model.decode(z.flatten(0, 1), labels)
    # Where N is 1 the expanded examples take no memory.
    return p.log_prob(x.expand(num[0], *x.shape).flatten(0, 1)).unflatten(0, num).double()


def _finite(nats: Tensor) -> Tensor:
    bad = int((~nats.isfinite()).sum())
    if bad:
        raise GanvasError(
            f"the likelihood of {bad} of {len(nats)} examples is NaN or infinite",
            "The model has diverged, or the data are outside its likelihood's support.",
        )
    return nats
