"""Feature networks that never learn: what critics, perceptual distances and costs see of an image.

The weights are no part of a model. They are in no player's parameters, no checkpoint and no copy of the model; every model
of a process shares them. A checkpoint holds the network's name, and refuses to load into a model with another network.
"""

import functools
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.nn.efficientnet import STAGE_CHANNELS, STAGE_SCALES, FoldedEfficientNet, efficientnet_lite0, installed

FrozenName = Literal["auto", "efficientnet", "random"]

STRIDES = (4, 8, 16, 32)


class FrozenFeatures(nn.Module):
    """Four feature maps of an image, at strides 4, 8, 16 and 32 of the side at which the network sees it.

    x: (N, 1 or 3, H, W) in [−1, 1]. Returns maps (N, channels[i], size / s, size / s). Gradients flow to x and to nothing
    else. Training and eval mode are the same.

    network: is built when it is first used, so that samples are drawn without it. size: the side to which images are resized,
    bilinearly; a multiple of 32. channels, scales: of the stages; a scale is a root mean square over photographs.
    Raises GanvasError for another size, and when a checkpoint was loaded that was trained with another network.
    """

    def __init__(self, network: "Shared", size: int = 64) -> None:
        super().__init__()
        if size < 32 or size % 32:
            raise GanvasError(f"Feature networks see images of a multiple of 32 pixels, not {size}.", "64 is a choice.")
        self.name, self.size = network.name, size
        self.channels, self.scales = network.channels, network.scales
        self._network = network
        self._checked = False
        self.register_buffer("network_name", as_bytes(network.name))

    def forward(self, x: Tensor) -> list[Tensor]:
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise GanvasError(
                f"Feature networks need images of one or three channels, not examples of shape {tuple(x.shape[1:])}."
            )
        if not self._checked:
            self.check()
        return self._network.on(x.device)(self.resized(x))

    def resized(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) as the network sees it, (N, 3, size, size)."""
        size = (self.size, self.size)
        if x.shape[2:] != size:
            smaller = min(x.shape[2:]) > self.size  # enlarging needs no filter against aliasing
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=smaller)
        return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    def check(self) -> None:
        """Compares the network with the one that a checkpoint names."""
        loaded = bytes(self.get_buffer("network_name").tolist()).rstrip(b"\0").decode("ascii", "replace")
        if loaded != self.name:
            raise GanvasError(
                f"This run was trained with the feature network {loaded!r}, and here is {self.name!r}.",
                "Install the extra it was trained with: pip install 'ganvas[features]'.",
            )
        self._checked = True


NAME_BYTES = 48


def as_bytes(name: str) -> Tensor:
    """A name as (NAME_BYTES,) uint8: all that a checkpoint keeps of a network."""
    assert len(name) <= NAME_BYTES
    return torch.tensor(list(name.encode("ascii").ljust(NAME_BYTES, b"\0")), dtype=torch.uint8)


class Shared:
    """A network with one copy per device, shared by all modules that use it.

    name: of the network and its weights. channels, scales: of its four stages; a scale is a root mean square.
    build: is called at the first use. It returns a module from images (N, 3, H, W) in [−1, 1], sides multiples of 32, to maps
    (N, channels[i], H / s, W / s), s of `STRIDES`.
    """

    def __init__(
        self, name: str, channels: tuple[int, ...], scales: tuple[float, ...], build: Callable[[], nn.Module]
    ) -> None:
        self.name, self.channels, self.scales, self._build = name, channels, scales, build
        self._on: dict[torch.device, nn.Module] = {}

    def on(self, device: torch.device) -> nn.Module:
        """The network on `device`."""
        if device not in self._on:
            with torch.inference_mode(False):  # a tensor that is made in inference mode can never be part of a graph
                network = self._build().requires_grad_(False).eval()
                self._on[device] = network.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return self._on[device]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Shared":
        return self


class RandomStages(nn.Module):
    """Four stages of random convolutions with biases and ReLU: what stands in for a trained network.

    x: (N, 3, H, W). Returns maps as `FoldedEfficientNet` does.

    seed: of the weights. Their variance, of He et al. 2015, keeps deep stages as large as early ones. Without biases, an
    image of twice the contrast would have the same features, twice as long.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        widths = (3, 16, *STAGE_CHANNELS)
        with rng.building(seed, "random stages"):
            self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
            for layer in self.layers:
                assert isinstance(layer, nn.Conv2d) and layer.bias is not None
                nn.init.kaiming_normal_(layer.weight)
                nn.init.normal_(layer.bias, 0.0, 0.3)

    def forward(self, x: Tensor) -> list[Tensor]:
        stages: list[Tensor] = []
        for layer in self.layers:
            x = layer(x).relu()
            stages.append(x)
        return stages[1:]


@functools.cache
def shared(name: Literal["efficientnet", "random", "stand-in"]) -> Shared:
    """One for all models of the process. The stand-in is the random network with a warning."""
    if name == "efficientnet":
        return Shared(FoldedEfficientNet.name, STAGE_CHANNELS, STAGE_SCALES, folded)
    builder = RandomStages if name == "random" else stand_in
    return Shared("random-0", STAGE_CHANNELS, (0.8, 1.0, 1.0, 1.0), builder)


def folded() -> FoldedEfficientNet:
    return FoldedEfficientNet(efficientnet_lite0())


def stand_in() -> RandomStages:
    advice = "pip install 'ganvas[features]' brings a trained one."
    warnings.warn(f"Images are judged by a random feature network, and worse: {advice}", stacklevel=2)
    return RandomStages()


def frozen_features(name: FrozenName = "auto", size: int = 64) -> FrozenFeatures:
    """The feature network of that name, which sees images of size x size pixels.

    name: "efficientnet" needs the extra `features`; "random" has weights from a seed; "auto" is the first if its packages
    are installed, and else the second with a warning at its first use.
    """
    if name == "auto":
        return FrozenFeatures(shared("efficientnet" if installed() else "stand-in"), size)
    return FrozenFeatures(shared(name), size)
