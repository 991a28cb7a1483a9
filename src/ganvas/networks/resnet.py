"""Residual networks. Miyato et al. 2018; Brock et al. 2019. Initialise with `nn.init.xavier_init`."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.networks.body import Analysis, Latent, Shape, Synthesis, resolutions
from ganvas.networks.seed import Seed
from ganvas.nn.attention import SelfAttention
from ganvas.nn.blocks import FirstBlock, down_block, plain_block, up_block
from ganvas.nn.conditioning import ClassChannel, embedding_size
from ganvas.nn.norms import Norm, batch_norm, biased_unless, centres_channels, no_norm


class ResnetAnalysis(Analysis):
    """Residual blocks that halve the resolution, one that keeps it, ReLU.

    widths: channels at each resolution, from the first block's. attention: at this resolution, if any.
    """

    def __init__(
        self,
        shape: Shape,
        widths: list[int],
        norm: Norm = no_norm,
        num_classes: int | None = None,
        attention: int | None = None,
    ) -> None:
        sizes = [shape[-1] >> (i + 1) for i in range(len(widths))]
        super().__init__(shape, (widths[-1], sizes[-1], sizes[-1]), num_classes)
        self.class_channel = ClassChannel(num_classes, *shape[1:])
        centres = centres_channels(norm(widths[-1], 2, num_classes))
        # Attention sees what is added to a channel; after it norms alone read a block's output.
        centred = [centres and attention not in sizes[i:] for i in range(len(sizes))]
        self.first = FirstBlock(shape[0] + self.class_channel.num_added, widths[0], centred[0])
        self.blocks = nn.ModuleList(
            down_block(a, b, norm, num_classes, c) for (a, b), c in zip(pairwise(widths), centred[1:], strict=True)
        )
        self.attentions = _attentions(widths, sizes, attention)
        self.last = plain_block(widths[-1], norm, num_classes, centres)
        self.norm = norm(widths[-1], 2, num_classes)
        self.activation = nn.ReLU()

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.attentions[0](self.first(self.class_channel(x, y)))
        for block, attention in zip(self.blocks, list(self.attentions)[1:], strict=True):
            h = attention(block(h, y))
        return self.activation(self.norm(self.last(h, y), y))


class ResnetSynthesis(Synthesis):
    """A dense layer to the coarsest map, residual blocks that double the resolution, norm, ReLU and `output`.

    sizes, widths: side and channels of each map, from the coarsest to the image's.
    attention: at this resolution, if any. plain: residual blocks on the coarsest map.
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
        attention: int | None = None,
        plain: int = 0,
    ) -> None:
        super().__init__(latent, shape, channels_per, num_classes)
        self.seed = Seed(latent, widths[0], sizes[0], num_classes, embedding=embedding_size(norm))
        centres = centres_channels(norm(widths[-1], 2, num_classes))
        # A dense seed has a bias for each pixel, which no norm cancels.
        biased_unless(centres and attention not in sizes[1:], self.seed.layer)
        self.plain = nn.ModuleList(plain_block(widths[0], norm, num_classes) for _ in range(plain))
        self.blocks = nn.ModuleList(
            up_block(a, b, size, norm, num_classes, centres and attention not in sizes[i:])
            for i, (a, b, size) in enumerate(zip(widths, widths[1:], sizes[1:], strict=False), 1)
        )
        self.attentions = _attentions(widths[1:], sizes[1:], attention)
        self.norm = norm(widths[-1], 2, num_classes)
        self.activation = nn.ReLU()
        self.output = nn.Conv2d(widths[-1], shape[0] * channels_per, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.seed(z, y)
        for block in self.plain:
            h = block(h, y)
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            h = attention(block(h, y))
        return self.output(self.activation(self.norm(h, y)))


@dataclass(frozen=True)
class Resnet:
    """Residual networks for square images of 8x8 or more.

    width: channels at the finest resolution, doubled at each halving up to growth times (SNGAN on CIFAR-10: 128 or 256,
    growth 1; on ImageNet: 64, growth 16). attention: the resolution that attends to itself (SAGAN: 32).
    halvings: how often the resolution halves; by default until 4 to 7 pixels remain.
    plain: further residual blocks of a synthesis, on its coarsest map.
    """

    width: int = 16
    growth: int = 8
    attention: int | None = None
    halvings: int | None = None
    plain: int = 0

    def analysis(self, shape: Shape, num_classes: int | None = None, norm: Norm = no_norm) -> ResnetAnalysis:
        sizes = self._sizes(shape)
        return ResnetAnalysis(shape, self._widths(len(sizes) - 1), norm, num_classes, self.attention)

    def synthesis(
        self,
        latent: Latent,
        shape: Shape,
        channels_per: int = 1,
        num_classes: int | None = None,
        norm: Norm = batch_norm,
    ) -> ResnetSynthesis:
        sizes = self._sizes(shape)
        widths = self._widths(len(sizes))
        return ResnetSynthesis(
            latent, shape, sizes[::-1], widths[::-1], channels_per, norm, num_classes, self.attention, self.plain
        )

    def _sizes(self, shape: Shape) -> list[int]:
        sizes = resolutions("resnet", shape, self.halvings)
        inner = sizes[1:-1]
        if self.attention is not None and self.attention not in inner:
            raise GanvasError(
                f"A network for {sizes[0]}x{sizes[0]} images has no resolution {self.attention} for attention.",
                f"There is: {', '.join(map(str, inner))}." if inner else "Leave attention out.",
            )
        return sizes

    def _widths(self, num: int) -> list[int]:
        return [self.width * min(2**i, self.growth) for i in range(num)]


def _attentions(widths: list[int], sizes: list[int], attention: int | None) -> nn.ModuleList:
    """For maps of these widths and sides: self-attention where the side is `attention`, nothing elsewhere."""
    return nn.ModuleList(
        SelfAttention(width) if size == attention else nn.Identity() for width, size in zip(widths, sizes, strict=True)
    )
