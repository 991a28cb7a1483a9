"""Layers of light generators: gated units, noise, and skip-layer excitation. Liu et al. 2021 (FastGAN), section 3.1."""

import torch
from torch import Tensor, nn

from ganvas.machine import rng


class GatedLinearUnit(nn.Module):
    """The first half of the channels times the sigmoid of the second. h: (N, 2C, ...). Returns (N, C, ...).

    Dauphin et al. 2017, https://arxiv.org/abs/1612.08083
    """

    def forward(self, h: Tensor) -> Tensor:
        value, gate = h.chunk(2, dim=1)
        return value * gate.sigmoid()


class NoiseInjection(nn.Module):
    """h plus one noise picture an example, times a learned weight that starts at 0. h: (N, C, side, side).

    In training the noise is drawn anew. In eval mode it is one fixed picture, so that a code has one image.
    number: layers of one size with different numbers have different fixed pictures.
    channels: None for one weight, else the number of channels, each with a weight.
    """

    def __init__(self, side: int, number: int = 0, channels: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()) if channels is None else torch.zeros(channels, 1, 1))
        seed = ("noise", side, number) if number else ("noise", side)
        fixed = torch.randn(1, 1, side, side, generator=rng.generator(*seed))
        self.register_buffer("fixed", fixed, persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.noise(h)

    def noise(self, h: Tensor) -> Tensor:
        """What is added to h: (N, 1, H, W), or (1, 1, H, W) in eval mode; (N, C, H, W) with a weight for each channel."""
        drawn = rng.randn(len(h), 1, *h.shape[2:], like=h) if self.training else self.get_buffer("fixed").to(h.dtype)
        return self.weight * drawn


class SkipLayerExcitation(nn.Module):
    """A fine map times a gate for each channel, which a coarse map decides. Liu et al. 2021, eq. 1 and 2.

    fine: (N, out_channels, H, W); coarse: (N, in_channels, h, w). Returns a tensor shaped as `fine`.
    The gate is in (0, 1).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(in_channels, out_channels, 4, bias=False),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        return fine * self.gate(coarse)


class Blur(nn.Module):
    """x filtered by [1, 2, 1] / 4 in both directions, edges repeated. x: (N, C, H, W). Returns a tensor shaped as x.

    At the end of a generator it removes the lattice that enlarging leaves. Zhang 2019, https://arxiv.org/abs/1904.11486
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (taps[:, None] * taps).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return nn.functional.conv2d(padded, self.get_buffer("kernel"), groups=x.shape[1])
