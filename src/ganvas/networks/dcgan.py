"""Strided convolutions, as in DCGAN. Radford et al. 2016. Initialise with `nn.init.dcgan_init`."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ganvas.networks.body import Analysis, Latent, Shape, Synthesis, resolutions
from ganvas.networks.seed import Seed
from ganvas.nn.conditioning import ClassChannel, embedding_size
from ganvas.nn.norms import Norm, batch_norm, no_norm
from ganvas.nn.strided import double, halve


class DcganAnalysis(Analysis):
    """Convolutions 4x4 of stride 2 with LeakyReLU 0.2, and norms after all but the first.

    widths: channels at each resolution, from the finest.
    """

    def __init__(self, shape: Shape, widths: list[int], norm: Norm = no_norm, num_classes: int | None = None) -> None:
        size = shape[-1] >> len(widths)
        super().__init__(shape, (widths[-1], size, size), num_classes)
        self.class_channel = ClassChannel(num_classes, *shape[1:])
        self.first = nn.Conv2d(shape[0] + self.class_channel.num_added, widths[0], 4, 2, 1)
        # A norm has its own bias.
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=norm is no_norm) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(norm(b, 2, num_classes) for b in widths[1:])
        self.activation = nn.LeakyReLU(0.2)

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.activation(halve(self.first, self.class_channel(x, y)))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            h = self.activation(norm(convolution(h), y))
        return h


class DcganSynthesis(Synthesis):
    """A dense layer to the coarsest map, then transposed 4x4 convolutions with stride 2 and ReLU; `output` has no ReLU.

    sizes, widths: side and channels of each map, from the coarsest; sizes ends with the image's side.
    """

    def __init__(
        self,
        latent: Latent,
        shape: Shape,
        sizes: list[int],
        widths: list[int],
        channels_per: int = 1,
        norm: Norm = batch_norm,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(latent, shape, channels_per, num_classes)
        bias = norm is no_norm
        self.seed = Seed(latent, widths[0], sizes[0], num_classes, bias, embedding_size(norm))
        # Twice the side, plus one if the next side is odd.
        extra = [large - 2 * small for small, large in pairwise(sizes)]
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1, output_padding=e, bias=bias)
            for a, b, e in zip(widths, widths[1:], extra, strict=False)
        )
        self.norms = nn.ModuleList(norm(width, 2, num_classes) for width in widths)
        self.activation = nn.ReLU()
        self.output = nn.ConvTranspose2d(widths[-1], shape[0] * channels_per, 4, 2, 1, output_padding=extra[-1])

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.activation(self.norms[0](self.seed(z, y), y))
        for convolution, norm in zip(self.convolutions, list(self.norms)[1:], strict=True):
            h = self.activation(norm(convolution(h), y))
        return double(self.output, h)


@dataclass(frozen=True)
class Dcgan:
    """Strided convolutions for square images of 8x8 or more.

    width: channels at half the image's resolution (the paper's 64x64 networks: 64); doubled at each halving up to
    growth times. halvings: how often the resolution halves; by default until 4 to 7 pixels remain.
    """

    width: int = 32
    growth: int = 8
    halvings: int | None = None

    def analysis(self, shape: Shape, num_classes: int | None = None, norm: Norm = no_norm) -> DcganAnalysis:
        sizes = resolutions("dcgan", shape, self.halvings)
        return DcganAnalysis(shape, self._widths(len(sizes) - 1), norm, num_classes)

    def synthesis(
        self,
        latent: Latent,
        shape: Shape,
        channels_per: int = 1,
        num_classes: int | None = None,
        norm: Norm = batch_norm,
    ) -> DcganSynthesis:
        sizes = resolutions("dcgan", shape, self.halvings)
        widths = self._widths(len(sizes) - 1)
        return DcganSynthesis(latent, shape, sizes[::-1], widths[::-1], channels_per, norm, num_classes)

    def _widths(self, num: int) -> list[int]:
        return [self.width * min(2**i, self.growth) for i in range(num)]
