"""How near reconstructions come to their images."""

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from ganvas.errors import GanvasError
from ganvas.metrics.features import FeatureNetwork, extract
from ganvas.metrics.images import as_unit

SSIM_SIDE = 11
MS_SSIM_SIDE = 176
BATCH = 250


def mean_squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean over pixels and channels, for each example, (N,) float64, in squared units of [−1, 1]."""
    return (x.double() - reconstruction.double()).square().flatten(1).mean(1)


def peak_signal_noise_ratio(x: Tensor, reconstruction: Tensor) -> Tensor:
    """10 log₁₀(2² / MSE), for each image, (N,) decibel; infinite where the reconstruction is perfect."""
    return 10 * torch.log10(4 / mean_squared_error(x, reconstruction))


def structural_similarity(x: Tensor, reconstruction: Tensor) -> Tensor:
    """SSIM for each image, (N,) in [−1, 1]: Gaussian window of 11 pixels, σ 1.5, on images scaled to [0, 1].

    References:
        Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity"
    """
    _large_enough(x, SSIM_SIDE, "SSIM's window of 11 pixels")
    return torch.cat(
        [
            _each(structural_similarity_index_measure(as_unit(b), as_unit(a), reduction="none", data_range=1.0))
            for a, b in zip(x.split(BATCH), reconstruction.split(BATCH), strict=True)
        ]
    )


def multiscale_structural_similarity(x: Tensor, reconstruction: Tensor) -> Tensor:
    """MS-SSIM over five scales for each image, (N,) in [0, 1]; images need 176 pixels a side (11 at the coarsest scale).

    References:
        Wang, Simoncelli & Bovik 2003, "Multiscale Structural Similarity for Image Quality Assessment"
    """
    _large_enough(x, MS_SSIM_SIDE, "MS-SSIM's five scales")
    return torch.cat(
        [
            _each(
                multiscale_structural_similarity_index_measure(
                    as_unit(b), as_unit(a), reduction="none", data_range=1.0, normalize="relu"
                )
            )
            for a, b in zip(x.split(BATCH), reconstruction.split(BATCH), strict=True)
        ]
    )


def perceptual_distance(network: FeatureNetwork, x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean squared difference of the two images' features, for each image, (N,) float64.

    References:
        Dosovitskiy & Brox 2016, "Generating Images with Perceptual Similarity Metrics ...", eq. 2
    """
    return mean_squared_error(extract(network, x), extract(network, reconstruction))


def sharpness(x: Tensor, reconstruction: Tensor) -> float:
    """Energy of the reconstructions' slopes over that of the originals': Σ‖∇x̂‖² / Σ‖∇x‖², ∇ between neighbouring pixels.

    An average of possible pictures, which is what squared error asks for, has lost slopes of its own: below 1. Above 1 there
    are edges or noise that the originals do not have. It does not see whether they are in the right place: read it
    beside a distance.
    """
    _large_enough(x, 2, "slopes between pixels")
    return _slope_energy(reconstruction) / _slope_energy(x)


def _slope_energy(x: Tensor) -> float:
    return sum(x.diff(dim=dim).double().square().sum().item() for dim in (2, 3))


def _each(value: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """torchmetrics' value of each image, (N,), whether or not it came with an intermediate result."""
    return (value if isinstance(value, Tensor) else value[0]).double().flatten()


def _large_enough(x: Tensor, side: int, what: str) -> None:
    if x.dim() != 4 or min(x.shape[2:]) < side:
        raise GanvasError(
            f"{what} need images of at least {side} pixels a side, not {tuple(x.shape[1:])}",
            "Ask for mse or psnr, which have no such limit.",
        )
