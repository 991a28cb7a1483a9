"""A family of networks: an analysis and a synthesis of examples, both with sizes from the data."""

import math
from abc import ABC, abstractmethod
from typing import Protocol, final

from torch import Tensor, nn

from ganvas.errors import GanvasError, option
from ganvas.nn.norms import Norm, no_norm

Shape = tuple[int, ...]
"""Of one example: (C, H, W) for images, (D,) for points."""

Latent = int | tuple[int, int, int]
"""Of one code: its length L, or (D, h, w) for a grid of codes."""


class Analysis(nn.Module, ABC):
    """From examples to features: the trunk of encoders and critics.

    shape: of one example. num_classes: number of classes of a conditional network; then y is required, else ignored.
    map_shape: of the features before flattening, (C, h, w) or (F,).
    """

    def __init__(self, shape: Shape, map_shape: Shape, num_classes: int | None = None) -> None:
        super().__init__()
        self.shape, self.map_shape, self.num_classes = shape, map_shape, num_classes

    @property
    def num_features(self) -> int:
        return math.prod(self.map_shape)

    @abstractmethod
    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x: (N, *shape), y: (N,). Returns (N, *map_shape)."""

    @final
    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x: (N, *shape), y: (N,). Returns (N, num_features)."""
        return self.maps(x, y).flatten(1)


class Synthesis(nn.Module, ABC):
    """From codes to examples or parameters of a likelihood: the trunk of generators and decoders.

    latent: the code's length L, or (D, h, w). shape: of one example.
    channels_per: outputs for each channel of an example: `likelihood.num_parameters` or 1.
    num_classes: number of classes of a conditional network; then y is required, else ignored.
    """

    def __init__(self, latent: Latent, shape: Shape, channels_per: int, num_classes: int | None) -> None:
        super().__init__()
        self.latent, self.shape, self.channels_per, self.num_classes = latent, shape, channels_per, num_classes

    @abstractmethod
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z: (N, L) or (N, D, h, w), y: (N,). Returns (N, C * channels_per, H, W), or (N, D * channels_per)."""


class Body(Protocol):
    """A family of networks with chosen sizes: `Mlp()`, `Dcgan(width=64)`, `Resnet(attention=16)`.

    Both methods raise GanvasError for shapes that the family cannot build.
    """

    def analysis(self, shape: Shape, num_classes: int | None = None, norm: Norm = no_norm) -> Analysis: ...

    def synthesis(
        self, latent: Latent, shape: Shape, channels_per: int = 1, num_classes: int | None = None, norm: Norm = ...
    ) -> Synthesis: ...


def as_square(height: int, width: int) -> str:
    """A hint: the option that makes images square, with the largest usual side up to 64 that they have."""
    side = next((side for side in (64, 32, 16) if side <= min(height, width)), 8)
    squeezed = f"{option('crop', 'none')} squeezes the whole"
    return f"Make them square with {option('size', side)}: the middle is kept, and {squeezed}"


def resolutions(network: str, shape: Shape, halvings: int | None) -> list[int]:
    """The side of the feature maps, from the image's own down: 28 -> [28, 14, 7], 33 -> [33, 16, 8, 4].

    halvings: number of halvings; None halves while at least 4 pixels remain.
    Raises GanvasError for shapes that `network` cannot build.
    """
    if len(shape) != 3:
        raise GanvasError(
            f"{network} works on images, but this data has shape {shape}.", f"Use {option('network', 'mlp')}."
        )
    _, height, width = shape
    if height != width or height < 8:
        raise GanvasError(
            f"{network} works on square images of at least 8x8; these are {height}x{width}.",
            f"{as_square(height, width)}. Dense networks, {option('network', 'mlp')}, and the recipes flow and diffusion"
            " take any size.",
        )
    if halvings is None:
        halvings = (height // 4).bit_length() - 1
    if halvings < 1 or height >> halvings < 1:
        most = height.bit_length() - 1
        raise GanvasError(
            f"A {height}x{width} image cannot be halved {halvings} times.", f"Choose 1 to {most} halvings."
        )
    return [height >> i for i in range(halvings + 1)]


def latent_size(latent: Latent) -> int:
    """The number of values in a code."""
    return latent if isinstance(latent, int) else math.prod(latent)
