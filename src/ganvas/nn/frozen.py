"""Feature networks that never learn: what critics, perceptual distances and costs see of an image.

The weights are no part of a model. They are in no player's parameters, no checkpoint and no copy of the model; every model
of a process shares them. A checkpoint holds the network's name, and refuses to load into a model with another network.
"""

import copy
import functools
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas import rng
from ganvas.errors import GanvasError
from ganvas.nn.efficientnet import STAGE_CHANNELS, FoldedEfficientNet, efficientnet_lite0

FrozenName = Literal["auto", "efficientnet", "random"]

STRIDES = (4, 8, 16, 32)


class Stages(Protocol):
    """From images (N, 3, H, W) in [−1, 1], sides multiples of 32, to maps (N, channels[i], H / s, W / s), s of `STRIDES`.

    name: of the network and of its weights, without dots.
    """

    name: str
    channels: tuple[int, ...]

    def __call__(self, x: Tensor) -> list[Tensor]: ...


class FrozenFeatures(nn.Module):
    """Four feature maps of an image, at strides 4, 8, 16 and 32 of the side at which the network sees it.

    x: (N, 1 or 3, H, W) in [−1, 1]. Returns maps (N, channels[i], size / s, size / s). Gradients flow to x and to nothing
    else. Training and eval mode are the same.

    network: holds a module that is as `Stages`. size: the side to which images are resized, bilinearly; a multiple of 32.
    Raises GanvasError for another size.
    """

    def __init__(self, network: "Shared", size: int = 64) -> None:
        super().__init__()
        if size < 32 or size % 32:
            raise GanvasError(f"Feature networks see images of a multiple of 32 pixels, not {size}.", "64 is a choice.")
        stages = cast(Stages, network.on(torch.device("cpu")))
        self.name, self.channels, self.size = stages.name, stages.channels, size
        self._network = network
        # An empty tensor whose name says which network this is: all that a checkpoint keeps of it.
        self.register_buffer(f"features {self.name}", torch.empty(0))

    def forward(self, x: Tensor) -> list[Tensor]:
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise GanvasError(
                f"Feature networks need images of one or three channels, not examples of shape {tuple(x.shape[1:])}."
            )
        return self._network.on(x.device)(self.resized(x))

    def resized(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) as the network sees it, (N, 3, size, size)."""
        size = (self.size, self.size)
        if x.shape[2:] != size:
            smaller = min(x.shape[2:]) > self.size  # enlarging needs no filter against aliasing
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=smaller)
        return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


class Shared:
    """A network of which each device holds one copy, whoever copies the modules that use it."""

    def __init__(self, network: nn.Module) -> None:
        network = network.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._on = {torch.device("cpu"): network}

    def on(self, device: torch.device) -> nn.Module:
        """The network on `device`."""
        if device not in self._on:
            with torch.inference_mode(False):  # a tensor that is made in inference mode can never be part of a graph
                self._on[device] = copy.deepcopy(self._on[torch.device("cpu")]).to(device)
        return self._on[device]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Shared":
        return self


class RandomStages(nn.Module):
    """Four stages of random convolutions with biases and ReLU: what stands in for a trained network.

    seed: of the weights. Their variance, of He et al. 2015, keeps deep stages as large as early ones. Without biases, an
    image of twice the contrast would have the same features, twice as long.
    """

    channels = STAGE_CHANNELS

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.name = f"random-{seed}"
        widths = (3, 16, *self.channels)
        with rng.seeded(seed, "random stages"):
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
def _shared(name: str) -> Shared:
    """One for all models of the process."""
    builders: dict[str, Callable[[], nn.Module]] = {
        "efficientnet": lambda: FoldedEfficientNet(efficientnet_lite0()),
        "random": RandomStages,
    }
    return Shared(builders[name]())


def frozen_features(name: FrozenName = "auto", size: int = 64) -> FrozenFeatures:
    """The feature network of that name, which sees images of size x size pixels.

    name: "efficientnet" needs the extra `features`; "random" has weights from a seed; "auto" is the first where its packages
    are installed, and else the second with a warning.
    """
    if name != "auto":
        return FrozenFeatures(_shared(name), size)
    try:
        return FrozenFeatures(_shared("efficientnet"), size)
    except GanvasError as error:
        warnings.warn(f"Features come from a random network, which judges worse. {error.message}", stacklevel=2)
        return FrozenFeatures(_shared("random"), size)
