"""The recipe of the VAE-GAN."""

from typing import Literal

from ganvas.data import DataInfo
from ganvas.losses.penalties import R1
from ganvas.losses.reconstruction import optimal_scale, unit_scale
from ganvas.models.vaegan import VAEGAN
from ganvas.networks import Critic, Encoder, Generator
from ganvas.nn.norms import layer_norm
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import NetworkName, adam, batch_for, body, initialised, latent_length
from ganvas.training.recipe import Recipe


def vaegan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 32,
    beta: float = 25.0,
    gamma: float = 1e-3,
    feature_scale: Literal["optimal", "unit"] = "optimal",
    r1: float = 10.0,
    penalty_every: int = 4,
    learning_rate: float = 6e-4,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """VAE-GAN: a VAE with its reconstruction error in features of a discriminator, which it also tries to fool.

    The losses are the paper's three. Instead of batch normalisation and a rule for its learning, the discriminator has the R1
    penalty. Its features then have no fixed scale, so the best-fitting scale is used. Encoder and decoder normalise each
    example separately: samples and reconstructions share a pass, and batch normalisation would mix them.

    Paper: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", https://arxiv.org/abs/1512.09300

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        beta: weight of the rate.
        gamma: weight γ of reconstruction in the decoder's loss; the adversarial term has weight 1 − γ.
        feature_scale: standard deviation σ in the distance of features: the best-fitting one, or 1 as in the paper.
        r1: weight γ of the discriminator's gradient penalty on real data; the paper has none.
        penalty_every: turns between two gradient penalties.
        learning_rate: Adam's, for all three players.
        beta1: Adam's β1.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    model = VAEGAN(
        initialised(Encoder(family.analysis(data.shape, norm=layer_norm), latent_length(latent)), family),
        initialised(Generator(family.synthesis(latent, data.shape, norm=layer_norm)), family),
        initialised(Critic(family.analysis(data.shape)), family),
        Normal(latent),
        distance=optimal_scale if feature_scale == "optimal" else unit_scale,
        beta=beta,
        gamma=gamma,
        penalties=[R1(r1, penalty_every)] if r1 > 0 else [],
    )
    optimizers = {name: adam(learning_rate, beta1, 0.99) for name in ("encoder", "decoder", "discriminator")}
    return Recipe(model, optimizers, images=200_000, batch_size=batch_for(data), ema_half_life=ema or None)
