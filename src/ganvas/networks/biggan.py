"""BigGAN's networks, for square images. Brock et al. 2019, https://arxiv.org/abs/1809.11096, appendix B (not "deep")"""

from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError, option
from ganvas.machine.precision import full
from ganvas.networks.body import Shape, resolutions
from ganvas.nn.attention import SelfAttention
from ganvas.nn.conditioning import ClassEmbedding, ScoreHead
from ganvas.nn.resampled import averaged, enlarged
from ganvas.nn.spectral import spectral

M = TypeVar("M", bound=nn.Module)


class BigSynthesis(nn.Module):
    """z (N, latent) and classes y (N,) to images (N, C, H, W) in [-1, 1].

    z is cut into equal chunks. The first makes the coarsest map. The others each go, beside the class vector, to the
    normalisations of a block, which are affine with gains and shifts from it.

    latent: a multiple of 1 + the number of doublings. width: as in `doubling`. embedding: length of the class vector, which
    all blocks share. attention: the side at which there is self-attention; 0 for none. All weights but the class vectors'
    are spectrally normalised.
    """

    def __init__(
        self, latent: int, shape: Shape, num_classes: int, width: int = 16, embedding: int = 64, attention: int = 0
    ) -> None:
        super().__init__()
        sides = resolutions("biggan", shape, None)[::-1]
        attention_at(sides, attention)
        channels = doubling(width, len(sides))[::-1]
        self.side, self.chunk = sides[0], latent // len(sides)
        assert self.chunk * len(sides) == latent, f"{latent} codes cannot be cut into {len(sides)} chunks"
        size = embedding + self.chunk
        self.dense = nn.Linear(self.chunk, channels[0] * sides[0] ** 2)
        self.blocks = nn.ModuleList(
            UpBlock(a, b, side, size) for (a, b), side in zip(pairwise(channels), sides[1:], strict=True)
        )
        self.attend = nn.ModuleDict({str(i): SelfAttention(c) for i, c in enumerate(channels) if sides[i] == attention})
        self.norm = nn.BatchNorm2d(channels[-1])
        self.output = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        spectral(orthogonal(self))
        self.classes = ClassEmbedding(num_classes, embedding)  # after `spectral`, so that it is not normalised
        orthogonal(self.classes)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        first, *others = z.split(self.chunk, dim=1)
        label: Tensor = self.classes(y)
        h = self.dense(first).unflatten(1, (-1, self.side, self.side))
        for i, (block, chunk) in enumerate(zip(self.blocks, others, strict=True), start=1):
            h = block(h, torch.cat([label, chunk], dim=1))
            if str(i) in self.attend:
                h = self.attend[str(i)](h)
        return self.output(F.relu(self.norm(h))).tanh()


class BigCritic(nn.Module):
    """x (N, C, H, W) and classes y (N,) to scores w·h + b + v_y·h, h the features summed over pixels.

    width, attention: as for `BigSynthesis`; the first block has `width` channels. All weights are spectrally normalised.
    """

    def __init__(self, shape: Shape, num_classes: int, width: int = 16, attention: int = 0) -> None:
        super().__init__()
        sides = resolutions("biggan", shape, None)
        attention_at(sides, attention)
        channels = [shape[0], *doubling(width, len(sides))]
        self.blocks = nn.ModuleList(
            DownBlock(a, b, first=i == 0, halves=i < len(sides) - 1) for i, (a, b) in enumerate(pairwise(channels))
        )
        self.attend = nn.ModuleDict(
            {str(i): SelfAttention(c) for i, c in enumerate(channels[1:-1]) if sides[i + 1] == attention}
        )
        self.head = ScoreHead(channels[-1], num_classes)
        spectral(orthogonal(self))

    def features(self, x: Tensor) -> Tensor:
        """h, (N, F)."""
        for i, block in enumerate(self.blocks):
            x = block(x)
            if str(i) in self.attend:
                x = self.attend[str(i)](x)
        return full(F.relu(x)).sum((2, 3))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.head(self.features(x), y)


class ConditionedNorm(nn.Module):
    """Batch normalisation, times 1 + gain, plus shift, both linear in a condition (N, size). h: (N, C, H, W)."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(size, channels, bias=False)
        self.shift = nn.Linear(size, channels, bias=False)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        gain, shift = (layer(condition)[:, :, None, None] for layer in (self.gain, self.shift))
        return torch.addcmul(shift, self.normalise(h), gain + 1)


class UpBlock(nn.Module):
    """A residual block whose norms take a condition. h: (N, in, ...). Returns (N, out, side, side).

    size: of the condition. Convolutions have no biases: the batch normalisations that follow would cancel them.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int, size: int) -> None:
        super().__init__()
        self.size = (side, side)
        self.norm1, self.norm2 = ConditionedNorm(in_channels, size), ConditionedNorm(out_channels, size)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        r = enlarged(self.conv1, F.relu(self.norm1(h, condition)), self.size)
        r = self.conv2(F.relu(self.norm2(r, condition)))
        return r + F.interpolate(self.skip(h), size=self.size)


class DownBlock(nn.Module):
    """A residual block of a critic. h: (N, in, H, W). Returns (N, out, H // 2, W // 2), or (N, out, H, W) unless it `halves`.

    first: it begins with pixels, so without an activation. Without a change of size or channels the shortcut is the input.
    """

    def __init__(self, in_channels: int, out_channels: int, first: bool, halves: bool) -> None:
        super().__init__()
        self.first, self.halves = first, halves
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        plain = in_channels == out_channels and not halves
        self.skip = nn.Identity() if plain else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, h: Tensor) -> Tensor:
        r = F.relu(self.conv1(h if self.first else F.relu(h)))
        r = averaged(self.conv2, r) if self.halves else self.conv2(r)
        return r + self.skip(F.avg_pool2d(h, 2) if self.halves else h)


def orthogonal(network: M) -> M:
    """Orthogonal weights. Returns the network. Saxe et al. 2014."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            nn.init.orthogonal_(layer.weight)
    return network


def doubling(width: int, num: int) -> list[int]:
    """Channels at `num` sides, from the image's down: doubled at each halving up to 16 times; the last two are the same."""
    if width < 1:
        raise GanvasError("A network cannot be narrower than one channel.", f"Use {option('width', 1)} or more.")
    return [width * min(2 ** min(i, num - 2), 16) for i in range(num)]


def attention_at(sides: list[int], side: int) -> None:
    """Raises GanvasError if there are no maps of that side between the first and the last."""
    if side and side not in sides:
        raise GanvasError(
            f"There are no maps of {side}x{side}.",
            f"Use {option('attention', sides[len(sides) // 2])}, or another of {', '.join(map(str, sides))}.",
        )
