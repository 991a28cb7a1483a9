"""The first StyleGAN's networks, which grow by the clock. Karras et al. 2019, https://arxiv.org/abs/1812.04948, section 2"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.machine.precision import full
from ganvas.networks.body import Shape
from ganvas.networks.progan import convolution
from ganvas.networks.stylegan2 import leaky, widths
from ganvas.nn.equalised import EqualisedConv2d, EqualisedLinear
from ganvas.nn.excitation import NoiseInjection
from ganvas.nn.filtered import Fir
from ganvas.nn.growth import Growth, doubled
from ganvas.nn.resampled import enlarged_by


class GrowingStyleSynthesis(nn.Module):
    """ws (N, num_layers, size) to images (N, C, side, side), of the present side of `growth`.

    A learned constant, then two styled layers at each side. One w controls each layer.

    size: of w. growth: with the sides of all levels. width: channels at the last level, doubled at each level below, up to
    `most`.
    """

    def __init__(self, size: int, shape: Shape, growth: Growth, width: int = 16, most: int = 128) -> None:
        super().__init__()
        self.growth = growth
        channels = widths(growth.sides, width, most)[::-1]
        sides = growth.sides
        self.constant = nn.Parameter(torch.ones(1, channels[0], sides[0], sides[0]))
        self.start = Style(channels[0], sides[0], size, 1)
        self.refine = nn.ModuleList(convolution(c, c, bias=False) for c in channels)
        self.refined = nn.ModuleList(Style(c, side, size, 0) for c, side in zip(channels, sides, strict=True))
        self.enlarge = nn.ModuleList(convolution(a, b, bias=False) for a, b in pairwise(channels))
        self.enlarged = nn.ModuleList(Style(c, side, size, 1) for c, side in zip(channels[1:], sides[1:], strict=True))
        self.pictures = nn.ModuleDict({str(i): EqualisedConv2d(channels[i], shape[0], 1) for i in growth.levels})
        self.fir = Fir((1, 2, 1))

    @property
    def num_layers(self) -> int:
        """Of those in use at the present level."""
        return 2 * (self.growth.around[1] + 1)

    def forward(self, ws: Tensor) -> Tensor:
        lower, upper, share = self.growth.around
        w = ws.unbind(1)
        h = self.start(self.constant.expand(len(ws), -1, -1, -1), w[0])
        h = self.refined[0](self.refine[0](h), w[1])
        for level in range(1, lower + 1):
            h = self.block(h, level, w)
        image: Tensor = self.pictures[str(lower)](h)
        if lower < upper:
            image = torch.lerp(doubled(image, 1), self.pictures[str(upper)](self.block(h, upper, w)), share)
        return full(image)

    def block(self, h: Tensor, level: int, w: tuple[Tensor, ...]) -> Tensor:
        """The two layers of a level."""
        enlarge = self.enlarge[level - 1]
        assert isinstance(enlarge, EqualisedConv2d)
        h = self.fir.blur(enlarged_by(enlarge.weight * enlarge.scale, None, h), padding=1)
        h = self.enlarged[level - 1](h, w[2 * level])
        return self.refined[level](self.refine[level](h), w[2 * level + 1])


class Style(nn.Module):
    """Adaptive instance normalisation of leaky(h + noise + bias): (1 + scale) normalised + shift, both affine in w.

    h: (N, channels, side, side), w: (N, size). Returns a tensor shaped as h. number: of the layer, for its fixed noise.
    Eq. 1; noise has one weight for each channel.
    """

    def __init__(self, channels: int, side: int, size: int, number: int) -> None:
        super().__init__()
        self.noise = NoiseInjection(side, number, channels)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.affine = EqualisedLinear(size, 2 * channels)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        h = F.instance_norm(full(leaky(self.noise(h) + self.bias)), eps=1e-8)
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, h, scale + 1)
