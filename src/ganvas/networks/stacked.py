"""The small networks of the experiment on stacked digits: Metz et al. 2017 (Unrolled GANs); Lin et al. 2018 (PacGAN)."""

from itertools import pairwise

from torch import Tensor, nn

from ganvas.networks.body import Analysis, Shape, Synthesis, resolutions
from ganvas.networks.seed import Seed
from ganvas.nn.norms import biased_unless


class StackedAnalysis(Analysis):
    """Three convolutions 3x3 of stride 2 with batch normalisation and LeakyReLU 0.3: 28 -> 14 -> 7 -> 4 pixels.

    widths: channels after each of them.
    """

    def __init__(self, shape: Shape, widths: tuple[int, int, int] = (2, 4, 8)) -> None:
        coarsest = _sides(shape)[0]
        super().__init__(shape, (widths[-1], coarsest, coarsest))
        self.layers = nn.Sequential(
            *(
                layer
                for a, b in pairwise((shape[0], *widths))
                for layer in (biased_unless(True, nn.Conv2d(a, b, 3, 2, 1)), nn.BatchNorm2d(b), nn.LeakyReLU(0.3))
            )
        )

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x)


class StackedSynthesis(Synthesis):
    """A dense layer to 4x4, three transposed convolutions 3x3 of stride 2 to 28x28, and a convolution 3x3.

    Batch normalisation and ReLU after all but the last. widths: channels at each of the four sizes.
    """

    def __init__(self, latent: int, shape: Shape, widths: tuple[int, int, int, int] = (64, 32, 16, 8)) -> None:
        super().__init__(latent, shape, 1, None)
        sides = _sides(shape)
        layers: list[nn.Module] = [Seed(latent, widths[0], sides[0], None), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for (a, b), (small, large) in zip(pairwise(widths), pairwise(sides), strict=True):
            grow = nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=large - (2 * small - 1))
            layers += [biased_unless(True, grow), nn.BatchNorm2d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], shape[0], 3, padding=1))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(z)


def _sides(shape: Shape) -> list[int]:
    """The image's side and three halves of it, rounded up, from the coarsest."""
    side = resolutions("This network", shape, 3)[0]
    return [-(-side // part) for part in (8, 4, 2, 1)]
