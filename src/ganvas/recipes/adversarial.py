"""Recipes of adversarial models other than the plain GAN: other distances, normalised critics, packs."""

import functools
from typing import Literal, TypeVar

import torch
from torch import nn

from ganvas.core.order import OneDraw, Simultaneous
from ganvas.data import DataInfo
from ganvas.errors import GanvasError, option
from ganvas.losses.adversarial import Hinge, LeastSquares, Relativistic, Wasserstein
from ganvas.losses.penalties import R1, R2
from ganvas.models.gan import GAN
from ganvas.networks import Body, Critic, Generator, Mlp, Packed, StackedAnalysis, StackedSynthesis, SumPooled
from ganvas.nn.blocks import Maxout
from ganvas.nn.clipping import WeightClipping
from ganvas.nn.init import dcgan_init, xavier_init
from ganvas.nn.norms import Norm, batch_norm, no_norm
from ganvas.nn.spectral import spectral
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import (
    NetworkName,
    adam,
    batch_for,
    body,
    initialised,
    latent_length,
    norm_for,
    slope_weight,
)
from ganvas.training.recipe import Recipe
from ganvas.training.seats import OptimizerFactory

M = TypeVar("M", bound=nn.Module)


def wgan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    clip: float | None = None,
    critic_steps: int = 5,
    learning_rate: float = 5e-4,
    ema: float = 0,
) -> Recipe:
    """WGAN: the critic estimates the earth mover's distance; clipped weights bound its gradient.

    Paper: Arjovsky et al. 2017, "Wasserstein GAN", https://arxiv.org/abs/1701.07875

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        clip: the critic's largest weight; default: 0.01 as in the paper, and 0.1 for points, because a small critic
            would be flat.
        critic_steps: turns of the critic for each turn of the generator.
        learning_rate: RMSprop's. The paper's 5e-5 needs ten times the images.
        ema: half-life of the generator's average in images; the paper keeps none.
    """
    if clip is None:
        clip = 0.01 if data.domain.spatial else 0.1
    if clip <= 0:
        raise GanvasError(f"Weights clipped to {clip} are all 0.", f"Use {option('clip', 0.01)}, as in the paper.")
    family = body(network, data, width)
    norm = no_norm if isinstance(family, Mlp) else batch_norm
    model = GAN(
        *pair(family, data, latent, norm_for(data), norm),
        Normal(latent),
        loss=Wasserstein(),
        critic_steps=critic_steps,
        constraint=WeightClipping(clip),
    )
    return Recipe(model, both(rmsprop(learning_rate)), images=400_000, ema_half_life=ema or None)


def lsgan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """LSGAN: least-squares losses with targets 1 for real and 0 for generated examples; gradients do not vanish.

    Paper: Mao et al. 2017, "Least Squares Generative Adversarial Networks", https://arxiv.org/abs/1611.04076

    Args:
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        learning_rate: Adam's, with β1 = 0.5 as in the paper.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    norm = no_norm if isinstance(family, Mlp) else batch_norm
    model = GAN(*pair(family, data, latent, norm_for(data), norm), Normal(latent), loss=LeastSquares())
    return Recipe(
        model,
        both(adam(learning_rate, 0.5)),
        images=200_000,
        batch_size=batch_for(data),
        ema_half_life=ema or None,
    )


def sngan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 128,
    critic_steps: int | None = None,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """SNGAN: hinge loss; each layer of the critic is divided by its largest singular value.

    Paper: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", https://arxiv.org/abs/1802.05957

    Args:
        network: "auto" is the paper's residual network for images and a dense network for points.
        width: width of the networks; default: their own. The paper's for CIFAR-10 is 256 for the generator, 128 for
            the critic.
        latent: dimensions of the code.
        critic_steps: turns of the critic for each turn of the generator; default: 5 as in the paper, 1 for points.
        learning_rate: Adam's, with β = (0, 0.9) as in the paper.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    if network == "auto" and data.domain.spatial and data.shape[1] >= 8:
        network = "resnet"
    family = body(network, data, width)
    generator = xavier_init(Generator(family.synthesis(latent_length(latent), data.shape, norm=norm_for(data))))
    critic = xavier_init(Critic(SumPooled(family.analysis(data.shape))))
    if critic_steps is None:
        critic_steps = 5 if data.domain.spatial else 1
    model = GAN(generator, spectral(critic), Normal(latent), loss=Hinge(), critic_steps=critic_steps)
    return Recipe(
        model,
        both(adam(learning_rate, 0.0, 0.9)),
        images=400_000,
        batch_size=batch_for(data),
        ema_half_life=ema or None,
    )


def r3gan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    gamma: float | None = None,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """R3GAN's loss: scores are compared in pairs; gradient penalties on real and generated data; no normalisation.

    Paper: Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN", https://arxiv.org/abs/2501.05441

    Args:
        network: "auto" is convolutions for images and a dense network for points; the paper's own is a ResNeXt.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        gamma: weight γ of both penalties; default: 1, the paper's for StackedMNIST, and 0.1 for points.
        learning_rate: Adam's, with β = (0, 0.99) as in the paper.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    latent_length(latent)
    gamma = slope_weight(data, gamma)
    model = GAN(
        Generator(family.synthesis(latent, data.shape, norm=no_norm)),
        Critic(family.analysis(data.shape, norm=no_norm)),
        Normal(latent),
        loss=Relativistic(),
        penalties=[R1(gamma), R2(gamma)],
    )
    return Recipe(
        model,
        both(adam(learning_rate, 0.0, 0.99)),
        images=200_000,
        batch_size=batch_for(data),
        ema_half_life=ema or None,
    )


def pacgan(
    data: DataInfo,
    *,
    pack: int = 2,
    network: NetworkName = "auto",
    width: int | None = None,
    latent: int = 64,
    learning_rate: float = 1e-3,
    beta1: float = 0.5,
    ema: float = 5_000,
) -> Recipe:
    """PacGAN: the critic scores several examples together, and so detects when they are similar.

    Paper: Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", https://arxiv.org/abs/1712.04086

    Args:
        pack: number of examples scored together; it must divide the batch. 1 is the plain GAN.
        network: "auto" is convolutions for images and a dense network for points.
        width: width of the networks; default: their own.
        latent: dimensions of the code.
        learning_rate: Adam's, for both players.
        beta1: Adam's β1.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    generator = initialised(Generator(family.synthesis(latent_length(latent), data.shape, norm=norm_for(data))), family)
    critic = Packed(lambda shape: Critic(family.analysis(shape)), data.shape, pack)
    model = GAN(generator, initialised(critic, family), Normal(latent))
    return Recipe(
        model,
        both(adam(learning_rate, beta1)),
        images=200_000,
        batch_size=batch_for(data, 64) // 2 * pack,
        ema_half_life=ema or None,
    )


def pacgan_ring(data: DataInfo, *, pack: Literal[1, 2, 3, 4] = 2, beta1: float = 0.8, epochs: int = 400) -> Recipe:
    """PacGAN's experiment on rings and grids of modes; --pack 1 is its plain GAN.

    Paper: Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", https://arxiv.org/abs/1712.04086

    Table 1: two-dimensional code, generator of 4 layers of 400 with batch normalisation and ReLU, critic of 3 maxout layers
    of 200 with 5 pieces, weights N(0, 0.02), Adam 1e-4, 100 packs a step, simultaneous players, 400 epochs of
    100,000 packs. The paper counts 6.3 modes without packs and 7.9 with packs of two.

    Args:
        pack: number of examples scored together.
        beta1: Adam's β1.
        epochs: of 100,000 packs each.
    """
    unbiased = functools.partial(nn.Linear, bias=False)  # batch normalisation has its own biases
    generator = Generator(Mlp(width=400, depth=4, affine=unbiased).synthesis(2, data.shape, norm=batch_norm))
    maxout = Mlp(width=200, depth=3, activation=nn.Identity(), affine=functools.partial(Maxout, pieces=5))
    critic = Packed(lambda shape: Critic(maxout.analysis(shape)), data.shape, pack)
    model = GAN(small_normal(generator), small_normal(critic), Normal(2), order=Simultaneous())
    return Recipe(model, both(adam(1e-4, beta1)), images=epochs * 100_000 * pack, batch_size=100 * pack)


def pacgan_stacked(data: DataInfo, *, pack: Literal[1, 2, 3, 4] = 2) -> Recipe:
    """PacGAN's experiment on stacked digits, with a small critic; --pack 1 is its plain GAN. For --data stacked:DIR.

    Paper: Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", https://arxiv.org/abs/1712.04086

    Table 3, critic a quarter of the generator: code of 256, generator of 64-32-16-8 channels, critic of 2-4-8, batch
    normalisation in both, weights N(0, 0.02), Adam with β = (0.5, 0.99) at 1e-4 for the generator and 2e-4 for the critic,
    128 packs a step, 500,000 steps. The paper counts 78.5 modes without packs and 484.5 with packs of two.

    Args:
        pack: number of examples scored together.
    """
    generator = dcgan_init(Generator(StackedSynthesis(256, data.shape)))
    critic = dcgan_init(Packed(lambda shape: Critic(StackedAnalysis(shape)), data.shape, pack))
    model = GAN(generator, critic, Normal(256), order=OneDraw())
    rates = {"critic": adam(2e-4, 0.5, 0.99), "generator": adam(1e-4, 0.5, 0.99)}
    return Recipe(model, rates, images=500_000 * 128 * pack, batch_size=128 * pack)


def pair(family: Body, data: DataInfo, latent: int, norm: Norm, critic_norm: Norm) -> tuple[nn.Module, nn.Module]:
    """A generator and a critic of one family, initialised as its paper says."""
    generator = Generator(family.synthesis(latent_length(latent), data.shape, norm=norm))
    critic = Critic(family.analysis(data.shape, norm=critic_norm))
    return initialised(generator, family), initialised(critic, family)


def both(optimizer: OptimizerFactory) -> dict[str, OptimizerFactory]:
    return {"critic": optimizer, "generator": optimizer}


def rmsprop(rate: float) -> OptimizerFactory:
    if rate <= 0:
        raise GanvasError(f"A learning rate must be above 0, not {rate}.")
    return functools.partial(torch.optim.RMSprop, lr=rate)


def small_normal(network: M) -> M:
    """Weights N(0, 0.02), biases 0. Returns the network."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    for name, parameter in (named for layer in layers for named in layer.named_parameters()):
        nn.init.normal_(parameter, 0.0, 0.02) if name == "weight" else nn.init.zeros_(parameter)
    return network
