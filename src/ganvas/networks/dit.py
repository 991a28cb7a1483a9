"""A small transformer over patches that predicts at a time: the other denoiser of images and of codes on a grid."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError, option
from ganvas.nn.init import zeroed
from ganvas.nn.times import TimeEmbedding


class DiT(nn.Module):
    """Patches as tokens, `depth` blocks of attention and a dense layer whose gates begin at 0 (adaLN-Zero).

    shape: of one example, (C, H, W). patch: the side of a token's square; it divides both sides, or GanvasError is raised.
    width: of a token, a multiple of 4. heads: of attention. num_classes: how many classes it is told, if any.

    Called with x (N, *shape), t (N,) in [0, 1] and y (N,); returns a prediction shaped as x, which begins at 0.

    References: Peebles & Xie 2023, "Scalable Diffusion Models with Transformers", https://arxiv.org/abs/2212.09748
    """

    places: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 192,
        depth: int = 6,
        patch: int = 1,
        heads: int = 4,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        channels, height, length = shape
        if patch < 1 or height % patch or length % patch:
            raise GanvasError(
                f"Patches of {patch}x{patch} do not tile examples of {height}x{length}.",
                f"Choose a {option('patch')} that divides both sides.",
            )
        if width % (2 * heads) or width % 4:
            raise GanvasError(
                f"A transformer of width {width} cannot have {heads} heads.",
                f"Use a {option('width')} that {2 * heads} divides.",
            )
        self.patch, self.grid = patch, (height // patch, length // patch)
        self.time = TimeEmbedding(width, num_classes)
        self.first = nn.Linear(channels * patch * patch, width)
        self.register_buffer("places", sine_places(*self.grid, width), persistent=False)
        self.blocks = nn.ModuleList(GatedBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.gain_and_shift = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, channels * patch * patch))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        told = self.time(t, y)
        h = self.first(F.pixel_unshuffle(x, self.patch).flatten(2).transpose(1, 2)) + self.places
        for block in self.blocks:
            h = block(h, told)
        gain, shift = self.gain_and_shift(told).unsqueeze(1).chunk(2, dim=2)
        out = self.last(torch.addcmul(shift, self.norm(h), 1 + gain))
        return F.pixel_shuffle(out.transpose(1, 2).unflatten(2, self.grid), self.patch)


class GatedBlock(nn.Module):
    """h + a · attention(norm(h)), then h + b · dense(norm(h)). Gates, gains and shifts depend on the time, and begin at 0.

    h: (N, tokens, width); told: (N, width). Returns a tensor shaped as h.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = zeroed(nn.Linear(width, 6 * width))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.query_key_value, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        gain1, shift1, gate1, gain2, shift2, gate2 = self.modulation(told).unsqueeze(1).chunk(6, dim=2)
        h = torch.addcmul(h, gate1, self.attention(torch.addcmul(shift1, self.norm(h), 1 + gain1)))
        dense = self.narrow(F.gelu(self.wide(torch.addcmul(shift2, self.norm(h), 1 + gain2)), approximate="tanh"))
        return torch.addcmul(h, gate2, dense)

    def attention(self, h: Tensor) -> Tensor:
        q, k, v = self.query_key_value(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.output(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def sine_places(height: int, length: int, width: int) -> Tensor:
    """Fixed sines and cosines of each token's row and column, (height * length, width)."""
    frequencies = 10_000.0 ** (-torch.arange(width // 4) / (width // 4))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(length), indexing="ij")
    angles = [place.reshape(-1, 1) * frequencies for place in (rows, columns)]
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
