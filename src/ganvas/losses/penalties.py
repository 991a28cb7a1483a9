"""Penalties on a critic's gradient. Each is an object: penalty(critic, real, fake, y) returns one weighted scalar.

`every`: it is applied at every k-th turn. All run in float32, and need a second derivative of the critic.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.machine import rng
from ganvas.machine.precision import full, unmixed

Score = Callable[[Tensor, Tensor | None], Tensor]
"""A critic: (x, y) to scores."""


class Penalty(ABC):
    """A term of a critic's loss that depends on the critic's gradient."""

    name: str
    every: int

    @abstractmethod
    def __call__(self, critic: Score, real: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        """real, fake: (N, ...). Returns a scalar."""


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """weight · E (‖∇f(x̂)‖ − 1)², x̂ uniformly between a real and a fake example. Gulrajani et al. 2017, eq. 3."""

    weight: float = 10.0
    every: int = 1
    name = "gradient penalty"

    def __call__(self, critic: Score, real: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        share = rng.rand(len(real), *[1] * (real.dim() - 1), like=full(real))
        between = torch.lerp(full(real.detach()), full(fake.detach()), share)
        return self.weight * (slope(critic, between, y) - 1).square().mean()


@dataclass(frozen=True)
class R1(Penalty):
    """γ/2 · E ‖∇D(x)‖² on real data. Mescheder et al. 2018, eq. 9."""

    gamma: float = 1.0
    every: int = 1
    name = "R1"

    def __call__(self, critic: Score, real: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        return 0.5 * self.gamma * squared_slope(critic, real, y).mean()


@dataclass(frozen=True)
class R2(Penalty):
    """γ/2 · E ‖∇D(x̃)‖² on generated data. Mescheder et al. 2018, eq. 10."""

    gamma: float = 1.0
    every: int = 1
    name = "R2"

    def __call__(self, critic: Score, real: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        return 0.5 * self.gamma * squared_slope(critic, fake, y).mean()


def squared_slope(critic: Score, x: Tensor, y: Tensor | None = None) -> Tensor:
    """‖∇_x f(x)‖² of each example, (N,), differentiable in the critic's parameters. x: (N, ...), detached."""
    x = full(x.detach()).requires_grad_()
    with unmixed(x):
        (gradient,) = torch.autograd.grad(critic(x, y).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def slope(critic: Score, x: Tensor, y: Tensor | None = None) -> Tensor:
    """‖∇_x f(x)‖ of each example, (N,). The root's derivative is infinite at 0, so 1e-12 is added."""
    return (squared_slope(critic, x, y) + 1e-12).sqrt()


def path_lengths(synthesis: Callable[[Tensor], Tensor], ws: Tensor) -> Tensor:
    """‖Jᵀy‖ of each image, (N,), with J = ∂g/∂w and y ~ N(0, I) / √(pixels), differentiable in w and the network.

    synthesis: g, from ws (N, layers, size) to images. The square is summed over w and averaged over layers.
    Karras et al. 2020, section 3.2
    """
    with unmixed(ws):
        if not ws.requires_grad:
            ws = ws.detach().requires_grad_()
        image = synthesis(full(ws))
        y = rng.randn(*image.shape, like=image) / math.sqrt(image.shape[2] * image.shape[3])
        (slope,) = torch.autograd.grad((image * y).sum(), ws, create_graph=True)
    return (full(slope).square().sum(2).mean(1) + 1e-12).sqrt()


def not_orthogonal(weights: Sequence[Tensor]) -> Tensor:
    """Σ_W ‖W Wᵀ ⊙ (1 − I)‖²_F: 0 if the rows of each weight W (out, ...) are orthogonal, whatever their lengths.

    It is ‖W Wᵀ‖² − Σ_i ‖w_i‖⁴, and ‖W Wᵀ‖ = ‖Wᵀ W‖, so the smaller of both products is enough. Brock et al. 2019, eq. 3
    """
    total: list[Tensor] = []
    for weight in weights:
        w = full(weight).flatten(1)
        square = w.T @ w if len(w) > w.shape[1] else w @ w.T
        total.append(square.square().sum() - w.square().sum(1).square().sum())
    return torch.stack(total).sum()
