"""Recipes of plain adversarial models."""

from typing import Literal

from ganvas.core.order import OneDraw
from ganvas.core.schedules import Linear
from ganvas.data import DataInfo
from ganvas.data.ada import Ada
from ganvas.data.augment import DiffAugment, InstanceNoise, View, Views
from ganvas.errors import GanvasError, option
from ganvas.losses.adversarial import Wasserstein
from ganvas.losses.penalties import R1, R2, GradientPenalty, Penalty
from ganvas.models.consensus import ConsensusGAN
from ganvas.models.gan import GAN
from ganvas.networks import Critic, Generator
from ganvas.nn.norms import batch_norm, layer_norm, no_norm
from ganvas.nn.spectral import spectral
from ganvas.probability.priors import Normal
from ganvas.recipes.adversarial import rmsprop
from ganvas.recipes.choices import (
    LOSSES,
    LossName,
    NetworkName,
    adam,
    batch_for,
    body,
    initialised,
    latent_length,
    norm_for,
)
from ganvas.training.recipe import Recipe


def gan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    loss: LossName = "non-saturating",
    critic_steps: int = 1,
    r1: float = 0.1,
    r2: float = 0.0,
    penalty_every: int = 1,
    spectral_norm: bool = False,
    instance_noise: float = 0.0,
    instance_noise_images: int = 100_000,
    diffaugment: str = "",
    ada: bool = False,
    learning_rate: float = 1e-3,
    critic_learning_rate: float = 1e-3,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """GAN: a generator against a critic, with a choice of losses and penalties.

    Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", https://arxiv.org/abs/1406.2661

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        loss: the loss of critic and generator.
        critic_steps: turns of the critic for each turn of the generator.
        r1: weight γ of the gradient penalty on real data; 0 for none.
        r2: weight γ of the gradient penalty on generated data; 0 for none.
        penalty_every: turns of the critic between two gradient penalties.
        spectral_norm: whether the critic's weights are spectrally normalised.
        instance_noise: initial standard deviation of noise on all inputs of the critic; 0 for none.
        instance_noise_images: images until that noise has fallen to 0.
        diffaugment: augmentations of the critic's inputs, from "color,translation,cutout"; empty for none.
        ada: whether augmentations adapt to how much the critic overfits.
        learning_rate: Adam's for the generator.
        critic_learning_rate: Adam's for the critic.
        beta1: Adam's β1.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    generator = initialised(Generator(family.synthesis(latent_length(latent), data.shape, norm=norm_for(data))), family)
    critic = initialised(Critic(family.analysis(data.shape)), family)
    penalties: list[Penalty] = [kind(g, penalty_every) for kind, g in ((R1, r1), (R2, r2)) if g > 0]
    model = GAN(
        generator,
        spectral(critic) if spectral_norm else critic,
        Normal(latent),
        loss=LOSSES[loss](),
        penalties=penalties,
        critic_steps=critic_steps,
        view=view(data, diffaugment, instance_noise, instance_noise_images, ada and loss),
    )
    optimizers = {"critic": adam(critic_learning_rate, beta1), "generator": adam(learning_rate, beta1)}
    return Recipe(model, optimizers, images=200_000, batch_size=batch_for(data), ema_half_life=ema or None)


def consensus_gan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    loss: LossName = "non-saturating",
    gamma: float = 1.0,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """Consensus optimisation: a GAN whose players also minimise the length of both gradients, which stops cycles.

    Paper: Mescheder et al. 2017, "The Numerics of GANs", https://arxiv.org/abs/1705.10461

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        loss: the loss of critic and generator.
        gamma: γ, the weight of the gradients' length; 0 is plain simultaneous gradient descent. The paper has 10, with a
            rate of 1e-4.
        learning_rate: RMSprop's for both.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    if gamma < 0:
        raise GanvasError(f"The weight gamma must be at least 0, not {gamma}.", f"Use {option('gamma', 0)} or more.")
    family = body(network, data, width)
    generator = Generator(family.synthesis(latent_length(latent), data.shape, norm=norm_for(data)))
    model = ConsensusGAN(
        initialised(generator, family),
        initialised(Critic(family.analysis(data.shape)), family),
        Normal(latent),
        LOSSES[loss](),
        gamma,
    )
    optimizers = {name: rmsprop(learning_rate) for name in ("critic", "generator")}
    return Recipe(model, optimizers, images=200_000, batch_size=batch_for(data), ema_half_life=ema or None)


def dcgan(data: DataInfo, *, width: int = 32, latent: int = 100, learning_rate: float = 2e-4, ema: float = 0) -> Recipe:
    """DCGAN: convolutions and batch normalisation in both networks.

    As in the authors' program, both networks learn from the same generated examples.

    Paper: Radford et al. 2016, "Unsupervised Representation Learning with DCGANs", https://arxiv.org/abs/1511.06434

    Args:
        width: channels at half the image's resolution; the paper's 64x64 networks have 64.
        latent: dimensions of the code.
        learning_rate: Adam's, with β1 = 0.5.
        ema: half-life of the generator's average in images; the paper keeps none.
    """
    family = body("dcgan", data, width)
    model = GAN(
        initialised(Generator(family.synthesis(latent_length(latent), data.shape, norm=batch_norm)), family),
        initialised(Critic(family.analysis(data.shape, norm=batch_norm)), family),
        Normal(latent),
        order=OneDraw(),
    )
    optimizers = {"critic": adam(learning_rate, 0.5), "generator": adam(learning_rate, 0.5)}
    return Recipe(model, optimizers, images=200_000, batch_size=128, ema_half_life=ema or None)


def wgan_gp(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    penalty: float | None = None,
    critic_steps: int = 5,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """WGAN-GP: the critic estimates the earth mover's distance; a penalty keeps its gradient norm near 1.

    Paper: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", https://arxiv.org/abs/1704.00028

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        penalty: λ, the weight of the gradient penalty; default: 10, and 0.1 for points, as the authors use.
        critic_steps: turns of the critic for each turn of the generator.
        learning_rate: Adam's, with β = (0, 0.9) as in the paper; the paper's 1e-4 needs ten times the images.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    points = not data.domain.spatial
    usual = 0.1 if points else 10.0
    model = GAN(
        Generator(family.synthesis(latent_length(latent), data.shape, norm=norm_for(data))),
        Critic(family.analysis(data.shape, norm=no_norm if points else layer_norm)),
        Normal(latent),
        loss=Wasserstein(),
        penalties=[GradientPenalty(usual if penalty is None else penalty)],
        critic_steps=critic_steps,
    )
    adam_for_both = adam(learning_rate, 0.0, 0.9)
    optimizers = {"critic": adam_for_both, "generator": adam_for_both}
    return Recipe(model, optimizers, images=400_000, ema_half_life=ema or None)


def view(
    data: DataInfo, diffaugment: str, noise: float = 0.0, noise_images: int = 1, ada: LossName | Literal[False] = False
) -> View | None:
    """The critic's view of an example: augmentation, then noise; None for the example itself.

    ada: the loss of a critic whose augmentation adapts; False for none.
    """
    views: list[View] = []
    if ada:
        views.append(adaptive(data, ada))
    if diffaugment:
        if not data.domain.spatial:
            raise GanvasError(
                "DiffAugment is for images, and this data is points.", f"Leave {option('diffaugment')} out."
            )
        views.append(DiffAugment(tuple(diffaugment.replace(" ", "").split(","))))
    if noise < 0:
        raise GanvasError(
            f"Noise cannot have a standard deviation of {noise}.", f"Use {option('instance_noise', 0)} for none."
        )
    if noise > 0:
        views.append(InstanceNoise(Linear(noise, 0.0, noise_images)))
    return Views(views) if views else None


def adaptive(data: DataInfo, loss: LossName) -> Ada:
    """Adaptive augmentation. Raises GanvasError if it does not suit the data, or a critic with this loss."""
    if not data.domain.spatial or data.shape[0] not in (1, 3):
        raise GanvasError(
            f"ADA is for images of 1 or 3 channels, and this data has shape {data.shape}.",
            f"Leave {option('ada')} out.",
        )
    if loss not in ("non-saturating", "minimax", "hinge"):
        raise GanvasError(
            f"ADA reads overfitting from the sign of scores, which means nothing under the loss {loss}.",
            f"Use {option('loss', 'non-saturating')} or hinge.",
        )
    return Ada()
