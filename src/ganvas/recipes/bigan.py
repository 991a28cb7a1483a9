"""Critics of pairs of an example and its code: BiGAN and VEEGAN."""

from ganvas.data import DataInfo
from ganvas.models.bigan import BiGAN
from ganvas.models.veegan import VEEGAN
from ganvas.networks import Encoder, Generator, JointCritic, PointEncoder
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import (
    LOSSES,
    LossName,
    NetworkName,
    adam,
    batch_for,
    body,
    code_length,
    critic_width,
    norm_for,
    slope_penalties,
)
from ganvas.training.recipe import Recipe


def bigan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    loss: LossName = "non-saturating",
    r1: float | None = None,
    learning_rate: float = 1e-3,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """BiGAN (ALI): a GAN with an encoder; one critic scores pairs of example and code.

    Paper: Donahue et al. 2017, "Adversarial Feature Learning", https://arxiv.org/abs/1605.09782

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 16 for images, 2 for points.
        loss: the critic's loss; encoder and generator minimise it with swapped labels.
        r1: weight γ of the gradient penalty on real data in the critic's loss; default: 1 for images, 0.1 for points. The
            paper has no penalty, 0.
        learning_rate: Adam's, for both players.
        beta1: Adam's β1.
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family, norm = body(network, data, width), norm_for(data)
    latent = code_length(latent, data, 16)
    model = BiGAN(
        Encoder(family.analysis(data.shape, norm=norm), latent),
        Generator(family.synthesis(latent, data.shape, norm=norm)),
        JointCritic(family.analysis(data.shape), latent, critic_width(data)),
        Normal(latent),
        LOSSES[loss](),
        slope_penalties(data, r1),
    )
    optimizers = {name: adam(learning_rate, beta1) for name in ("critic", "encoder and generator")}
    return Recipe(model, optimizers, images=300_000, batch_size=batch_for(data), ema_half_life=ema or None)


def veegan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    r1: float | None = None,
    learning_rate: float = 1e-3,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """VEEGAN: a GAN with a network that recovers the noise from generated examples.

    Paper: Srivastava et al. 2017, "VEEGAN", https://arxiv.org/abs/1705.07761

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        r1: weight γ of the gradient penalty on real data in the critic's loss; default: 1 for images, 0.1 for points. The
            paper has no penalty, 0.
        learning_rate: Adam's, for all three players.
        beta1: Adam's β1.
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family, norm = body(network, data, width), norm_for(data)
    latent = code_length(latent, data, 32)
    model = VEEGAN(
        Generator(family.synthesis(latent, data.shape, norm=norm)),
        PointEncoder(family.analysis(data.shape, norm=norm), latent),
        JointCritic(family.analysis(data.shape), latent, critic_width(data)),
        Normal(latent),
        slope_penalties(data, r1),
    )
    optimizers = {name: adam(learning_rate, beta1) for name in ("critic", "generator", "reconstructor")}
    return Recipe(model, optimizers, images=300_000, batch_size=batch_for(data), ema_half_life=ema or None)
