"""Normalisations: functions that networks take as an argument."""

from typing import Protocol, TypeVar

from torch import Tensor, nn

from ganvas.errors import GanvasError

M = TypeVar("M", bound=nn.Module)


class Norm(Protocol):
    """Builds the normalisation of `num_features` channels.

    dims: 0 for features (N, C), 2 for maps (N, C, H, W).
    num_classes: number of classes of a conditional network, or None.
    The returned module is called as norm(h, y=None).
    """

    def __call__(self, num_features: int, dims: int, num_classes: int | None = None) -> nn.Module: ...


class Unconditional(nn.Module):
    """A normalisation that ignores the class. h: (N, C, ...). Returns a tensor with the shape of h."""

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

    Not for a critic with a gradient penalty: there the score of an example must not depend on other examples
    (Gulrajani et al. 2017, section 4).
    """
    return Unconditional(nn.BatchNorm2d(num_features) if dims == 2 else nn.BatchNorm1d(num_features))


def layer_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Over the channels and pixels of one example, with a gain and a bias for each channel. Ba et al. 2016."""
    return Unconditional(nn.GroupNorm(1, num_features))


def group_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Over the pixels of four channels or more of one example, with a gain and a bias a channel. Wu & He 2018.

    There are up to 32 groups.
    """
    return Unconditional(nn.GroupNorm(groups(num_features), num_features))


def groups(channels: int) -> int:
    """The most groups, up to 32, that share these channels out evenly, in fours or more; one for fewer than eight."""
    return next(n for n in range(min(32, max(1, channels // 4)), 0, -1) if channels % n == 0)


def instance_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Over the pixels of one channel of one example, with a gain and a bias for each channel. Ulyanov et al. 2016."""
    if dims != 2:
        raise GanvasError(
            "Instance normalisation averages over pixels, but a dense network has no pixels.", "Use layer_norm."
        )
    return Unconditional(nn.InstanceNorm2d(num_features, affine=True))


def centres_channels(norm: nn.Module) -> bool:
    """Whether a normalisation, as a `Norm` builds it, subtracts each channel's own mean.

    A constant that is added to a channel before it then has no effect. Layer normalisation subtracts one mean of all
    channels together, so constants that differ between channels remain.
    """
    inner = getattr(norm, "normalise", norm)
    if isinstance(inner, nn.GroupNorm):
        return inner.num_groups == inner.num_channels
    return isinstance(inner, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.InstanceNorm2d)


def biased_unless(cancelled: bool, layer: M) -> M:
    """A dense layer or convolution, without its bias if what follows cancels it.

    Such a bias has a gradient of rounding errors alone, which Adam scales to steps of full size: two processes then
    drift apart. The bias is removed after it was drawn, so that all other initial weights stay as they were.
    """
    if cancelled and isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        layer.register_parameter("bias", None)
    return layer
