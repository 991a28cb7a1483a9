"""The Fréchet distance of two sets of features."""

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from ganvas.errors import GanvasError
from ganvas.metrics.features import finite


class _Given(nn.Module):
    """Features that were extracted already, for a metric that would extract them."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """FID: |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), Gaussians fitted to the features, in float64.

    real, fake: (N, F), (M, F), each of at least F + 1 examples, since fewer leave the covariance singular.

    References:
        Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule ...", eq. 6
    """
    num_features = real.shape[1]
    for name, features in (("real examples", real), ("samples", fake)):
        if len(features) <= num_features:
            raise GanvasError(
                f"{len(features)} {name} are too few for the covariance of {num_features} features: "
                f"at least {num_features + 1} are needed",
                "Draw more, or use KID, which has no such limit.",
            )
    metric = FrechetInceptionDistance(feature=_Given(num_features)).set_dtype(torch.float64)
    # Centred on the real mean: the covariance is accumulated as a difference of squares, which large means would spoil.
    centre = finite(real).double().mean(0)
    metric.update(real.double() - centre, real=True)
    metric.update(finite(fake).double() - centre, real=False)
    return max(0.0, metric.compute().item())
