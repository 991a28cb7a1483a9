"""Recipes of conditional models, which generate examples of a requested class."""

from ganvas.data import Binarize, DataInfo
from ganvas.models.acgan import ACGAN
from ganvas.models.gan import GAN
from ganvas.models.vae import VAE
from ganvas.networks import Critic, Encoder, Generator
from ganvas.nn.conditioning import ClassHead, ScoreHead, conditional_batch_norm
from ganvas.nn.spectral import spectral
from ganvas.probability.priors import Normal
from ganvas.recipes import choices
from ganvas.recipes.choices import (
    LOSSES,
    LikelihoodName,
    LossName,
    NetworkName,
    adam,
    body,
    classes_of,
    decoder,
    initialised,
    latent_length,
)
from ganvas.training.recipe import Recipe


def cvae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 32,
    likelihood: LikelihoodName = "auto",
    scale: float = 0.5,
    binarize: bool = False,
    beta: float = 1.0,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """CVAE: a VAE with the class as input of encoder and decoder; the code holds the rest.

    Paper: Sohn et al. 2015, "Learning Structured Output Representation", https://papers.nips.cc/paper/5775

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        scale: the Gaussian's standard deviation in units of [-1, 1], or the start of the shared one.
        binarize: whether pixels are drawn black or white at each step, with their grey value as probability.
        beta: weight of the rate; 1 is the ELBO.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    classes = classes_of(data, True)
    family = body(network, data, width)
    model = VAE(
        Encoder(family.analysis(data.shape, classes), latent_length(latent)),
        decoder(family, latent, data, choices.likelihood(likelihood, data, scale), classes),
        Normal(latent),
        beta=beta,
    )
    return Recipe(
        model,
        {"autoencoder": adam(learning_rate)},
        images=300_000,
        batch_size=128,
        ema_half_life=ema or None,
        transform=Binarize() if binarize else None,
        num_classes=len(data.classes),
    )


def cgan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    loss: LossName = "hinge",
    spectral_norm: bool = True,
    critic_steps: int = 1,
    learning_rate: float = 6e-4,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """Conditional GAN: the class enters the generator by code and normalisation, and the critic by projection.

    Paper: Miyato & Koyama 2018, "cGANs with Projection Discriminator", https://arxiv.org/abs/1802.05637

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        loss: the loss of critic and generator.
        spectral_norm: whether the critic's weights are spectrally normalised.
        critic_steps: turns of the critic for each turn of the generator.
        learning_rate: Adam's, for both players.
        beta1: Adam's β1.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    classes = classes_of(data, True)
    family = body(network, data, width)
    synthesis = family.synthesis(latent_length(latent), data.shape, num_classes=classes, norm=conditional_batch_norm)
    analysis = family.analysis(data.shape)
    critic = initialised(Critic(analysis, ScoreHead(analysis.num_features, classes)), family)
    model = GAN(
        initialised(Generator(synthesis), family),
        spectral(critic) if spectral_norm else critic,
        Normal(latent),
        loss=LOSSES[loss](),
        critic_steps=critic_steps,
    )
    return adversarial(data, model, learning_rate, beta1, ema)


def acgan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    class_weight: float = 1.0,
    learning_rate: float = 6e-4,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """ACGAN: a conditional GAN whose discriminator also classifies its input.

    Paper: Odena et al. 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", https://arxiv.org/abs/1610.09585

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        class_weight: weight of the cross-entropy of classes; the adversarial loss has weight 1.
        learning_rate: Adam's, for both players.
        beta1: Adam's β1.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    classes = classes_of(data, True)
    family = body(network, data, width)
    synthesis = family.synthesis(latent_length(latent), data.shape, num_classes=classes, norm=conditional_batch_norm)
    analysis = family.analysis(data.shape)
    model = ACGAN(
        initialised(Generator(synthesis), family),
        initialised(Critic(analysis), family),
        ClassHead(analysis.num_features, len(data.classes)),
        Normal(latent),
        class_weight=class_weight,
    )
    return adversarial(data, model, learning_rate, beta1, ema)


def adversarial(data: DataInfo, model: GAN | ACGAN, learning_rate: float, beta1: float, ema: float) -> Recipe:
    """The budget of the `gan` recipe, for a conditional model."""
    optimizers = {name: adam(learning_rate, beta1) for name in ("critic", "generator")}
    return Recipe(model, optimizers, images=200_000, ema_half_life=ema or None, num_classes=len(data.classes))
