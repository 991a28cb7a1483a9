"""Distributions over whole examples and codes: all dimensions after the batch are one event."""

import math
from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl
from torch.nn import functional as F

from ganvas.machine import rng

LOG_VARIANCE_BOUNDS = (-20.0, 10.0)
"""Bounds of the log variance: beyond them a variance or its inverse overflows in float16, and soon in float32."""


Size = torch.Size | list[int] | tuple[int, ...]


class Unchecked(Distribution):
    """A distribution without argument checks at construction, which would need a pass over the arguments."""

    arg_constraints = MappingProxyType({})  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, batch_shape: torch.Size, event_shape: torch.Size) -> None:
        super().__init__(batch_shape, event_shape, validate_args=False)


class DiagonalNormal(Unchecked):
    """N(loc, diag exp(log_variance)). loc: (*batch, *event); log_variance: broadcastable to it.

    event_dim: number of trailing dimensions of one event; the log density sums over them. In nats.
    """

    has_rsample = True

    def __init__(self, loc: Tensor, log_variance: Tensor, event_dim: int | None = None) -> None:
        self.loc = loc
        self.log_variance = F.hardtanh(
            log_variance, *LOG_VARIANCE_BOUNDS
        )  # clamp: its gradient takes one pass instead of five
        batch_dim = 1 if event_dim is None else loc.dim() - event_dim
        super().__init__(loc.shape[:batch_dim], loc.shape[batch_dim:])

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.log_variance.exp().expand_as(self.loc)

    @property
    def stddev(self) -> Tensor:
        return (0.5 * self.log_variance).exp().expand_as(self.loc)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        noise = _noise(rng.randn, sample_shape, self.loc)
        return torch.addcmul(self.loc, (0.5 * self.log_variance).exp(), noise)

    def log_prob(self, value: Tensor) -> Tensor:
        square = (value - self.loc).square() * (-self.log_variance).exp()
        density = -0.5 * (square + self.log_variance + math.log(2 * math.pi))
        return _sum_event(density, self.event_shape)

    def entropy(self) -> Tensor:
        return _sum_event(0.5 * (self.log_variance + 1 + math.log(2 * math.pi)).expand_as(self.loc), self.event_shape)


class Certain(Unchecked):
    """One value per example with probability 1: the posterior of a deterministic encoder. value: (N, ...)."""

    has_rsample = True

    def __init__(self, value: Tensor) -> None:
        self.value = value
        super().__init__(value.shape[:1], value.shape[1:])

    @property
    def mean(self) -> Tensor:
        return self.value

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.value)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log probability (not a density): 0 for the value itself, −∞ for any other."""
        same = (value == self.value).flatten(value.dim() - len(self.event_shape)).all(-1)
        return torch.where(same, 0.0, -torch.inf)


@register_kl(DiagonalNormal, DiagonalNormal)
def _kl_diagonal_normal(q: DiagonalNormal, p: DiagonalNormal) -> Tensor:  # pyright: ignore[reportUnusedFunction]
    """Kingma & Welling 2014, appendix B, for a general diagonal p. In nats."""
    difference = q.log_variance - p.log_variance
    square = (q.loc - p.loc).square() * (-p.log_variance).exp()
    return _sum_event(0.5 * (difference.exp() + square - 1 - difference), q.event_shape)


class BernoulliImage(Unchecked):
    """Pixels that are −1 or 1, independent. logits: (N, C, H, W), of a pixel being 1.

    Grey values between −1 and 1 count as probabilities, so −log p is the binary cross-entropy of common VAE programs. It is
    exact for binarised images, and for grey ones the usual surrogate (not a density). In nats.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:1], logits.shape[1:])

    @property
    def mean(self) -> Tensor:
        return torch.tanh(0.5 * self.logits)  # 2 sigmoid(l) − 1

    def sample(self, sample_shape: Size = ()) -> Tensor:
        uniform = _noise(rng.rand, sample_shape, self.logits)
        return (uniform < torch.sigmoid(self.logits)).to(self.logits.dtype) * 2 - 1

    def log_prob(self, value: Tensor) -> Tensor:
        share, logits = torch.broadcast_tensors(value.mul(0.5).add_(0.5), self.logits)
        return -_sum_event(F.binary_cross_entropy_with_logits(logits, share, reduction="none"), self.event_shape)


class DiscretizedLogistic(Unchecked):
    """Pixels of 256 levels with a logistic, integrated over each level's bin. Kingma et al. 2016, eq. 11.

    loc, log_scale: (N, C, H, W) in units of [−1, 1]; the first and the last bin take the tails. In nats.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor) -> None:
        self.loc = loc
        self.log_scale = log_scale.clamp(-7.0, 5.0)
        super().__init__(loc.shape[:1], loc.shape[1:])

    @property
    def mean(self) -> Tensor:
        return self.loc.clamp(-1, 1)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        uniform = _noise(rng.rand, sample_shape, self.loc).clamp(1e-5, 1 - 1e-5)
        value = self.loc + self.log_scale.exp() * torch.logit(uniform)
        return ((value.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1

    def log_prob(self, value: Tensor) -> Tensor:
        inverse_scale = (-self.log_scale).exp()
        centred = value - self.loc
        upper = inverse_scale * (centred + 1 / 255)
        lower = inverse_scale * (centred - 1 / 255)
        # sigmoid(u) − sigmoid(l) = sigmoid(u) sigmoid(−l) (1 − e^(l−u)): each factor keeps its precision far in the tails
        middle = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        density = torch.where(value < -0.999, F.logsigmoid(upper), middle)
        density = torch.where(value > 0.999, F.logsigmoid(-lower), density)
        return _sum_event(density, self.event_shape)


class CategoricalImage(Unchecked):
    """Pixels of 256 levels, each level with its own probability. logits: (N, 256, C, H, W). In nats."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = F.log_softmax(logits, dim=1)
        super().__init__(logits.shape[:1], logits.shape[2:])

    @property
    def mean(self) -> Tensor:
        levels = torch.linspace(-1, 1, 256, dtype=self.logits.dtype, device=self.logits.device)
        return torch.einsum("nl...,l->n...", self.logits.exp(), levels)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        gumbel = -torch.log(-torch.log(_noise(rng.rand, sample_shape, self.logits).clamp(1e-20, 1 - 1e-7)))
        return (self.logits + gumbel).argmax(dim=len(sample_shape) + 1) / 127.5 - 1

    def log_prob(self, value: Tensor) -> Tensor:
        level = ((value + 1) * 127.5).round().long().clamp(0, 255).unsqueeze(1)
        return _sum_event(self.logits.gather(1, level).squeeze(1), self.event_shape)


def _sum_event(density: Tensor, event_shape: torch.Size) -> Tensor:
    return density.flatten(density.dim() - len(event_shape)).sum(-1) if event_shape else density


def _noise(draw: Callable[..., Tensor], sample_shape: Size, like: Tensor) -> Tensor:
    """Noise (*sample_shape, *like.shape), drawn with the batch first, because processes divide that dimension."""
    num = len(sample_shape)
    if num == 0 or like.dim() < 2:
        return draw(*sample_shape, *like.shape, like=like)
    return draw(like.shape[0], *sample_shape, *like.shape[1:], like=like).movedim(0, num)
