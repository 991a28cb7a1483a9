"""Choices that recipes offer by name, and the objects behind the names."""

import functools
from typing import Literal

import torch
from torch import nn

from ganvas.data import DataInfo
from ganvas.errors import GanvasError, option
from ganvas.losses import adversarial
from ganvas.losses.penalties import R1
from ganvas.networks import Body, Dcgan, Mlp, Resnet
from ganvas.networks.generators import Decoder
from ganvas.nn.init import dcgan_init
from ganvas.nn.norms import Norm, batch_norm, no_norm
from ganvas.probability import likelihoods
from ganvas.training.seats import OptimizerFactory

NetworkName = Literal["auto", "mlp", "dcgan", "resnet"]
LikelihoodName = Literal[
    "auto", "bernoulli", "gaussian", "shared-gaussian", "pixel-gaussian", "logistic", "categorical"
]
LossName = Literal["non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic"]

POINTS_WIDTH = 128
"""Default number of hidden units of dense networks on points, as in Srivastava et al. 2017 (VEEGAN)."""

LOSSES: dict[str, type[adversarial.Adversarial]] = {
    "non-saturating": adversarial.NonSaturating,
    "minimax": adversarial.Minimax,
    "least-squares": adversarial.LeastSquares,
    "hinge": adversarial.Hinge,
    "wasserstein": adversarial.Wasserstein,
    "relativistic": adversarial.Relativistic,
}


def body(network: NetworkName, data: DataInfo, width: int | None = None) -> Body:
    """A family of networks; "auto" is convolutions for images of at least 8x8, else a dense network.

    width: None means the family's default, or `POINTS_WIDTH` for points.
    """
    if width is None and not data.domain.spatial:
        width = POINTS_WIDTH
    if network == "auto":
        network = "dcgan" if data.domain.spatial and data.shape[1] >= 8 else "mlp"
    families: dict[str, type[Mlp] | type[Dcgan] | type[Resnet]] = {"mlp": Mlp, "dcgan": Dcgan, "resnet": Resnet}
    if width is not None and width < 1:
        raise GanvasError(f"A network cannot be {width} wide.", f"Use {option('width', 1)} or more.")
    return families[network]() if width is None else families[network](width=width)


def batch_for(data: DataInfo, for_images: int = 64) -> int:
    """The default batch size. For points it is 256: small networks take hardly more time, and in small batches a critic
    would see only a few examples of each mode."""
    return for_images if data.domain.spatial else 256


def norm_for(data: DataInfo) -> Norm:
    """Batch normalisation for images, none for points: there the batch's mean varies by the width of a mode."""
    return batch_norm if data.domain.spatial else no_norm


def slope_weight(data: DataInfo, given: float | None) -> float:
    """γ of R1; default: 1 for images, 0.1 for points, whose narrow modes need a steep critic."""
    if given is not None:
        return given
    return 1.0 if data.domain.spatial else 0.1


def slope_penalties(data: DataInfo, r1: float | None) -> list[R1]:
    """R1 with weight γ, or no penalty. On images it is applied at every fourth turn: it doubles the cost of a turn."""
    gamma = slope_weight(data, r1)
    every = 4 if data.domain.spatial else 1
    return [R1(gamma, every)] if gamma > 0 else []


def latent_length(latent: int) -> int:
    if latent < 1:
        raise GanvasError(f"A code cannot have {latent} dimensions.", f"Use {option('latent', 1)} or more.")
    return latent


def code_length(latent: int | None, data: DataInfo, for_images: int) -> int:
    """The default number of a code's dimensions; for points 2, like the data."""
    return latent_length((for_images if data.domain.spatial else 2) if latent is None else latent)


def likelihood(name: LikelihoodName, data: DataInfo, scale: float | None = None) -> nn.Module:
    """A likelihood head; "auto" is Bernoulli for grey images, else a Gaussian with one learned scale.

    scale: the fixed Gaussian's, or the start of the shared one; default: 0.5 for images, 0.1 for points. With a wider one
        on points, separating a ring's modes gains less than the codes cost, and the posterior collapses.
    """
    if name == "auto":
        name = "bernoulli" if data.domain.spatial and data.shape[0] == 1 else "shared-gaussian"
    if scale is None:
        scale = 0.5 if data.domain.spatial else 0.1
    if scale <= 0:
        raise GanvasError(f"A likelihood's scale must be above 0, not {scale}.")
    heads: dict[str, nn.Module] = {
        "bernoulli": likelihoods.Bernoulli(),
        "gaussian": likelihoods.Gaussian(scale),
        "shared-gaussian": likelihoods.SharedScaleGaussian(scale),
        "pixel-gaussian": likelihoods.PixelScaleGaussian(),
        "logistic": likelihoods.Logistic(),
        "categorical": likelihoods.Categorical(),
    }
    return heads[name]


def decoder(family: Body, latent: int, data: DataInfo, head: nn.Module, num_classes: int | None = None) -> Decoder:
    """p(x|z): a synthesis network of the family, with a likelihood head."""
    if not data.domain.spatial and not isinstance(
        head, likelihoods.Gaussian | likelihoods.SharedScaleGaussian | likelihoods.PixelScaleGaussian
    ):
        raise GanvasError(
            f"The likelihood {type(head).__name__} is for images, and this data is points.",
            f"Use {option('likelihood', 'shared-gaussian')}.",
        )
    per = head.num_parameters
    assert isinstance(per, int)
    return Decoder(family.synthesis(latent, data.shape, per, num_classes), head)  # pyright: ignore[reportArgumentType]


def adam(rate: float, beta1: float = 0.9, beta2: float = 0.999) -> OptimizerFactory:
    """Adam, fused into one pass over the parameters."""
    if rate <= 0:
        raise GanvasError(f"A learning rate must be above 0, not {rate}.")
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        raise GanvasError(
            f"Adam's β must be at least 0 and below 1, not {beta1} and {beta2}.", "β1 is often 0, 0.5 or 0.9."
        )
    return functools.partial(torch.optim.Adam, lr=rate, betas=(beta1, beta2), fused=True)


def initialised(network: nn.Module, family: Body) -> nn.Module:
    """Initialises DCGAN's networks by its paper; leaves other families with torch's defaults."""
    return dcgan_init(network) if isinstance(family, Dcgan) else network


def classes_of(data: DataInfo, conditional: bool) -> int | None:
    """The number of classes of a conditional network; None for an unconditional one."""
    if not conditional:
        return None
    if not data.classes:
        raise GanvasError(
            "A conditional model needs labels, and this data has none.",
            "Labels are class folders, or `label` in metadata.jsonl; `ganvas data SOURCE` shows them.",
        )
    return len(data.classes)


def critic_width(data: DataInfo, for_images: int = 512) -> int:
    """Hidden units of a critic's layers on codes; for points the same as in its other layers."""
    return for_images if data.domain.spatial else POINTS_WIDTH
