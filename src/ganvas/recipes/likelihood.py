"""Recipes of VAEs other than the plain one: tighter bounds, decomposed rates, learned priors."""

from typing import Literal

import torch
from torch import Tensor, nn

from ganvas.core.schedules import Linear
from ganvas.data import Binarize, DataInfo
from ganvas.errors import GanvasError, option
from ganvas.models.iwae import IWAE, Estimator, doubly_reparameterised, reparameterised, sticking_the_landing
from ganvas.models.tcvae import TCVAE, MinibatchStratified, MinibatchWeighted, MinibatchWeights
from ganvas.models.vae import VAE
from ganvas.networks import Encoder
from ganvas.probability.priors import Mixture, Normal, VampPrior
from ganvas.recipes import choices
from ganvas.recipes.choices import LikelihoodName, NetworkName, adam, batch_for, body, code_length, decoder
from ganvas.training.recipe import Recipe

EstimatorName = Literal["plain", "stl", "dreg"]
ESTIMATORS: dict[str, Estimator] = {
    "plain": reparameterised,
    "stl": sticking_the_landing,
    "dreg": doubly_reparameterised,
}
WeightsName = Literal["stratified", "weighted"]
WEIGHTS: dict[str, type[MinibatchStratified] | type[MinibatchWeighted]] = {
    "stratified": MinibatchStratified,
    "weighted": MinibatchWeighted,
}


def iwae(
    data: DataInfo,
    *,
    k: int = 5,
    estimator: EstimatorName = "plain",
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    scale: float | None = None,
    binarize: bool = False,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """IWAE: the VAE's networks with a tighter bound, from k codes for each example.

    Paper: Burda et al. 2016, "Importance Weighted Autoencoders", https://arxiv.org/abs/1509.00519

    Args:
        k: codes for each example; 1 is the VAE's bound.
        estimator: of the encoder's gradient: the bound's own, "stl" (Roeder et al. 2017; biased for k above 1), or "dreg"
            (Tucker et al. 2019; unbiased, with less variance for larger k).
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        scale: the Gaussian's standard deviation in units of [-1, 1], or the start of the shared one. Default: 0.5 for images,
            0.1 for points.
        binarize: whether pixels are drawn black or white at each step, with their grey value as probability.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    latent = code_length(latent, data, 32)
    encode, decode = networks(data, network, width, latent, likelihood, scale)
    model = IWAE(encode, decode, Normal(latent), k, ESTIMATORS[estimator])
    return recipe(data, model, learning_rate, ema, binarize)


def tc_vae(
    data: DataInfo,
    *,
    beta: float = 6.0,
    alpha: float = 1.0,
    gamma: float = 1.0,
    warmup: int = 0,
    sampling: WeightsName = "stratified",
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    scale: float | None = None,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """β-TCVAE: independent code dimensions, by a weight on their total correlation.

    Paper: Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", https://arxiv.org/abs/1802.04942

    Args:
        beta: weight of the total correlation; with all three weights at 1 it is the VAE. The paper's best on dSprites is 6.
        alpha: weight of the mutual information between code and example.
        gamma: weight of the dimension-wise rate.
        warmup: images over which beta grows from 0.
        sampling: the estimator of the aggregate posterior: "stratified" is unbiased; "weighted" is the one of the paper's
            experiments, which shifts its terms by multiples of log N.
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 10 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        scale: the Gaussian's standard deviation in units of [-1, 1], or the start of the shared one. Default: 0.5 for images,
            0.1 for points.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    latent = code_length(latent, data, 10)
    encode, decode = networks(data, network, width, latent, likelihood, scale)
    weights: MinibatchWeights = WEIGHTS[sampling](data.num_train)
    slow = Linear(0.0, beta, warmup) if warmup else beta
    return recipe(data, TCVAE(encode, decode, Normal(latent), weights, slow, alpha, gamma), learning_rate, ema)


def vamp_vae(
    data: DataInfo,
    *,
    components: int = 100,
    warmup: int = 20_000,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    scale: float | None = None,
    binarize: bool = False,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """VAE with a VampPrior: the prior is a mixture of posteriors at learned pseudo-inputs.

    Paper: Tomczak & Welling 2018, "VAE with a VampPrior", https://arxiv.org/abs/1705.07120

    Args:
        components: number of pseudo-inputs; the paper has 500.
        warmup: images over which the rate's weight grows from 0; the paper has 100 epochs.
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        scale: the Gaussian's standard deviation in units of [-1, 1], or the start of the shared one. Default: 0.5 for images,
            0.1 for points.
        binarize: whether pixels are drawn black or white at each step, with their grey value as probability.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    latent = code_length(latent, data, 32)
    encode, decode = networks(data, network, width, latent, likelihood, scale)
    prior = VampPrior(encode, pseudo_inputs(data, at_least_one(components)), bounded=data.domain.kind == "images")
    return recipe(data, VAE(encode, decode, prior, warmed(warmup)), learning_rate, ema, binarize)


def mixture_vae(
    data: DataInfo,
    *,
    components: int = 50,
    warmup: int = 20_000,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    scale: float | None = None,
    binarize: bool = False,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """VAE with a mixture prior: a mixture of Gaussians, learned together with the networks.

    Paper: Tomczak & Welling 2018, "VAE with a VampPrior" (its MoG baseline), https://arxiv.org/abs/1705.07120

    Args:
        components: number of Gaussians.
        warmup: images over which the rate's weight grows from 0.
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        scale: the Gaussian's standard deviation in units of [-1, 1], or the start of the shared one. Default: 0.5 for images,
            0.1 for points.
        binarize: whether pixels are drawn black or white at each step, with their grey value as probability.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    latent = code_length(latent, data, 32)
    encode, decode = networks(data, network, width, latent, likelihood, scale)
    prior = Mixture(latent, at_least_one(components))
    return recipe(data, VAE(encode, decode, prior, warmed(warmup)), learning_rate, ema, binarize)


def networks(
    data: DataInfo,
    network: NetworkName,
    width: int | None,
    latent: int,
    likelihood: LikelihoodName,
    scale: float | None,
) -> tuple[Encoder, nn.Module]:
    """q(z|x) and p(x|z) of one family."""
    family = body(network, data, width)
    encode = Encoder(family.analysis(data.shape), latent)
    return encode, decoder(family, latent, data, choices.likelihood(likelihood, data, scale))


def recipe(
    data: DataInfo, model: IWAE | TCVAE | VAE, learning_rate: float, ema: float, binarize: bool = False
) -> Recipe:
    """The budget of the `vae` recipe."""
    return Recipe(
        model,
        {"autoencoder": adam(learning_rate)},
        images=300_000,
        batch_size=batch_for(data, 128),
        ema_half_life=ema or None,
        transform=Binarize() if binarize else None,
    )


def pseudo_inputs(data: DataInfo, num: int) -> Tensor:
    """Initial pseudo-inputs, (num, *shape): the mean example plus noise, so that all differ."""
    centre = torch.zeros(data.shape) if data.mean is None else data.mean
    return centre + 0.3 * torch.randn(num, *data.shape)


def warmed(warmup: int) -> float | Linear:
    return Linear(0.0, 1.0, warmup) if warmup else 1.0


def at_least_one(components: int) -> int:
    if components < 1:
        raise GanvasError(f"A mixture cannot have {components} components.", f"Use {option('components', 1)} or more.")
    return components
