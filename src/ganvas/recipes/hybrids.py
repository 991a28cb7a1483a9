"""Recipes of the models between VAE and GAN, except the VAE-GAN, which has its own file."""

from ganvas.core.schedules import Linear
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.models.aae import AAE
from ganvas.models.aae_semi import SemiSupervisedAAE
from ganvas.models.alphagan import AlphaGAN
from ganvas.models.avb import AVB
from ganvas.models.bigan import BiGAN
from ganvas.models.factorvae import FactorVAE
from ganvas.models.introvae import IntroVAE, SoftIntroVAE
from ganvas.models.veegan import VEEGAN
from ganvas.networks import (
    ClassifyingEncoder,
    CodeCritic,
    Critic,
    Encoder,
    Generator,
    ImplicitEncoder,
    JointCritic,
    PointEncoder,
)
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
    decoder,
    latent_length,
    norm_for,
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
    if not 0 < labelled_share < 1:
        raise GanvasError(
            f"The share of labelled examples in a batch must be between 0 and 1, not {labelled_share}.",
            "Use --labelled-share between 0 and 1.",
        )
    if noise is None:
        noise = 0.6 if len(data.shape) == 3 else 0.0
    if noise < 0:
        raise GanvasError(f"Noise cannot have a standard deviation of {noise}.", "Use --noise 0 for none.")
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
        learning_rate = 4e-4 if len(data.shape) == 3 else 1e-3
    adversarial = adam(adversarial_learning_rate, 0.5)
    optimizers = {
        "autoencoder": adam(learning_rate),
        "class critic": adversarial,
        "style critic": adversarial,
        "encoder": adversarial,
        "classifier": adam(learning_rate),
    }
    return Recipe(
        model,
        optimizers,
        images=300_000,
        batch_size=batch_for(data, 64),
        ema_half_life=ema or None,
        num_classes=num_classes,
        labelled_share=labelled_share,
    )


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
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
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
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
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


def introvae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    margin: float | None = None,
    alpha: float = 0.25,
    alpha_warmup: int = 10_000,
    beta_rec: float | None = None,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """IntroVAE: a VAE whose encoder gives data a low rate, and generated examples a high one up to a margin.

    The margin must be well above the rate of data. Otherwise the encoder soon cannot separate the two. With an alpha of
    ½, twice the paper's, the adversarial terms outweigh reconstruction.

    Paper: Huang et al. 2018, "IntroVAE", https://arxiv.org/abs/1807.06358

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        margin: m, in nats: the encoder raises the rate of generated examples up to m; default: 200 for images, 20 for
            points.
        alpha: weight of the rates of generated examples, for both players.
        alpha_warmup: images over which alpha grows from 0 (a VAE); without it, runs of dense networks differ widely.
        beta_rec: the paper's β, weight of half the squared error, summed over dimensions; default: 6 for images, 50 for
            points. The paper's is smaller for larger images.
        learning_rate: Adam's, for both players.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 32)
    usual_margin, usual_rec = (200.0, 6.0) if len(data.shape) == 3 else (20.0, 50.0)
    model = IntroVAE(
        Encoder(family.analysis(data.shape), latent),
        Generator(family.synthesis(latent, data.shape)),
        Normal(latent),
        usual_margin if margin is None else margin,
        Linear(0.0, alpha, alpha_warmup),
        usual_rec if beta_rec is None else beta_rec,
    )
    optimizers = {name: adam(learning_rate) for name in ("encoder", "decoder")}
    return Recipe(model, optimizers, images=300_000, batch_size=batch_for(data), ema_half_life=ema or None)


def soft_introvae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int | None = None,
    beta_rec: float | None = None,
    beta_kl: float = 1.0,
    beta_neg: float | None = None,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """Soft-IntroVAE: a VAE whose encoder learns to separate data from examples of its own decoder.

    Paper: Daniel & Tamar 2021, "Soft-IntroVAE", https://arxiv.org/abs/2012.13253

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code; default: 32 for images, 2 for points.
        beta_rec: weight of the squared error, summed over dimensions; default: 1 for images, 50 for points, whose modes are
            much narrower than the distances between them.
        beta_kl: weight of the rate, of data for the encoder and of generated examples for the decoder.
        beta_neg: weight of the rate of generated examples in the encoder's exponential term; default: 256 for images as in
            the authors' program, 10 for points.
        learning_rate: Adam's, for both players.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 32)
    usual_rec, usual_neg = (1.0, 256.0) if len(data.shape) == 3 else (50.0, 10.0)
    model = SoftIntroVAE(
        Encoder(family.analysis(data.shape), latent),
        Generator(family.synthesis(latent, data.shape)),
        Normal(latent),
        usual_rec if beta_rec is None else beta_rec,
        beta_kl,
        usual_neg if beta_neg is None else beta_neg,
    )
    optimizers = {name: adam(learning_rate) for name in ("encoder", "decoder")}
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
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
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
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
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


def critic_width(data: DataInfo, for_images: int = 512) -> int:
    """Hidden units of a critic's layers on codes; for points the same as in its other layers."""
    return for_images if len(data.shape) == 3 else choices.POINTS_WIDTH
