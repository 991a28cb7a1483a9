"""Layers between a single operation and a whole network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.nn.norms import Norm, biased_unless, centres_channels
from ganvas.nn.resampled import averaged, enlarged


class Maxout(nn.Module):
    """The largest of `pieces` affine maps, unit by unit. x: (N, in_features). Returns (N, out_features).

    Goodfellow et al. 2013.
    """

    def __init__(self, in_features: int, out_features: int, pieces: int = 5) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(in_features, out_features * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(dim=2)


class MinibatchStddev(nn.Module):
    """Adds a channel with the standard deviation over the batch, or groups of it. Karras et al. 2018, section 3.

    group: examples in a group; None for the whole batch. Example i is with i + N / group, as in the authors' programs. If
        that is no whole number, the next larger group that divides the batch is used.

    h: (N, C, ...). Returns (N, C + 1, ...). The added channel is constant: the standard deviation over the group, averaged
    over channels and pixels.
    """

    def __init__(self, group: int | None = None) -> None:
        super().__init__()
        self.group = group

    def forward(self, h: Tensor) -> Tensor:
        num = len(h)
        size = num if self.group is None else next(g for g in range(min(self.group, num), num + 1) if num % g == 0)
        # 1e-8 keeps the gradient of the square root finite if all examples are equal.
        spread = (h.reshape(size, num // size, -1).var(dim=0, correction=0) + 1e-8).sqrt().mean(1)
        return torch.cat([h, spread.repeat(size).view(num, *[1] * (h.dim() - 1)).expand_as(h[:, :1])], dim=1)


class ResidualBlock(nn.Module):
    """shortcut(h) + conv(act(norm(conv(up(act(norm(h))))))), then averaged down. Miyato et al. 2018, figure 8.

    h: (N, in_channels, H, W); y: (N,), for conditional norms. Returns (N, out_channels, H', W').
    size: side after nearest-neighbour enlargement before the first convolution. halves: average 2x2 pixels at the end.
    centred: whether every path from the output leads through a norm that `centres_channels`; no bias is added then.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        norm: Norm,
        num_classes: int | None,
        size: int | None = None,
        halves: bool = False,
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = norm(in_channels, 2, num_classes)
        self.conv1 = nn.Conv2d(in_channels, hidden_channels, 3, padding=1)
        self.norm2 = norm(hidden_channels, 2, num_classes)
        biased_unless(centres_channels(self.norm2), self.conv1)
        self.conv2 = biased_unless(centred, nn.Conv2d(hidden_channels, out_channels, 3, padding=1))
        self.size = None if size is None else (size, size)
        self.halves = halves
        self.activation = nn.ReLU()
        plain = in_channels == out_channels and size is None and not halves
        self.skip = nn.Identity() if plain else biased_unless(centred, nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        r = self.activation(self.norm1(h, y))
        r = enlarged(self.conv1, r, self.size) if self.size else self.conv1(r)
        r = self.activation(self.norm2(r, y))
        r = averaged(self.conv2, r) if self.halves else self.conv2(r)
        # A 1x1 convolution commutes with resampling, and is cheaper at the lower resolution.
        skip = self.skip(F.avg_pool2d(h, 2) if self.halves else h)
        return r + (F.interpolate(skip, size=self.size) if self.size else skip)


def up_block(
    in_channels: int, out_channels: int, size: int, norm: Norm, num_classes: int | None, centred: bool = False
) -> ResidualBlock:
    """Enlarges to size x size by nearest neighbours. (N, in, H, W) -> (N, out, size, size)."""
    return ResidualBlock(in_channels, out_channels, out_channels, norm, num_classes, size=size, centred=centred)


def down_block(
    in_channels: int, out_channels: int, norm: Norm, num_classes: int | None, centred: bool = False
) -> ResidualBlock:
    """Halves the resolution. (N, in, H, W) -> (N, out, H // 2, W // 2)."""
    return ResidualBlock(in_channels, in_channels, out_channels, norm, num_classes, halves=True, centred=centred)


def plain_block(channels: int, norm: Norm, num_classes: int | None, centred: bool = False) -> ResidualBlock:
    """Keeps the resolution. (N, C, H, W) -> (N, C, H, W)."""
    return ResidualBlock(channels, channels, channels, norm, num_classes, centred=centred)


class FirstBlock(nn.Module):
    """A critic's first residual block. Its input is pixels, so it starts with a convolution, not an activation.

    x: (N, in_channels, H, W). Returns (N, out_channels, H // 2, W // 2).
    "OptimizedBlock" in the code of Miyato et al. 2018. centred: as for `ResidualBlock`.
    """

    def __init__(self, in_channels: int, out_channels: int, centred: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = biased_unless(centred, nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = biased_unless(centred, nn.Conv2d(in_channels, out_channels, 1))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(F.avg_pool2d(x, 2)) + averaged(self.conv2, self.activation(self.conv1(x)))
