"""The recipe of the continuum: what `ganvas continuum` trains at every weight."""

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
    """A VAE at weight 0, a GAN with an encoder at weight 1, a VAE-GAN between: the same networks throughout.

    Paper: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", https://arxiv.org/abs/1512.09300

    Args:
        weight: how much fooling the discriminator counts for the decoder, from 0 to 1; reconstruction counts the rest.
        network: "auto" is convolutions for images and a dense network for points.
        width: of the networks; their own where none is given.
        latent: dimensions of the code.
        beta: weight of the rate.
        r1: weight γ of the discriminator's slope penalty on real data.
        penalty_every: the slope penalty is paid every so many turns.
        learning_rate: Adam's, for all three players.
        beta1: Adam's β1.
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    if not 0 <= weight <= 1:
        raise GanvasError(f"The weight of a continuum goes from 0 (VAE) to 1 (GAN), and {weight} is not between them.")
    family = body(network, data, width)
    model = Continuum(
        initialised(Encoder(family.analysis(data.shape, norm=batch_norm), latent_length(latent)), family),
        # A norm over the batch, in which samples stand beside reconstructions, would disturb the VAE at weight 0.
        initialised(Generator(family.synthesis(latent, data.shape, norm=layer_norm)), family),
        initialised(Critic(family.analysis(data.shape)), family),
        Normal(latent),
        weight,
        beta=beta,
        penalties=[R1(r1, penalty_every)] if r1 > 0 else [],
    )
    optimizers = {name: adam(learning_rate, beta1, 0.99) for name in ("encoder", "decoder", "discriminator")}
    return Recipe(model, optimizers, images=50_000, batch_size=batch_for(data), ema_half_life=ema or None)
