"""Feature networks: from images to the vectors used by FID, KID, precision and neighbours."""

import hashlib
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.machine.rng import building
from ganvas.metrics.images import as_float


class FeatureNetwork(nn.Module, ABC):
    """From images (N, C, H, W), float in [−1, 1], to features (N, F).

    name: for a score's card.
    resize: the change of image size before the first layer, as text; "none" without a change.
    """

    name: str
    resize: str = "none"

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [−1, 1], or points (N, D). Returns (N, F)."""

    @property
    @final
    def fingerprint(self) -> str:
        """sha256 of the weights: names, types, shapes and bytes."""
        digest = hashlib.sha256()
        for name, value in sorted(self.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


class Classifier(FeatureNetwork):
    """A feature network that also classifies, for the Inception Score and stacked MNIST."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, (N, K)."""


class ModuleFeatures(FeatureNetwork):
    """Any module of the user's. Its output is flattened to (N, F). Evaluated in eval mode, without gradients.

    Raises GanvasError if the module fails on the images, or does not return one row per image.
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module = module.eval()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        try:
            features = self.module(x)
        except Exception as error:
            what = f"the feature network {self.name!r} fails on images of shape {tuple(x.shape[1:])}"
            raise GanvasError(f"{what}: {type(error).__name__}: {error}") from error
        if not isinstance(features, Tensor) or features.dim() < 2 or len(features) != len(x):
            raise GanvasError(f"the feature network {self.name!r} does not give a tensor (N, ...) for N images")
        return features.flatten(1)


class RandomNetwork(FeatureNetwork):
    """A fixed convolutional network with random weights: no labels, no download, the same everywhere.

    shape: (C, H, W) of the images. seed: of the weights. Features: 128, means over the last layer's positions.

    References:
        Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", section 3.3
    """

    def __init__(self, shape: tuple[int, int, int], seed: int = 0) -> None:
        super().__init__()
        self.name = f"random-{seed}"
        with building(seed, "random feature network"):
            self.layers = nn.Sequential(
                nn.Conv2d(shape[0], 32, 3, padding=1), nn.ReLU(),
                nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
                nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.ReLU(),
            )  # fmt: skip
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight)  # keeps the variance through the ReLUs
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).mean((2, 3))


BATCH = 250


@torch.inference_mode()
def extract(network: FeatureNetwork, images: Tensor) -> Tensor:
    """Features of all images, (N, F) float32. images: uint8 or float in [−1, 1], (N, C, H, W), or points (N, D).

    Raises GanvasError for NaN or infinity in a feature.
    """
    network.eval()
    features = torch.cat([network(as_float(batch)).float().cpu() for batch in images.split(BATCH)])
    return finite(features, f"feature network {network.name!r}")


@torch.inference_mode()
def probabilities(network: Classifier, images: Tensor) -> Tensor:
    """Class probabilities of all images, (N, K) float64."""
    network.eval()
    logits = torch.cat([network.logits(as_float(batch)).double().cpu() for batch in images.split(BATCH)])
    return finite(logits, f"classifier {network.name!r}").softmax(1)


def finite(features: Tensor, source: str = "feature network") -> Tensor:
    """The features (N, F). Raises GanvasError for NaN or infinity."""
    bad = (~features.isfinite()).flatten(1).any(1).sum().item()
    if bad:
        raise GanvasError(
            f"the {source} gave NaN or infinite features for {bad} of {len(features)} examples",
            "Look at the samples: a diverged model gives NaN. Metrics of such features have no meaning.",
        )
    return features
