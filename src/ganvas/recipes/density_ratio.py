"""VAEs whose critics estimate a ratio of densities: α-GAN, AVB and FactorVAE."""

from ganvas.data import DataInfo
from ganvas.models.alphagan import AlphaGAN
from ganvas.models.avb import AVB
from ganvas.models.factorvae import FactorVAE
from ganvas.networks import CodeCritic, Critic, Encoder, Generator, ImplicitEncoder, JointCritic
from ganvas.probability.priors import Normal
from ganvas.recipes import choices
from ganvas.recipes.choices import (
    LikelihoodName,
    NetworkName,
    adam,
    batch_for,
    body,
    code_length,
    critic_width,
    decoder,
    latent_length,
    norm_for,
    slope_penalties,
)
from ganvas.training.recipe import Recipe


def alpha_gan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    reconstruction_weight: float = 1.0,
    r1: float | None = None,
    learning_rate: float = 1e-3,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """α-GAN: an autoencoder with two critics, one for examples and one for codes.

    Paper: Rosca et al. 2017, "Variational Approaches for Auto-Encoding GANs", https://arxiv.org/abs/1706.04987

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        reconstruction_weight: λ, weight of the absolute error, summed over an example's dimensions.
        r1: weight γ of the gradient penalty on real data in the critic's loss; default: 1 for images, 0.1 for points. The
            paper has no penalty, 0.
        learning_rate: Adam's, for all four players.
        beta1: Adam's β1.
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family, norm = body(network, data, width), norm_for(data)
    latent = code_length(latent, data, 32)
    model = AlphaGAN(
        Encoder(family.analysis(data.shape, norm=norm), latent),
        Generator(family.synthesis(latent, data.shape, norm=norm)),
        Critic(family.analysis(data.shape)),
        CodeCritic(latent, critic_width(data)),
        Normal(latent),
        reconstruction_weight,
        slope_penalties(data, r1),
    )
    optimizers = {name: adam(learning_rate, beta1) for name in ("encoder", "generator", "critic", "code critic")}
    return Recipe(model, optimizers, images=200_000, batch_size=batch_for(data), ema_half_life=ema or None)


def avb(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    noise: int = 32,
    likelihood: LikelihoodName = "auto",
    learning_rate: float = 5e-4,
    critic_learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """AVB: a VAE whose encoder takes noise as a second input; a critic estimates the rate.

    Paper: Mescheder et al. 2017, "Adversarial Variational Bayes", https://arxiv.org/abs/1701.04722

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 8 for images, 2 for points.
        noise: number of normal random numbers, the encoder's second input.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        learning_rate: Adam's rate for encoder and decoder.
        critic_learning_rate: Adam's rate for the critic, which must learn faster than they do.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 8)
    model = AVB(
        ImplicitEncoder(family.analysis(data.shape), latent, latent_length(noise)),
        decoder(family, latent, data, choices.likelihood(likelihood, data)),
        JointCritic(family.analysis(data.shape), latent, critic_width(data)),
        Normal(latent),
    )
    optimizers = {"critic": adam(critic_learning_rate, 0.5), "autoencoder": adam(learning_rate, 0.5)}
    return Recipe(model, optimizers, images=300_000, batch_size=batch_for(data, 128), ema_half_life=ema or None)


def factor_vae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    gamma: float = 10.0,
    learning_rate: float = 1e-3,
    critic_learning_rate: float = 1e-4,
    ema: float = 0,
) -> Recipe:
    """FactorVAE: a VAE with independent code dimensions, by a critic.

    Paper: Kim & Mnih 2018, "Disentangling by Factorising", https://arxiv.org/abs/1802.05983

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 10 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        gamma: weight of the total correlation; the paper's best values are between 6.4 and 40.
        learning_rate: Adam's rate for the autoencoder.
        critic_learning_rate: Adam's rate for the discriminator, with β1 = 0.5.
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 10)
    model = FactorVAE(
        Encoder(family.analysis(data.shape), latent),
        decoder(family, latent, data, choices.likelihood(likelihood, data)),
        CodeCritic(latent, width=critic_width(data, 500), depth=3),
        Normal(latent),
        gamma,
    )
    optimizers = {"autoencoder": adam(learning_rate), "discriminator": adam(critic_learning_rate, 0.5, 0.9)}
    return Recipe(model, optimizers, images=400_000, batch_size=batch_for(data, 128), ema_half_life=ema or None)
