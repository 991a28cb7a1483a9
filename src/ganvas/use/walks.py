"""Walks between two codes."""

import torch
from torch import Tensor

from ganvas.core.abilities import Encodes, Generates

WALK = 11
"""The usual number of steps."""


def line_walk(model: Encodes, a: Tensor, b: Tensor, y: Tensor | None, steps: int) -> Tensor:
    """`steps` examples whose codes lie on the line from a's to b's. a, b: (1, ...); y: (1,), their class."""
    start, end = model.encode(a, y).mean, model.encode(b, y).mean
    share = torch.linspace(0, 1, steps, device=start.device).view(-1, *[1] * (start.dim() - 1))
    return model.generate(torch.lerp(start, end, share), None if y is None else y.expand(steps))


def prior_walk(model: Generates, y: Tensor | None, steps: int) -> Tensor:
    """`steps` examples whose codes lie on the arc between two draws from the prior. y: (1,), their class.

    White 2016, "Sampling Generative Networks", https://arxiv.org/abs/1609.04468
    """
    a, b = model.draw_codes(2)
    share = torch.linspace(0, 1, steps, device=a.device).view(-1, *[1] * a.dim())
    cosine = (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)
    angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
    z = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return model.generate(z, None if y is None else y.expand(steps))
