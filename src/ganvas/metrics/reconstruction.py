"""Scores of reconstructions against their images."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.features import FeatureNetwork, extract
from ganvas.metrics.images import as_float, as_unit
from ganvas.metrics.metric import Metric, Reading, mean_and_error
from ganvas.metrics.needs import Need

SSIM_SIDE, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
MS_SSIM_SIDE = 176
MS_SSIM_POWERS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
BATCH = 250


def mean_squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean over pixels and channels, for each example, (N,) float64, in squared units of [−1, 1]."""
    return (x.double() - reconstruction.double()).square().flatten(1).mean(1)


def peak_signal_noise_ratio(x: Tensor, reconstruction: Tensor) -> Tensor:
    """10 log₁₀(2² / MSE), for each image, (N,) decibel; infinite where the reconstruction is perfect."""
    return 10 * torch.log10(4 / mean_squared_error(x, reconstruction))


def structural_similarity(x: Tensor, reconstruction: Tensor) -> Tensor:
    """SSIM for each image, (N,) in [−1, 1], in the published form, on images scaled to [0, 1].

    The window is a Gaussian of 11x11 pixels, σ 1.5. The mean is over the positions at which the whole window lies
    inside the image, and over channels: 18x18 positions of a 28x28 image, and one of an 11x11 image.
    Raises GanvasError if a side has fewer than 11 pixels.

    References:
        Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity", eq. 13 to 17
    """
    _large_enough(x, SSIM_SIDE, "SSIM's window of 11 pixels")
    parts = zip(x.split(BATCH), reconstruction.split(BATCH), strict=True)
    return torch.cat([_similarities(as_unit(a), as_unit(b))[0].mean(1) for a, b in parts])


def multiscale_structural_similarity(x: Tensor, reconstruction: Tensor) -> Tensor:
    """MS-SSIM over five scales for each image, (N,) in [0, 1]; images need 176 pixels a side (11 at the coarsest scale).

    Each scale halves the one before by means of 2x2 pixels. A channel's value is the product over scales of contrast and
    structure, and at the coarsest of luminance, too, each to its power; values below 0 count as 0. The mean is over
    channels.

    References:
        Wang, Simoncelli & Bovik 2003, "Multiscale Structural Similarity for Image Quality Assessment", eq. 7
    """
    _large_enough(x, MS_SSIM_SIDE, "MS-SSIM's five scales")
    parts = zip(x.split(BATCH), reconstruction.split(BATCH), strict=True)
    return torch.cat([_multiscale(as_unit(a), as_unit(b)) for a, b in parts])


def _multiscale(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM of images (N, C, H, W) in [0, 1], (N,)."""
    product = torch.ones(a.shape[:2], dtype=a.dtype)
    for scale, power in enumerate(MS_SSIM_POWERS):
        whole, without_luminance = _similarities(a, b)
        last = scale == len(MS_SSIM_POWERS) - 1
        product = product * (whole if last else without_luminance).clamp_min(0) ** power
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return product.mean(1)


def _similarities(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM, and its contrast and structure alone, of each channel: means over positions, (N, C) each.

    a, b: (N, C, H, W) float64 in [0, 1].
    """
    offsets = torch.arange(SSIM_SIDE, dtype=a.dtype) - SSIM_SIDE // 2
    line = (-offsets.square() / (2 * SSIM_SIGMA**2)).exp()
    line = line / line.sum()
    stack = torch.stack([a, b, a * a, b * b, a * b]).flatten(0, 2).unsqueeze(1)
    smooth = F.conv2d(F.conv2d(stack, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))
    mean_a, mean_b, square_a, square_b, product = smooth.view(5, *a.shape[:2], *smooth.shape[2:])
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    structure = (2 * covariance + SSIM_C2) / (variances + SSIM_C2)
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a.square() + mean_b.square() + SSIM_C1)
    return (luminance * structure).mean((2, 3)), structure.mean((2, 3))


def perceptual_distance(network: FeatureNetwork, x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean squared difference of the two images' features, for each image, (N,) float64.

    References:
        Dosovitskiy & Brox 2016, "Generating Images with Perceptual Similarity Metrics ...", eq. 2
    """
    return mean_squared_error(extract(network, x), extract(network, reconstruction))


def sharpness(x: Tensor, reconstruction: Tensor) -> tuple[float, float]:
    """Energy of the reconstructions' slopes over that of the originals' and its standard error: Σ‖∇x̂‖² / Σ‖∇x‖².

    ∇ is between neighbouring pixels. An average of possible pictures, which is what squared error asks for, has lost
    slopes of its own: below 1. Above 1 there are edges or noise that the originals do not have. It does not see whether
    they are in the right place: read it beside a distance.
    """
    _large_enough(x, 2, "slopes between pixels")
    ours, originals = _slope_energy(reconstruction), _slope_energy(x)
    ratio = ours.mean() / originals.mean()
    error = (ours - ratio * originals).std() / (math.sqrt(len(x)) * originals.mean())
    return ratio.item(), error.item()


def _slope_energy(x: Tensor) -> Tensor:
    """Of each image, (N,) float64."""
    return sum((x.diff(dim=dim).double().square().flatten(1).sum(1) for dim in (2, 3)), torch.zeros(len(x)).double())


def _large_enough(x: Tensor, side: int, what: str) -> None:
    if x.dim() != 4 or min(x.shape[2:]) < side:
        raise GanvasError(
            f"{what} need images of at least {side} pixels a side, not {tuple(x.shape[1:])}",
            "Ask for mse or psnr, which have no such limit.",
        )


def _reconstructed(name: str, measure: Callable[[Tensor, Tensor], Tensor]) -> Callable[[EvaluationContext], Reading]:
    def read(c: EvaluationContext) -> Reading:
        return Reading({name: mean_and_error(measure(as_float(c.x), c.reconstructions))}, len(c.x))

    return read


def _lpd(c: EvaluationContext) -> Reading:
    assert c.features is not None
    value = mean_and_error(perceptual_distance(c.features, c.x, c.reconstructions))
    return Reading({"lpd": value}, len(c.x), None, c.features)


def _sharpness(c: EvaluationContext) -> Reading:
    value = sharpness(as_float(c.x), c.reconstructions)
    notes = ("above 1: rougher than the originals",) if value[0] > 1 else ()
    return Reading({"sharpness": value}, len(c.x), notes=notes)


MSE = Metric(
    "mse",
    summary="mean squared error of reconstructions, units of [−1, 1]",
    needs=(Need.ENCODER,),
    better="lower",
    paper="—",
    measure=_reconstructed("mse", mean_squared_error),
)


PSNR = Metric(
    "psnr",
    summary="peak signal-to-noise ratio of reconstructions, decibel",
    needs=(Need.ENCODER,),
    better="higher",
    paper="—",
    measure=_reconstructed("psnr", peak_signal_noise_ratio),
)


SSIM = Metric(
    "ssim",
    summary="structural similarity of reconstructions",
    needs=(Need.ENCODER,),
    better="higher",
    paper="Wang et al. 2004, doi:10.1109/TIP.2003.819861",
    measure=_reconstructed("ssim", structural_similarity),
)


MS_SSIM = Metric(
    "ms-ssim",
    summary="structural similarity of reconstructions over five scales",
    needs=(Need.ENCODER,),
    better="higher",
    paper="Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216",
    measure=_reconstructed("ms-ssim", multiscale_structural_similarity),
)


PERCEPTUAL_DISTANCE = Metric(
    "lpd",
    summary="perceptual distance of reconstructions: squared error in features",
    needs=(Need.ENCODER, Need.FEATURES),
    better="lower",
    paper="Dosovitskiy & Brox 2016, arXiv:1602.02644",
    measure=_lpd,
)


SHARPNESS = Metric(
    "sharpness",
    summary="energy of the reconstructions' slopes over that of the originals'; 1 is as sharp",
    needs=(Need.ENCODER,),
    better="higher",
    paper="—",
    measure=_sharpness,
    enough=1,
)
