"""Adversarial autoencoders: a critic compares codes with draws from the prior."""

from ganvas.data import DataInfo
from ganvas.errors import GanvasError, option
from ganvas.models.aae import AAE
from ganvas.models.aae_semi import SemiSupervisedAAE
from ganvas.networks import ClassifyingEncoder, CodeCritic, Encoder
from ganvas.probability.priors import Normal
from ganvas.recipes import choices
from ganvas.recipes.choices import (
    LOSSES,
    LikelihoodName,
    LossName,
    NetworkName,
    adam,
    batch_for,
    body,
    classes_of,
    code_length,
    critic_width,
    decoder,
    latent_length,
    slope_penalties,
)
from ganvas.training.recipe import Recipe


def aae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    likelihood: LikelihoodName = "auto",
    loss: LossName = "non-saturating",
    r1: float = 1.0,
    learning_rate: float = 1e-3,
    adversarial_learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """AAE: an autoencoder trained so that a critic cannot separate its codes from those of the prior.

    Paper: Makhzani et al. 2015, "Adversarial Autoencoders", https://arxiv.org/abs/1511.05644

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 8 for images, 2 for points.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        loss: the loss of critic and encoder.
        r1: weight γ of the critic's gradient penalty on codes of the prior; the paper has no penalty, 0.
        learning_rate: Adam's rate for reconstruction.
        adversarial_learning_rate: Adam's rate for the critic, and for the encoder's adversarial turn.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 8)
    model = AAE(
        Encoder(family.analysis(data.shape), latent),
        decoder(family, latent, data, choices.likelihood(likelihood, data)),
        CodeCritic(latent, critic_width(data)),
        Normal(latent),
        LOSSES[loss](),
        slope_penalties(data, r1),
    )
    optimizers = {
        "autoencoder": adam(learning_rate),
        "critic": adam(adversarial_learning_rate, 0.5),
        "encoder": adam(adversarial_learning_rate, 0.5),
    }
    return Recipe(model, optimizers, images=300_000, batch_size=batch_for(data, 32), ema_half_life=ema or None)


def aae_semi(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 10,
    likelihood: LikelihoodName = "auto",
    labelled_share: float = 0.25,
    noise: float | None = None,
    learning_rate: float | None = None,
    adversarial_learning_rate: float = 2e-4,
    ema: float = 8_000,
) -> Recipe:
    """Semi-supervised AAE: the code is a class and a style; few labels and many unlabelled examples suffice.

    `--labels 100` keeps the labels of 100 training examples. Adversarial rates at half the rate of reconstruction give a
    balance. At a fifth of it, the style does not follow the prior and also holds the class. At the same rate, the code holds
    little.

    Paper: Makhzani et al. 2015, "Adversarial Autoencoders", https://arxiv.org/abs/1511.05644

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the style, the part of the code beside the class.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        labelled_share: share of labelled examples in each batch, if the data have fewer.
        noise: standard deviation of noise on the encoder's input in training; default: 0.6 for images, 0 for points.
        learning_rate: Adam's for reconstruction and for the labels; default: 4e-4 for images, 1e-3 for points.
        adversarial_learning_rate: Adam's rate for both critics, and for the encoder's adversarial turn.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    num_classes = classes_of(data, True)
    assert num_classes is not None
    noise = (0.6 if data.domain.spatial else 0.0) if noise is None else noise
    possible(labelled_share, noise)
    family = body(network, data, width)
    model = SemiSupervisedAAE(
        ClassifyingEncoder(family.analysis(data.shape), num_classes, latent_length(latent)),
        decoder(family, num_classes + latent, data, choices.likelihood(likelihood, data)),
        CodeCritic(num_classes, critic_width(data)),
        CodeCritic(latent, critic_width(data)),
        Normal(latent),
        num_classes,
        noise=noise,
    )
    if learning_rate is None:
        learning_rate = 4e-4 if data.domain.spatial else 1e-3
    adversarial = adam(adversarial_learning_rate, 0.5)
    against = dict.fromkeys(("class critic", "style critic", "encoder"), adversarial)
    optimizers = {"autoencoder": adam(learning_rate), **against, "classifier": adam(learning_rate)}
    return Recipe(
        model,
        optimizers,
        images=300_000,
        batch_size=batch_for(data, 64),
        ema_half_life=ema or None,
        num_classes=num_classes,
        labelled_share=labelled_share,
    )


def possible(labelled_share: float, noise: float) -> None:
    """Raises GanvasError for a share of the batch or a standard deviation that there cannot be."""
    if not 0 < labelled_share < 1:
        raise GanvasError(
            f"The share of labelled examples in a batch must be between 0 and 1, not {labelled_share}.",
            f"Use {option('labelled_share')} between 0 and 1.",
        )
    if noise < 0:
        raise GanvasError(f"Noise cannot have a standard deviation of {noise}.", f"Use {option('noise', 0)} for none.")
