"""FastGAN's light generator, for square images of 8x8 or more. Liu et al. 2021, https://arxiv.org/abs/2101.04775"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.networks.body import Shape, Synthesis, resolutions
from ganvas.nn.excitation import Blur, GatedLinearUnit, NoiseInjection, SkipLayerExcitation
from ganvas.nn.resampled import enlarged

SKIP = 4
"""A map is gated by the one that is so many doublings coarser, as 64x64 is by 4x4, or by the coarsest."""


class FastSynthesis(Synthesis):
    """Blocks that enlarge by nearest neighbours and convolve, gated by much coarser maps; a fixed blur at the end.

    Unlike the paper, no weight is spectrally normalised.

    latent: a code's length; codes are scaled to a mean square of 1. width: channels at the image's size. They double with
    each halving of the side, up to growth times. deep: whether each block has a second convolution.

    References: Liu et al. 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
        https://arxiv.org/abs/2101.04775; generator in autonomousvision/projected-gan
    """

    def __init__(self, latent: int, shape: Shape, width: int = 32, growth: int = 8, deep: bool = False) -> None:
        super().__init__(latent, shape, 1, None)
        sides = resolutions("fastgan", shape, None)[::-1]
        widths = [width * min(2**i, growth) for i in range(len(sides))][::-1]
        self.sides = sides
        self.seed = nn.Sequential(
            nn.Linear(latent, 2 * widths[0] * sides[0] ** 2, bias=False),
            nn.Unflatten(1, (2 * widths[0], sides[0], sides[0])),
            nn.BatchNorm2d(2 * widths[0]),
            GatedLinearUnit(),
        )
        self.blocks = nn.ModuleList(
            FastBlock(a, b, side, deep) for a, b, side in zip(widths, widths[1:], sides[1:], strict=False)
        )
        # Paper: 4 gates 64, 8 gates 128, 16 gates 256. An image of less than 64x64 is gated once, by the coarsest map.
        pairs = [(i - SKIP, i) for i in range(SKIP, len(sides))] or [(0, len(sides) - 1)]
        self.sources = {target: source for source, target in pairs}
        self.excitations = nn.ModuleDict(
            {str(target): SkipLayerExcitation(widths[source], widths[target]) for source, target in pairs}
        )
        self.output = nn.Conv2d(widths[-1], shape[0], 3, padding=1)
        self.blur = Blur(shape[0])

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        maps: list[Tensor] = [self.seed(F.normalize(z) * z.shape[1] ** 0.5)]
        for target, block in enumerate(self.blocks, start=1):
            h = block(maps[-1])
            source = self.sources.get(target)
            maps.append(h if source is None else self.excitations[str(target)](h, maps[source]))
        return self.blur(self.output(maps[-1]))


class FastBlock(nn.Module):
    """Enlarged, convolved, noise added, normalised and gated; then once more at the new size where the block is deep.

    h: (N, in_channels, ...). Returns (N, out_channels, side, side).
    """

    def __init__(self, in_channels: int, out_channels: int, side: int, deep: bool) -> None:
        super().__init__()
        self.size = (side, side)
        self.first = nn.Conv2d(in_channels, 2 * out_channels, 3, padding=1, bias=False)
        self.finish = self.ending(out_channels, side)
        second: Sequence[nn.Module] = ()
        if deep:
            conv = nn.Conv2d(out_channels, 2 * out_channels, 3, padding=1, bias=False)
            second = (conv, self.ending(out_channels, side))
        self.second = nn.Sequential(*second)

    @staticmethod
    def ending(channels: int, side: int) -> nn.Module:
        return nn.Sequential(NoiseInjection(side), nn.BatchNorm2d(2 * channels), GatedLinearUnit())

    def forward(self, h: Tensor) -> Tensor:
        return self.second(self.finish(enlarged(self.first, h, self.size)))
