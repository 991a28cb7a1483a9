"""FastGAN's critic: residual halving, patch logits, and decoders that draw from its maps. Liu et al. 2021, section 3.2."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.machine.precision import full
from ganvas.networks.body import Shape, resolutions
from ganvas.nn.excitation import GatedLinearUnit
from ganvas.nn.resampled import enlarged
from ganvas.nn.spectral import spectral

DOUBLINGS = 2
"""How often a decoder enlarges its map, as long as the drawing is no larger than the image."""


class FastCritic(nn.Module):
    """x (N, C, H, W) to the logits of patches (N, M), and to maps that small decoders draw the image from.

    The image is halved to a map of 8 to 15 pixels a side, whose logits see a patch each. One decoder draws the whole image
    from that map. Another draws a quadrant from the same quadrant of the next finer map; example i has quadrant i mod 4.
    Weights are spectrally normalised, except those of the decoders.

    shape: of the images, square, of 8x8 or more. width: channels at half the image's size, doubled at each halving up to
    growth times.
    """

    def __init__(self, shape: Shape, width: int = 32, growth: int = 8) -> None:
        super().__init__()
        sides = resolutions("fastgan", shape, None)
        halvings = max(1, len(sides) - 2)
        widths = [width * min(2**i, growth) for i in range(halvings)]
        self.first = nn.Sequential(nn.Conv2d(shape[0], widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2))
        self.halve = nn.ModuleList(HalvingBlock(a, b) for a, b in pairwise(widths))
        last = widths[-1]
        self.head = nn.Sequential(
            nn.Conv2d(last, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.LeakyReLU(0.2),
            nn.Conv2d(last, 1, 4 if sides[halvings] >= 8 else 3, bias=False),
        )
        spectral(self)
        self.whole = decoder(last, shape[0], sides[halvings], sides[0])
        self.part = None if halvings < 2 else decoder(widths[-2], shape[0], sides[halvings - 1] // 2, sides[0] // 2)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.logits(self.maps(x))

    def maps(self, x: Tensor) -> list[Tensor]:
        """From half the image's side down to the coarsest, each half as large as the one before."""
        found = [self.first(x)]
        for block in self.halve:
            found.append(block(found[-1]))
        return found

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        return full(self.head(maps[-1]).flatten(1))

    def drawings(self, maps: Sequence[Tensor], x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        drawn = self.whole(maps[-1])
        pairs = {"whole image": (drawn, reduced(x, drawn))}
        if self.part is not None:
            drawn = self.part(quadrants(maps[-2]))
            pairs["quadrant"] = (drawn, reduced(quadrants(x), drawn))
        return pairs


class HalvingBlock(nn.Module):
    """The mean of two ways to half the size: convolutions, and an average with a 1x1 convolution.

    h: (N, in_channels, H, W). Returns (N, out_channels, H // 2, W // 2).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )
        self.average = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )

    def forward(self, h: Tensor) -> Tensor:
        return (self.convolve(h) + self.average(h)) / 2


class DoublingBlock(nn.Module):
    """Enlarged by nearest neighbours, convolved, normalised and gated. (N, in, H, W) to (N, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, 2 * out_channels, 3, padding=1, bias=False)
        self.finish = nn.Sequential(nn.BatchNorm2d(2 * out_channels), GatedLinearUnit())

    def forward(self, h: Tensor) -> Tensor:
        return self.finish(enlarged(self.convolution, h))


def decoder(in_channels: int, out_channels: int, side: int, largest: int) -> nn.Module:
    """From a map (N, in_channels, side, side) to a drawing in [−1, 1] of at most `largest` pixels a side."""
    doublings = min(DOUBLINGS, (largest // side).bit_length() - 1)
    widths = [in_channels, *(max(in_channels >> i, 8) for i in range(1, doublings + 1))]
    blocks = [DoublingBlock(a, b) for a, b in pairwise(widths)]
    return nn.Sequential(*blocks, nn.Conv2d(widths[-1], out_channels, 3, padding=1), nn.Tanh())


def quadrants(x: Tensor) -> Tensor:
    """Of example i the quadrant i mod 4. x: (N, C, H, W). Returns (N, C, H // 2, W // 2)."""
    h, w = x.shape[2] // 2, x.shape[3] // 2
    corners = torch.stack([x[:, :, a : a + h, b : b + w] for a in (0, x.shape[2] - h) for b in (0, x.shape[3] - w)])
    rows = torch.arange(len(x), device=x.device)
    return corners[rows % 4, rows]


def reduced(x: Tensor, like: Tensor) -> Tensor:
    """x at the size of `like`."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False, antialias=True)
