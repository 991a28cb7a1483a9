"""The small critics of Projected GAN, one for each scale of a frozen network's features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganvas.machine.precision import full
from ganvas.nn.spectral import spectral


class MapCritics(nn.Module):
    """One small critic a map; their logits side by side, so that all weigh the same.

    The map i is halved len(channels) − 1 − i times by convolutions of 4x4, so that each critic ends on the same side and
    gives as many logits. All weights are spectrally normalised.

    There is no other normalisation. The paper has BatchNorm over real and over generated batches apart, which hides how their
    means differ. With 16 images a batch all samples then took one palette, another one every few hundred steps.

    channels: of the maps, finest first, each of a size near 1. width: hidden channels.

    maps: (N, channels[i], s / 2^i, s / 2^i). Returns logits (N, L), L = len(channels) (s / 2^(len(channels) − 1))².

    References: Sauer et al. 2021, "Projected GANs Converge Faster", https://arxiv.org/abs/2111.01007
    """

    def __init__(self, channels: Sequence[int], width: int = 64) -> None:
        super().__init__()
        last = len(channels) - 1
        self.critics = nn.ModuleList(map_critic(c, width, last - i) for i, c in enumerate(channels))
        spectral(self.critics)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        logits = [critic(h).flatten(1) for critic, h in zip(self.critics, maps, strict=True)]
        return full(torch.cat(logits, dim=1))


def map_critic(in_channels: int, width: int, halvings: int) -> nn.Module:
    """A critic of one map, which it halves `halvings` times; its last layer has a logit for each pixel that is left."""
    layers: list[nn.Module] = []
    for i in range(max(halvings, 1)):
        shape = (4, 2, 1) if halvings else (1, 1, 0)  # the coarsest map is only mixed
        layers += [
            nn.Conv2d(in_channels if i == 0 else width, width, *shape),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))
