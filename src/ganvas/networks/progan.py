"""ProGAN's networks, which grow by the clock. Karras et al. 2018, https://arxiv.org/abs/1710.10196, appendix A"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError, option
from ganvas.machine.precision import full
from ganvas.networks.body import Shape
from ganvas.networks.stylegan2 import even_sides, leaky, widths
from ganvas.nn.blocks import MinibatchStddev
from ganvas.nn.equalised import ROOT2, EqualisedConv2d, EqualisedLinear, second_moment
from ganvas.nn.filtered import Fir
from ganvas.nn.growth import Growth, doubled, halved
from ganvas.nn.resampled import averaged_by, enlarged_by


class GrowingSynthesis(nn.Module):
    """z (N, latent) to images (N, C, side, side), of the present side of `growth`.

    Each pixel of each map is divided by its root mean square over channels. There is no tanh at the end.

    growth: with the sides of all levels. width: channels at the last level, doubled at each level below, up to `most`.
    """

    def __init__(self, latent: int, shape: Shape, growth: Growth, width: int = 16, most: int = 128) -> None:
        super().__init__()
        self.growth = growth
        channels = widths(growth.sides, width, most)[::-1]
        side = growth.sides[0]
        self.dense = EqualisedLinear(latent, channels[0] * side**2, ROOT2 / 4, bias=None)
        self.bias = nn.Parameter(torch.zeros(channels[0], 1, 1))
        self.first = convolution(channels[0], channels[0])
        self.blocks = nn.ModuleList(DoublingBlock(a, b) for a, b in pairwise(channels))
        self.pictures = nn.ModuleDict({str(i): EqualisedConv2d(channels[i], shape[0], 1) for i in growth.levels})

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        lower, upper, share = self.growth.around
        side = self.growth.sides[0]
        h: Tensor = self.dense(second_moment(z)).unflatten(1, (-1, side, side))
        h = second_moment(leaky(self.first(second_moment(leaky(h + self.bias)))))
        for block in self.blocks[:lower]:
            h = block(h)
        image: Tensor = self.pictures[str(lower)](h)
        if lower < upper:
            image = torch.lerp(doubled(image, 1), self.pictures[str(upper)](self.blocks[lower](h)), share)
        return full(image)


class GrowingCritic(nn.Module):
    """Images x (N, C, side, side) of the present side of `growth` to scores (N,).

    growth, width, most: as for `GrowingSynthesis`. group: of `MinibatchStddev`. blur: whether maps are filtered by [1, 2, 1]
    before they are halved, as in StyleGAN.
    """

    def __init__(
        self, shape: Shape, growth: Growth, width: int = 16, most: int = 128, group: int = 4, blur: bool = False
    ) -> None:
        super().__init__()
        self.growth = growth
        channels = widths(growth.sides, width, most)[::-1]
        self.pixels = nn.ModuleDict({str(i): pixels(shape[0], channels[i]) for i in growth.levels})
        self.blocks = nn.ModuleList(HalvingBlock(b, a, blur) for a, b in pairwise(channels))
        self.stddev = MinibatchStddev(group)
        self.last = convolution(channels[0] + 1, channels[0])
        wide = min(2 * channels[0], max(width, most))
        self.dense = EqualisedLinear(channels[0] * growth.sides[0] ** 2, wide, ROOT2, bias_gain=1.0)
        self.output = EqualisedLinear(wide, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        lower, upper, share = self.growth.around
        h = leaky(self.pixels[str(upper)](x))
        if lower < upper:
            h = torch.lerp(leaky(self.pixels[str(lower)](halved(x, 1))), self.blocks[lower](h), share)
        for block in self.blocks[:lower][::-1]:
            h = block(h)
        h = leaky(self.last(self.stddev(h)))
        return full(self.output(leaky(self.dense(h.flatten(1))))).squeeze(1)


class DoublingBlock(nn.Module):
    """Two convolutions, the first after enlarging by nearest neighbours. (N, in, H, W) to (N, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.enlarge = convolution(in_channels, out_channels)
        self.refine = convolution(out_channels, out_channels)

    def forward(self, h: Tensor) -> Tensor:
        enlarge = self.enlarge
        h = second_moment(leaky(enlarged_by(enlarge.weight * enlarge.scale, enlarge.bias, h)))
        return second_moment(leaky(self.refine(h)))


class HalvingBlock(nn.Module):
    """Two convolutions, the second before means of 2x2 pixels. (N, in, H, W) to (N, out, H / 2, W / 2)."""

    def __init__(self, in_channels: int, out_channels: int, blur: bool = False) -> None:
        super().__init__()
        self.keep = convolution(in_channels, in_channels)
        self.halve = convolution(in_channels, out_channels)
        self.fir = Fir((1, 2, 1)) if blur else None

    def forward(self, h: Tensor) -> Tensor:
        h, halve = leaky(self.keep(h)), self.halve
        if self.fir is not None:
            h = self.fir.blur(h, padding=1)
        return leaky(averaged_by(halve.weight * halve.scale, halve.bias, h))


def convolution(in_channels: int, out_channels: int, bias: bool = True) -> EqualisedConv2d:
    """3x3, with the gain √2 of the weights alone."""
    return EqualisedConv2d(in_channels, out_channels, 3, ROOT2, bias, bias_gain=1.0)


def pixels(in_channels: int, out_channels: int) -> EqualisedConv2d:
    """1x1, with the gain √2 of the weights alone."""
    return EqualisedConv2d(in_channels, out_channels, 1, ROOT2, bias_gain=1.0)


def growth_of(recipe: str, shape: Shape, start_size: int, images: int) -> Growth:
    """The growth of a recipe's networks, from the first side that is no smaller than `start_size` to the images' side.

    Raises GanvasError for impossible sizes.
    """
    sides = even_sides(recipe, shape)[::-1]
    if images < 0:
        raise GanvasError(f"A level cannot last {images} images.", f"Use {option('level_images', 0)} not to grow.")
    if start_size > sides[-1]:
        raise GanvasError(
            f"{recipe} cannot start at {start_size}x{start_size}: the images are {sides[-1]}x{sides[-1]}.",
            f"Networks grow up to the size of the images. Use {option('start_size', sides[0])}, or larger images.",
        )
    return Growth(sides, images, next(level for level, side in enumerate(sides) if side >= start_size))
