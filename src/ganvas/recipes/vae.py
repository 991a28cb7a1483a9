"""Recipes of variational autoencoders."""

import functools

import torch
from torch import nn

from ganvas.core.schedules import Linear, PowerPerEpoch
from ganvas.data import Binarize, DataInfo
from ganvas.models.iwae import IWAE
from ganvas.models.vae import VAE
from ganvas.networks import Decoder, Encoder, Mlp, UnitInterval
from ganvas.nn.init import xavier_init
from ganvas.probability.likelihoods import Bernoulli
from ganvas.probability.priors import Normal
from ganvas.recipes import choices
from ganvas.recipes.choices import (
    LikelihoodName,
    NetworkName,
    adam,
    batch_for,
    body,
    code_length,
    decoder,
    latent_length,
)
from ganvas.training.recipe import Recipe


def vae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    scale: float | None = None,
    binarize: bool = False,
    beta: float = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """VAE: encoder and decoder maximise a lower bound on the data's likelihood (β-VAE with --beta).

    Paper: Kingma & Welling 2014, "Auto-Encoding Variational Bayes", https://arxiv.org/abs/1312.6114

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        scale: the Gaussian's standard deviation in units of [-1, 1], or the start of the shared one. Default: 0.5 for images,
            0.1 for points.
        binarize: whether pixels are drawn black or white at each step, with their grey value as probability.
        beta: weight of the rate; 1 is the ELBO.
        warmup: images over which the rate's weight grows from 0.
        free_bits: nats of rate without cost.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family, latent = body(network, data, width), code_length(latent, data, 32)
    model = VAE(
        Encoder(family.analysis(data.shape), latent),
        decoder(family, latent, data, choices.likelihood(likelihood, data, scale)),
        Normal(latent),
        beta=Linear(0.0, beta, warmup) if warmup else beta,
        free_bits=free_bits,
    )
    return Recipe(
        model,
        {"autoencoder": adam(learning_rate)},
        images=300_000,
        batch_size=batch_for(data, 128),
        ema_half_life=ema or None,
        transform=Binarize() if binarize else None,
    )


def iwae_mnist(data: DataInfo, *, k: int = 1, epochs: int = 50, latent: int = 50, width: int = 200) -> Recipe:
    """The IWAE paper's networks on binarised images, in a protocol of 50 epochs; --k 1 is a VAE.

    Paper: Burda et al. 2016, "Importance Weighted Autoencoders", https://arxiv.org/abs/1509.00519

    784-200-200-50 with tanh, Xavier initialisation, the output's bias at the data's log-odds; batch 100, Adadelta with rate
    (1 - epoch / epochs)^0.9; pixels are drawn at every step, as 0 and 1.

    Args:
        k: codes for each example; 1 is the VAE, more is IWAE.
        epochs: the budget; the learning rate falls to 0 over it.
        latent: dimensions of the code.
        width: of both hidden layers.
    """
    family = Mlp(width=width, depth=2, activation=nn.Tanh())
    encoder = xavier_init(Encoder(UnitInterval(family.analysis(data.shape)), latent_length(latent)))
    synthesis = xavier_init(family.synthesis(latent, data.shape))
    if data.mean is not None:
        share = ((data.mean + 1) / 2).clamp(1e-3, 1 - 1e-3)
        with torch.no_grad():
            synthesis.output.bias.copy_(torch.logit(share).flatten())
    networks = (encoder, Decoder(synthesis, Bernoulli()), Normal(latent))
    return Recipe(
        VAE(*networks) if k == 1 else IWAE(*networks, k=k),
        {"autoencoder": functools.partial(torch.optim.Adadelta, lr=1.0)},
        images=epochs * data.num_train,
        batch_size=100,
        learning_rate=PowerPerEpoch(epochs, data.num_train, 0.9),
        transform=Binarize(),
    )
