"""Paths from data to noise, x_t = α_t x + σ_t ε with ε ~ N(0, I), and what a network can predict on them.

t: (N,) from 0 (data) to 1 (noise). All paths here keep the variance, α² + σ² = 1, and end at α = 0: the last x_t is pure
noise, as sampling's first one is. Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
https://arxiv.org/abs/2305.08891
"""

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor


class Noising(ABC):
    """α_t and σ_t, and the identities between data x₀, noise ε and v = α ε − σ x₀. Salimans & Ho 2022, appendix D.

    x, v, noise: (N, ...); t: (N,).
    """

    @abstractmethod
    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ at t, each (N,)."""

    @final
    def add(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = α x + σ ε."""
        alpha, sigma = self.along(t, x)
        return alpha * x + sigma * noise

    @final
    def velocity(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """v = α ε − σ x₀."""
        alpha, sigma = self.along(t, x)
        return alpha * noise - sigma * x

    @final
    def data(self, x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """x₀ = α x_t − σ v."""
        alpha, sigma = self.along(t, x_t)
        return alpha * x_t - sigma * v

    @final
    def noise(self, x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """ε = σ x_t + α v."""
        alpha, sigma = self.along(t, x_t)
        return sigma * x_t + alpha * v

    @final
    def angle(self, t: Tensor, x: Tensor) -> Tensor:
        """φ with α = cos φ and σ = sin φ, in radians, shaped to multiply x, (N, 1, ...)."""
        alpha, sigma = self.along(t, x)
        return torch.atan2(sigma, alpha)

    @final
    def along(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ shaped to multiply x, (N, 1, ...)."""
        alpha, sigma = self.coefficients(t)
        shape = (-1, *[1] * (x.dim() - 1))
        return alpha.reshape(shape), sigma.reshape(shape)


class Cosine(Noising):
    """α = cos(πt/2), σ = sin(πt/2). Nichol & Dhariwal 2021, without their offset."""

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        angle = (math.pi / 2) * t
        # float32's cos(π/2) is −4e-8; the end has to be pure noise exactly.
        return torch.where(t >= 1, 0.0, angle.cos()), angle.sin()


class ScaledLinear(Noising):
    """Latent diffusion's schedule of 1,000 steps, its √β linear, rescaled to end at α = 0; linear between its steps.

    α is shifted and scaled so that its first value stays and its last is 0. Rombach et al. 2022; Lin et al. 2024, alg. 1.
    """

    def __init__(self, start: float = 0.00085, end: float = 0.012, num_steps: int = 1_000) -> None:
        betas = torch.linspace(start**0.5, end**0.5, num_steps, dtype=torch.float64).square()
        alpha = (1 - betas).cumprod(0).sqrt()
        alpha = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
        self.table = torch.cat([torch.ones(1, dtype=torch.float64), alpha]).float()

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        table = self.table.to(t)
        place = t.clamp(0, 1) * (len(table) - 1)
        before = place.floor().long().clamp_max(len(table) - 2)
        alpha = torch.lerp(table[before], table[before + 1], place - before)
        return alpha, (1 - alpha.square()).sqrt()
