"""p(z): modules that return a distribution over codes."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas import rng
from ganvas.distributions import DiagonalNormal, Size, Unchecked


class Normal(nn.Module):
    """N(0, I) over codes (L,)."""

    zeros: Tensor

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.register_buffer("zeros", torch.zeros(latent_size), persistent=False)

    def forward(self) -> DiagonalNormal:
        return DiagonalNormal(self.zeros, self.zeros, event_dim=1)


class Uniform(nn.Module):
    """U(−1, 1) over codes (L,), the prior of the DCGAN paper."""

    zeros: Tensor

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.register_buffer("zeros", torch.zeros(latent_size), persistent=False)

    def forward(self) -> Distribution:
        return UniformCube(self.zeros)


class UniformCube(Unchecked):
    """U(−1, 1) in each dimension. like: (L,), for size, type and device."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(torch.Size(), like.shape)

    @property
    def mean(self) -> Tensor:
        return torch.zeros_like(self.like)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        return rng.rand(*sample_shape, *self.like.shape, like=self.like) * 2 - 1

    def log_prob(self, value: Tensor) -> Tensor:
        inside = (value.abs() <= 1).all(-1)
        density = -self.like.numel() * torch.log(torch.tensor(2.0, device=value.device, dtype=value.dtype))
        return torch.where(inside, density, -torch.inf)
