"""Repaired versions of the two small programs from the article that ganvas started from."""

import functools

import torch
from torch import nn

from ganvas.data import DataInfo
from ganvas.models.gan import GAN
from ganvas.models.vae import VAE
from ganvas.networks import Critic, Decoder, Encoder, Generator
from ganvas.networks.mlp import MlpAnalysis, MlpSynthesis
from ganvas.nn.norms import batch_norm
from ganvas.probability.likelihoods import Bernoulli
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import adam, latent_length
from ganvas.training.recipe import Recipe


def article_gan(data: DataInfo, *, latent: int = 100, learning_rate: float = 2e-4) -> Recipe:
    """The article's GAN: a dense generator from 100 normal numbers, a discriminator Flatten-128-1.

    Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", https://arxiv.org/abs/1406.2661

    Args:
        latent: number of normal random numbers, the generator's input.
        learning_rate: Adam's, with β1 = 0.5.
    """
    widths = [256, 512, 1024]
    generator = Generator(MlpSynthesis(latent_length(latent), data.shape, widths, nn.LeakyReLU(0.2), norm=batch_norm))
    critic = Critic(MlpAnalysis(data.shape, [128], nn.LeakyReLU(0.2)))
    optimizers = {"critic": adam(learning_rate, 0.5), "generator": adam(learning_rate, 0.5)}
    return Recipe(GAN(generator, critic, Normal(latent)), optimizers, images=1_000_000, batch_size=128)


def article_vae(data: DataInfo, *, latent: int = 64, learning_rate: float = 1e-3) -> Recipe:
    """The article's VAE: dense networks, binary cross-entropy and KL, trained by RMSprop.

    Paper: Kingma & Welling 2014, "Auto-Encoding Variational Bayes", https://arxiv.org/abs/1312.6114

    Args:
        latent: dimensions of the code.
        learning_rate: RMSprop's.
    """
    encoder = Encoder(MlpAnalysis(data.shape, [128, 64], nn.ReLU()), latent_length(latent))
    decoder = Decoder(MlpSynthesis(latent, data.shape, [64, 128], nn.ReLU()), Bernoulli())
    rmsprop = functools.partial(torch.optim.RMSprop, lr=learning_rate, alpha=0.9, eps=1e-7, foreach=True)
    return Recipe(
        VAE(encoder, decoder, Normal(latent)),
        {"autoencoder": rmsprop},
        images=20 * data.num_train,
        batch_size=256,
        report_every=data.num_train,
    )
