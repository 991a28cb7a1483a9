"""The recipe of the VAE-GAN."""

from ganvas.data import DataInfo
from ganvas.models.vaegan import VAEGAN
from ganvas.networks import Critic, Encoder, Generator
from ganvas.nn.norms import batch_norm
from ganvas.priors import Normal
from ganvas.recipe import Recipe
from ganvas.recipes.choices import NetworkName, adam, body, initialised, latent_length


def vaegan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    beta: float = 1.0,
    gamma: float = 1e-2,
    pixel_weight: float = 0.0,
    learning_rate: float = 3e-4,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """VAE-GAN: a VAE whose reconstruction error is seen through a discriminator that it also tries to fool.

    Paper: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", https://arxiv.org/abs/1512.09300

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: of the networks; their own where none is given.
        latent: dimensions of the code.
        beta: weight of the rate.
        gamma: how much the decoder minds reconstruction against fooling the discriminator.
        pixel_weight: of a squared distance of pixels beside that of features; 0 is the paper.
        learning_rate: Adam's, for all three players.
        beta1: Adam's β1.
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family = body(network, data, width)
    model = VAEGAN(
        initialised(Encoder(family.analysis(data.shape, norm=batch_norm), latent_length(latent)), family),
        initialised(Generator(family.synthesis(latent, data.shape, norm=batch_norm)), family),
        initialised(Critic(family.analysis(data.shape, norm=batch_norm)), family),
        Normal(latent),
        beta=beta,
        gamma=gamma,
        pixel_weight=pixel_weight,
    )
    optimizers = {name: adam(learning_rate, beta1) for name in ("encoder", "decoder", "discriminator")}
    return Recipe(model, optimizers, images=200_000, ema_half_life=ema or None)
