"""The fixed random mixes through which Projected GAN's critics look at a feature network. Sauer et al. 2021, section 3.2."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.machine import rng


class RandomProjection(nn.Module):
    """Mixes across channels (CCM), then across scales (CSM), by random convolutions that never learn.

    CCM: a 1x1 convolution for each stage, to width, 2 width, 4 width and 8 width channels. CSM: from the coarsest stage to
    the finest, the sum of a stage and of all coarser ones is enlarged twofold, bilinearly, and mixed by a 1x1 convolution.
    So each map has its own scale and what lies above it.

    in_channels: of the stages, finest first. seed: of the weights. They are buffers, so checkpoints keep them.
    scales: root mean squares of the stages; 1 if not given. Maps are divided by what that makes of their own, so that they
    are near 1. The paper's critics have batch normalisation for this.
    channels: of the maps, finest first: width, width, 2 width, 4 width.

    stages: maps (N, in_channels[i], h_i, w_i), each half as large as the one before. Returns maps
    (N, channels[i], 2 h_i, 2 w_i).

    References: Sauer et al. 2021, "Projected GANs Converge Faster", https://arxiv.org/abs/2111.01007; program:
        autonomousvision/projected-gan
    """

    def __init__(
        self, in_channels: Sequence[int], width: int = 64, seed: int = 0, scales: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        g = rng.generator(seed, "random projection")
        mixed = [width * 2**i for i in range(len(in_channels))]
        self.channels = (width, *mixed[:-1])
        squares = [s**2 for s in scales or [1.0] * len(in_channels)]
        # The mix at a stage adds independent sums of its own features and of all coarser ones.
        sizes = [sum(squares[i:]) ** 0.5 for i in range(len(squares))]
        self.shares = [coarser / own for own, coarser in pairwise(sizes)]
        for i, (a, b) in enumerate(zip(in_channels, mixed, strict=True)):
            self.register_buffer(f"across_channels{i}", random_mix(a, b, g) / sizes[i])
        for i, (a, b) in enumerate(zip(mixed, self.channels, strict=True)):
            self.register_buffer(f"across_scales{i}", random_mix(a, b, g))

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        maps: list[Tensor] = []
        coarser: Tensor | None = None
        for i in reversed(range(len(stages))):
            h = F.conv2d(stages[i], self.get_buffer(f"across_channels{i}"))
            h = h if coarser is None else torch.add(h, coarser, alpha=self.shares[i])
            # Mixing channels and enlarging commute; in this order the convolution has a quarter of the pixels.
            h = F.conv2d(h, self.get_buffer(f"across_scales{i}"))
            coarser = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=True)
            maps.append(coarser)
        return maps[::-1]


def random_mix(in_channels: int, out_channels: int, generator: torch.Generator) -> Tensor:
    """The weight of a 1x1 convolution that keeps the variance of independent channels, (out_channels, in_channels, 1, 1)."""
    return torch.randn(out_channels, in_channels, 1, 1, generator=generator) / in_channels**0.5
