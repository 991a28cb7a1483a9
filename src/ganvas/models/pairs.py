"""Gradient penalties on a joint critic, over the concatenated example and code."""

import math

import torch
from torch import Tensor, nn

from ganvas.losses.penalties import Penalty


def pair_penalty(
    penalty: Penalty, critic: nn.Module, real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor], y: Tensor | None
) -> Tensor:
    """A penalty on the gradient of critic(x, z, y) in x and z together.

    real, fake: pairs of x (N, ...) and z (N, L). y: (N,). Returns a scalar.
    """
    shape = real[0].shape[1:]
    size = math.prod(shape)

    def score(pair: Tensor, y: Tensor | None) -> Tensor:
        return critic(pair[:, :size].unflatten(1, shape), pair[:, size:], y)

    ends = [torch.cat([x.flatten(1), z], dim=1) for x, z in (real, fake)]
    return penalty(score, ends[0], ends[1], y)
