"""The recipe of `ganvas continuum`, which trains it at every weight."""

from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.penalties import R1
from ganvas.models.continuum import Continuum
from ganvas.networks import Critic, Encoder, Generator
from ganvas.nn.norms import batch_norm, layer_norm
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import NetworkName, adam, batch_for, body, initialised, latent_length
from ganvas.training.recipe import Recipe


def continuum(
    data: DataInfo,
    *,
    weight: float = 0.5,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 32,
    beta: float = 1.0,
    r1: float = 1.0,
    penalty_every: int = 4,
    learning_rate: float = 1e-3,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """A VAE at weight 0, a GAN with an encoder at weight 1, a VAE-GAN between; always the same networks.

    Paper: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", https://arxiv.org/abs/1512.09300

    Args:
        weight: weight w of the adversarial term in the decoder's loss, from 0 to 1; reconstruction has weight 1 − w.
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        beta: weight of the rate.
        r1: weight γ of the discriminator's gradient penalty on real data.
        penalty_every: turns between two gradient penalties.
        learning_rate: Adam's, for all three players.
        beta1: Adam's β1.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    if not 0 <= weight <= 1:
        raise GanvasError(f"The weight of a continuum must be from 0 (VAE) to 1 (GAN), not {weight}.")
    family = body(network, data, width)
    model = Continuum(
        initialised(Encoder(family.analysis(data.shape, norm=batch_norm), latent_length(latent)), family),
        # Samples and reconstructions share a batch: batch normalisation would disturb the VAE at weight 0.
        initialised(Generator(family.synthesis(latent, data.shape, norm=layer_norm)), family),
        initialised(Critic(family.analysis(data.shape)), family),
        Normal(latent),
        weight,
        beta=beta,
        penalties=[R1(r1, penalty_every)] if r1 > 0 else [],
    )
    optimizers = {name: adam(learning_rate, beta1, 0.99) for name in ("encoder", "decoder", "discriminator")}
    return Recipe(model, optimizers, images=50_000, batch_size=batch_for(data), ema_half_life=ema or None)
