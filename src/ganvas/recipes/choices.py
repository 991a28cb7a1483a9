"""What recipes let their users choose by a word, and the objects that the words stand for."""

import functools
from typing import Literal

import torch
from torch import nn

from ganvas import likelihoods
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses import adversarial
from ganvas.networks import Body, Dcgan, Mlp, Resnet
from ganvas.networks.generators import Decoder
from ganvas.nn.init import dcgan_init
from ganvas.trainer import OptimizerFactory

NetworkName = Literal["auto", "mlp", "dcgan", "resnet"]
LikelihoodName = Literal[
    "auto", "bernoulli", "gaussian", "shared-gaussian", "pixel-gaussian", "logistic", "categorical"
]
LossName = Literal["non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic"]

LOSSES: dict[str, type[adversarial.Adversarial]] = {
    "non-saturating": adversarial.NonSaturating,
    "minimax": adversarial.Minimax,
    "least-squares": adversarial.LeastSquares,
    "hinge": adversarial.Hinge,
    "wasserstein": adversarial.Wasserstein,
    "relativistic": adversarial.Relativistic,
}


def body(network: NetworkName, data: DataInfo, width: int | None = None) -> Body:
    """A family of networks; "auto" is convolutions for images of 8x8 and more, and a dense network for the rest.

    width: None leaves the family's own.
    """
    if network == "auto":
        network = "dcgan" if len(data.shape) == 3 and data.shape[1] >= 8 else "mlp"
    families: dict[str, type[Mlp] | type[Dcgan] | type[Resnet]] = {"mlp": Mlp, "dcgan": Dcgan, "resnet": Resnet}
    if width is not None and width < 1:
        raise GanvasError(f"A network cannot be {width} wide.", "Use --width 1 or more.")
    return families[network]() if width is None else families[network](width=width)


def latent_length(latent: int) -> int:
    if latent < 1:
        raise GanvasError(f"A code cannot have {latent} dimensions.", "Use --latent 1 or more.")
    return latent


def likelihood(name: LikelihoodName, data: DataInfo, scale: float = 0.5) -> nn.Module:
    """A likelihood head; "auto" is Bernoulli for grey images, and else a Gaussian with one learned scale.

    scale: the fixed Gaussian's, or where the shared one starts.
    """
    if name == "auto":
        name = "bernoulli" if len(data.shape) == 3 and data.shape[0] == 1 else "shared-gaussian"
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
    """p(x|z) of a family of networks with a likelihood head sized for it."""
    if len(data.shape) != 3 and not isinstance(
        head, likelihoods.Gaussian | likelihoods.SharedScaleGaussian | likelihoods.PixelScaleGaussian
    ):
        raise GanvasError(
            f"The likelihood {type(head).__name__} is for images, and this data is points.",
            "Use --likelihood shared-gaussian.",
        )
    per = head.num_parameters
    assert isinstance(per, int)
    return Decoder(family.synthesis(latent, data.shape, per, num_classes), head)  # pyright: ignore[reportArgumentType]


def adam(rate: float, beta1: float = 0.9, beta2: float = 0.999) -> OptimizerFactory:
    """Adam, in one fused pass over the parameters."""
    if rate <= 0:
        raise GanvasError(f"A learning rate must be above 0, not {rate}.")
    return functools.partial(torch.optim.Adam, lr=rate, betas=(beta1, beta2), fused=True)


def initialised(network: nn.Module, family: Body) -> nn.Module:
    """DCGAN's networks begin as its paper says; the others as torch makes them."""
    return dcgan_init(network) if isinstance(family, Dcgan) else network


def classes_of(data: DataInfo, conditional: bool) -> int | None:
    """How many classes a network is told; None for an unconditional one."""
    if not conditional:
        return None
    if not data.classes:
        raise GanvasError(
            "A conditional model needs labels, and this data has none.",
            "Labels are class folders, or `label` in metadata.jsonl; `ganvas data SOURCE` shows them.",
        )
    return len(data.classes)
