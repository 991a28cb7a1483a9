"""Distances between images in features of a network, more tolerant than distances of pixels."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.machine.precision import full


class RandomPerceptual(nn.Module):
    """`feature_distance` in a random network.

    The distance of LPIPS (Zhang et al. 2018) in an untrained network. Depth and pooling matter more than
    learned filters (Liu et al. 2021), and no download is needed. The weights depend on `seed` and never change.

    x, x̂: (N, in_channels, H, W) in [−1, 1], of 4x4 pixels or more. Returns (N,).

    References:
        Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features", https://arxiv.org/abs/1801.03924
        Liu et al. 2021, "Generic Perceptual Loss for Modeling Structured Output Dependencies",
        https://arxiv.org/abs/2103.10571
    """

    def __init__(self, in_channels: int, widths: Sequence[int] = (32, 64, 128), seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.num_layers = len(widths)
        for layer, (a, b) in enumerate(pairwise([in_channels, *widths])):
            # He et al. 2015: ReLU halves the variance; this gain restores it, so that all layers count equally.
            weight = torch.randn(b, a, 3, 3, generator=generator) * (2 / (9 * a)) ** 0.5
            self.register_buffer(f"weight{layer}", weight)
            # Without biases, doubled contrast would only double the features, and the distance would be 0.
            self.register_buffer(f"bias{layer}", 0.3 * torch.randn(b, generator=generator))

    def features(self, x: Tensor) -> list[Tensor]:
        """Each layer's activations, (N, widths[l], H / 2^l, W / 2^l), while each side has at least 2 pixels."""
        found: list[Tensor] = []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.avg_pool2d(x, 2)
            x = F.conv2d(x, self.get_buffer(f"weight{layer}"), self.get_buffer(f"bias{layer}"), padding=1).relu()
            found.append(x)
            if min(x.shape[2:]) < 4:
                break
        return found

    def forward(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        return feature_distance(self.features(x), self.features(reconstruction))


class PixelsAndFeatures(nn.Module):
    """mean |x − x̂| + `RandomPerceptual` of both. x, x̂: (N, in_channels, H, W) in [−1, 1]. Returns (N,)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.features = RandomPerceptual(in_channels)

    def forward(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        return full(x - reconstruction).abs().mean((1, 2, 3)) + self.features(x, reconstruction)


def feature_distance(of: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Σ_l mean over pixels of ‖φ_l(x) − φ_l(x̂)‖², φ_l the channels of layer l scaled to unit length in each pixel.

    of, other: the layers' maps of x and of x̂, each (N, C_l, H_l, W_l). Returns (N,). Zhang et al. 2018, eq. 1, all weights 1.
    """
    distances = [(unit(a) - unit(b)).square().sum(1).mean(dim=(1, 2)) for a, b in zip(of, other, strict=True)]
    return torch.stack(distances).sum(0)


def unit(h: Tensor) -> Tensor:
    """h (N, C, H, W) scaled to unit length over channels; 1e-6 keeps the gradient finite if all channels are 0."""
    h = full(h)
    return h * (h.square().sum(1, keepdim=True) + 1e-6).rsqrt()
