"""Introspective VAEs: the encoder is the critic."""

from ganvas.core.schedules import Linear
from ganvas.data import DataInfo
from ganvas.models.introvae import IntroVAE, SoftIntroVAE
from ganvas.networks import Encoder, Generator
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import NetworkName, adam, batch_for, body, code_length
from ganvas.training.recipe import Recipe


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
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 32)
    usual_margin, usual_rec = (200.0, 6.0) if data.domain.spatial else (20.0, 50.0)
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
        ema: half-life of the networks' average in images; 0 keeps none.
    """
    family = body(network, data, width)
    latent = code_length(latent, data, 32)
    usual_rec, usual_neg = (1.0, 256.0) if data.domain.spatial else (50.0, 10.0)
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
