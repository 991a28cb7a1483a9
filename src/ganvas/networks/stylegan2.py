"""StyleGAN2's networks, for square images whose side halves evenly. Karras et al. 2020, https://arxiv.org/abs/1912.04958"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.machine.precision import full
from ganvas.networks.body import Shape, resolutions
from ganvas.nn.blocks import MinibatchStddev
from ganvas.nn.conditioning import ClassEmbedding
from ganvas.nn.equalised import ROOT2, EqualisedConv2d, EqualisedLinear, second_moment
from ganvas.nn.filtered import Fir
from ganvas.nn.modulation import StyledLayer, ToPixels

RATE = 0.01
"""The factor on the mapping's learning rate. Karras et al. 2019, appendix C."""


def even_sides(network: str, shape: Shape) -> list[int]:
    """The side of maps, from the image's down to 4 to 7 pixels, each exactly half of the one before.

    Raises GanvasError for other shapes.
    """
    sides = resolutions(network, shape, None)
    if any(big != 2 * small for big, small in pairwise(sides)):
        smallest, halvings = sides[-1], len(sides) - 1
        near = sorted({smallest << halvings, (smallest + 1) << halvings})
        raise GanvasError(
            f"{network} doubles {smallest}x{smallest} maps {halvings} times, which does not give {sides[0]}x{sides[0]}.",
            f"Resize the images, for example to {near[0]} or {near[1]}: 32, 64 and 128 always work.",
        )
    return sides


def widths(sides: Sequence[int], width: int, most: int) -> list[int]:
    """Channels at each side: `width` at the first, doubled at each halving, at most `most`."""
    if min(width, most) < 1:
        raise GanvasError("A network cannot be narrower than one channel.", "Use widths of 1 or more.")
    return [min(width << i, max(width, most)) for i in range(len(sides))]


class Mapping(nn.Module):
    """z (N, latent), scaled to mean square 1, through dense layers to w (N, size). Karras et al. 2019, section 2.

    depth: layers. num_classes: of a conditional network; the class vector is scaled alike and put beside z. latent: 0 for
    a network of the class alone. bias_gain: the factor on biases, besides the learning rate's.
    """

    def __init__(
        self, latent: int, size: int, depth: int, num_classes: int | None = None, bias_gain: float = ROOT2
    ) -> None:
        super().__init__()
        self.latent, self.size = latent, size
        self.embedding = ClassEmbedding(num_classes, size) if num_classes else None
        first = latent + (size if num_classes else 0)
        self.layers = nn.ModuleList(
            EqualisedLinear(first if i == 0 else size, size, ROOT2, rate=RATE, bias_gain=bias_gain)
            for i in range(depth)
        )

    def forward(self, z: Tensor | None, y: Tensor | None = None) -> Tensor:
        parts: list[Tensor] = []
        if z is not None:
            parts.append(second_moment(z))
        if self.embedding is not None:
            parts.append(second_moment(self.embedding(y)))
        w = torch.cat(parts, dim=1)
        for layer in self.layers:
            w = F.leaky_relu(layer(w), 0.2)
        return w


class StyleSynthesis(nn.Module):
    """ws (N, num_layers, size) to images (N, C, H, W): a learned constant, styled layers, and a sum of pictures.

    At each size there are two styled layers and a picture; the picture of half the size, filtered and enlarged, is added.
    One w controls each layer, and one more the last picture.

    shape: of the images. size: of w. width: channels at the image's size, doubled at each halving up to `most`.
    """

    def __init__(self, size: int, shape: Shape, width: int = 16, most: int = 128) -> None:
        super().__init__()
        sides = even_sides("stylegan2", shape)[::-1]
        channels = widths(sides[::-1], width, most)[::-1]
        self.size, self.num_layers = size, 2 * len(sides)
        self.constant = nn.Parameter(torch.randn(1, channels[0], sides[0], sides[0]))
        self.first = StyledLayer(channels[0], channels[0], sides[0], size)
        self.enlarge = nn.ModuleList(
            StyledLayer(a, b, side, size, up=True, number=1)
            for (a, b), side in zip(pairwise(channels), sides[1:], strict=True)
        )
        self.refine = nn.ModuleList(
            StyledLayer(c, c, side, size) for c, side in zip(channels[1:], sides[1:], strict=True)
        )
        self.pictures = nn.ModuleList(ToPixels(c, shape[0], size) for c in channels)
        self.fir = Fir()

    def forward(self, ws: Tensor) -> Tensor:
        w = ws.unbind(1)
        h = self.first(self.constant.expand(len(ws), -1, -1, -1), w[0])
        image: Tensor = self.pictures[0](h, w[1])
        for i, (enlarge, refine) in enumerate(zip(self.enlarge, self.refine, strict=True)):
            h = refine(enlarge(h, w[2 * i + 1]), w[2 * i + 2])
            image = self.fir.up(image) + self.pictures[i + 1](h, w[2 * i + 3])
        return full(image)


class StyleCritic(nn.Module):
    """x (N, C, H, W) to scores (N,): residual blocks that halve the size, the deviation within groups, two dense layers.

    width: channels at the image's size, doubled at each halving up to `most`. group: of `MinibatchStddev`.
    num_classes: of a conditional critic: the score is then ⟨features, c(y)⟩ / √dim, with c a mapping network.
    depth: layers of that network.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 16,
        most: int = 128,
        group: int = 4,
        num_classes: int | None = None,
        depth: int = 2,
    ) -> None:
        super().__init__()
        sides = even_sides("stylegan2", shape)
        channels = widths(sides, width, most)
        last = channels[-1]
        self.first = EqualisedConv2d(shape[0], channels[0], 1, ROOT2)
        self.blocks = nn.ModuleList(ResidualHalving(a, b) for a, b in pairwise(channels))
        self.stddev = MinibatchStddev(group)
        self.convolution = EqualisedConv2d(last + 1, last, 3, ROOT2)
        self.dense = EqualisedLinear(last * sides[-1] ** 2, last, ROOT2)
        self.classes = Mapping(0, last, depth, num_classes) if num_classes else None
        self.output = EqualisedLinear(last, last if num_classes else 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = leaky(self.first(x))
        for block in self.blocks:
            h = block(h)
        h = leaky(self.convolution(self.stddev(h)))
        out = full(self.output(leaky(self.dense(h.flatten(1)))))
        if self.classes is None:
            return out.squeeze(1)
        return (out * full(self.classes(None, y))).sum(1) / math.sqrt(out.shape[1])


class ResidualHalving(nn.Module):
    """(skip + convolutions) / √2, each with half the size: filtered, then taken at every second pixel.

    h: (N, in, H, W). Returns (N, out, H / 2, W / 2).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        # The factors 1 / √2 are in the weights, like the gain √2 of the leaky ReLU.
        self.keep = EqualisedConv2d(in_channels, in_channels, 3, ROOT2)
        self.halve = EqualisedConv2d(in_channels, out_channels, 3, stride=2, padding=0)
        self.skip = EqualisedConv2d(in_channels, out_channels, 1, 1 / ROOT2, bias=False)
        self.fir = Fir()

    def forward(self, h: Tensor) -> Tensor:
        skip = self.skip(self.fir.down(h))
        return skip + leaky(self.halve(self.fir.blur(leaky(self.keep(h)), padding=2)))


def leaky(h: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, in place: what made h must not need it."""
    return F.leaky_relu_(h, 0.2)
