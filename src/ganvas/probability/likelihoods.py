"""Likelihood heads p(x|z): from a decoder's last layer to a distribution over examples.

Each takes features (N, num_parameters · C, H, W), or (N, num_parameters · D) for points, and returns a distribution
whose events are examples (C, H, W) or (D,). Another object changes a model's likelihood.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.machine.precision import full
from ganvas.probability.distributions import BernoulliImage, CategoricalImage, DiagonalNormal, DiscretizedLogistic


class Likelihood(Protocol):
    """The interface of a likelihood head."""

    num_parameters: int

    def __call__(self, features: Tensor) -> Distribution: ...


class Bernoulli(nn.Module):
    """Bernoulli pixels: exact for binarised images, the usual cross-entropy for grey ones."""

    num_parameters = 1

    def forward(self, features: Tensor) -> BernoulliImage:
        return BernoulliImage(full(features))


class Gaussian(nn.Module):
    """N(mean, scale²) with one fixed scale, in units of [−1, 1]."""

    num_parameters = 1
    log_variance: Tensor

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("log_variance", 2 * torch.tensor(scale).log(), persistent=False)

    def forward(self, features: Tensor) -> DiagonalNormal:
        return DiagonalNormal(full(features), self.log_variance)


class SharedScaleGaussian(nn.Module):
    """N(mean, scale²) with one learned scale for all pixels: the σ-VAE. Rybkin et al. 2021, section 4.1.

    The log variance is 30 times its parameter: with a learning rate for weights, a single number would change too slowly.
    """

    num_parameters = 1

    def __init__(self, scale: float = 0.5) -> None:
        super().__init__()
        self.share = nn.Parameter(2 * torch.tensor(scale).log() / 30)

    def forward(self, features: Tensor) -> DiagonalNormal:
        return DiagonalNormal(full(features), (30 * self.share).clamp_min(MIN_LOG_VARIANCE))


class PixelScaleGaussian(nn.Module):
    """N(mean, scale²) with a scale for each pixel, from the decoder."""

    num_parameters = 2

    def forward(self, features: Tensor) -> DiagonalNormal:
        mean, log_variance = full(features).chunk(2, dim=1)
        return DiagonalNormal(mean, log_variance.clamp_min(MIN_LOG_VARIANCE))


class Logistic(nn.Module):
    """256 levels with a discretised logistic: a mean and a scale for each pixel. Kingma et al. 2016."""

    num_parameters = 2

    def forward(self, features: Tensor) -> DiscretizedLogistic:
        mean, log_scale = full(features).chunk(2, dim=1)
        return DiscretizedLogistic(mean, log_scale - 2)  # a scale of e⁻² at the start: a third of the grey range


class Categorical(nn.Module):
    """256 levels, each with its own probability."""

    num_parameters = 256

    def forward(self, features: Tensor) -> CategoricalImage:
        return CategoricalImage(full(features).unflatten(1, (256, -1)))


MIN_LOG_VARIANCE = -9.7
"""The minimum learned scale: below 1/128, the distance of two grey levels, constant pixels give unbounded likelihood."""
