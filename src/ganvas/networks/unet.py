"""A small U-Net that predicts at a time: the denoiser of images and of codes on a grid."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.nn.init import zeroed
from ganvas.nn.norms import groups
from ganvas.nn.times import TimeEmbedding


class UNet(nn.Module):
    """Residual blocks down to the coarsest map and up again, each up-block beside the map that its side had going down.

    shape: of one example, (C, H, W). widths: channels of each resolution, from the finest; each halves the one before.
    blocks: residual blocks a resolution. attention: resolutions of at most this side attend to themselves.
    num_classes: how many classes it is told, if any.

    Called with x (N, *shape), t (N,) in [0, 1] and y (N,); returns a prediction shaped as x, which begins at 0.

    References: Ho et al. 2020, appendix B; Nichol & Dhariwal 2021, whose gains and shifts tell a block the time.
    """

    def __init__(
        self,
        shape: Sequence[int],
        widths: Sequence[int] = (64, 128),
        blocks: int = 2,
        attention: int = 8,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        size = 4 * widths[0]
        self.time = TimeEmbedding(size, num_classes)
        self.first = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        sides = [shape[1]]
        for _ in widths[1:]:
            sides.append((sides[-1] + 1) // 2)

        def stage(widths_in: Sequence[int], width: int, side: int) -> nn.ModuleList:
            looks = side <= attention
            return nn.ModuleList(TimedBlock(w, width, size, looks) for w in widths_in)

        self.down = nn.ModuleList(stage([w] * blocks, w, side) for w, side in zip(widths, sides, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.middle = TimedBlock(widths[-1], widths[-1], size, sides[-1] <= attention)
        self.up = nn.ModuleList(
            stage([2 * w] + [w] * (blocks - 1), w, side) for w, side in zip(widths[::-1], sides[::-1], strict=True)
        )
        self.enlarge = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths[::-1]))
        self.norm = nn.GroupNorm(groups(widths[0]), widths[0])
        self.last = zeroed(nn.Conv2d(widths[0], shape[0], 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        told = self.time(t, y)
        h = self.first(x)
        kept: list[Tensor] = []
        for level, stage in enumerate(self.down):
            if level > 0:
                h = self.shrink[level - 1](h)
            h = through(stage, h, told)
            kept.append(h)
        h = self.middle(h, told)
        for level, stage in enumerate(self.up):
            beside = kept[-1 - level]
            if level > 0:
                h = self.enlarge[level - 1](F.interpolate(h, size=beside.shape[2:]))
            h = through(stage, torch.cat([h, beside], dim=1), told)
        return self.last(F.silu(self.norm(h)))


def through(stage: nn.Module, h: Tensor, told: Tensor) -> Tensor:
    """h through a list of blocks, each told the same."""
    for block in stage.children():
        h = block(h, told)
    return h


class TimedBlock(nn.Module):
    """A residual block whose second norm has a gain and a shift from the time: h + conv(silu(g · norm(·) + b)); attention.

    h: (N, in_channels, H, W); told: (N, size). Returns (N, out_channels, H, W). The last convolution begins at 0.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, attends: bool) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups(in_channels), in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.gain_and_shift = nn.Linear(size, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups(out_channels), out_channels)
        self.conv2 = zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        self.attention = GridAttention(out_channels) if attends else nn.Identity()

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        r = self.conv1(F.silu(self.norm1(h)))
        gain, shift = self.gain_and_shift(told)[:, :, None, None].chunk(2, dim=1)
        r = self.conv2(F.silu(torch.addcmul(shift, self.norm2(r), 1 + gain)))
        return self.attention(self.skip(h) + r)


class GridAttention(nn.Module):
    """h + attention(norm(h)) between all positions, with heads of up to 32 channels. h: (N, C, H, W); begins as h."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // 32)
        self.norm = nn.GroupNorm(groups(channels), channels)
        self.query_key_value = nn.Conv2d(channels, 3 * self.heads * (channels // self.heads), 1)
        self.output = zeroed(nn.Conv2d(self.heads * (channels // self.heads), channels, 1))

    def forward(self, h: Tensor) -> Tensor:
        parts = self.query_key_value(self.norm(h)).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        q, k, v = parts.unbind(1)  # each (N, heads, positions, C / heads)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return h + self.output(mixed.transpose(2, 3).flatten(1, 2).unflatten(2, h.shape[2:]))
