"""Normalisation, chosen by giving one of these functions to a network."""

from typing import Protocol

from torch import Tensor, nn

from ganvas.errors import GanvasError


class Norm(Protocol):
    """Builds the normalisation of `num_features` channels.

    dims: 0 for features (N, C), 2 for maps (N, C, H, W).
    num_classes: how many classes the network knows, if it knows any.
    The module that it returns is called as norm(h, y=None).
    """

    def __call__(self, num_features: int, dims: int, num_classes: int | None = None) -> nn.Module: ...


class Unconditional(nn.Module):
    """A normalisation that no class changes. h: (N, C, ...), y: ignored. Returns a tensor shaped as h."""

    def __init__(self, normalise: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        return self.normalise(h)


def no_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """None at all."""
    return Unconditional(nn.Identity())


def batch_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Over the batch and the pixels. Ioffe & Szegedy 2015.

    Not for a critic under a gradient penalty, which needs each example's score to depend on that example alone
    (Gulrajani et al. 2017, section 4).
    """
    return Unconditional(nn.BatchNorm2d(num_features) if dims == 2 else nn.BatchNorm1d(num_features))


def layer_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Over the channels and pixels of one example, with a gain and a bias a channel. Ba et al. 2016."""
    return Unconditional(nn.GroupNorm(1, num_features))


def instance_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Over the pixels of one channel of one example, with a gain and a bias a channel. Ulyanov et al. 2016."""
    if dims != 2:
        raise GanvasError(
            "Instance normalisation averages over pixels, and a dense network has none.", "Use layer_norm."
        )
    return Unconditional(nn.InstanceNorm2d(num_features, affine=True))
