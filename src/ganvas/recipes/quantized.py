"""Recipes of models whose codes are entries of a learned codebook."""

from typing import cast

from ganvas.data import DataInfo
from ganvas.errors import GanvasError, option
from ganvas.losses.perceptual import RandomPerceptual
from ganvas.models.vqgan import VQGAN
from ganvas.models.vqvae import VQVAE
from ganvas.networks import Analysis, Body, Critic, Generator, GridEncoder
from ganvas.nn.norms import batch_norm
from ganvas.nn.quantize import EMAQuantizer
from ganvas.recipes import choices
from ganvas.recipes.choices import LikelihoodName, NetworkName, adam, body, decoder
from ganvas.training.recipe import Recipe


def vq_vae(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    codes: int = 256,
    code_size: int = 32,
    likelihood: LikelihoodName = "auto",
    commitment: float = 0.25,
    learning_rate: float = 1e-3,
    ema: float = 0,
) -> Recipe:
    """VQ-VAE: an autoencoder whose code is a small grid of entries from a learned codebook.

    Paper: van den Oord et al. 2017, "Neural Discrete Representation Learning", https://arxiv.org/abs/1711.00937

    The prior counts how often each entry occurs at each position. It does not model how entries depend on each other, so
    samples look like patchwork. Reconstructions show the quality of the codes.

    Args:
        network: "auto" is convolutions; a dense network gives a grid of 4x4 codes.
        width: width of the networks; default: their own.
        codes: number of codebook entries; moving averages update the codebook.
        code_size: dimensions of an entry.
        likelihood: distribution of the decoder; "auto" is bernoulli for grey images, else shared-gaussian.
        commitment: β, weight of the encoder's distance to its entries.
        learning_rate: Adam's.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    analysis, grid = grid_for(family, data, code_size)
    model = VQVAE(
        GridEncoder(analysis, grid),
        EMAQuantizer(_positive(codes, "codes"), code_size),
        decoder(family, cast(int, grid), data, choices.likelihood(likelihood, data)),
        grid[1:],
        commitment,
    )
    return Recipe(
        model, {"autoencoder": adam(learning_rate)}, images=300_000, batch_size=128, ema_half_life=ema or None
    )


def vqgan(
    data: DataInfo,
    *,
    network: NetworkName = "auto",
    width: int | None = None,
    codes: int = 256,
    code_size: int = 32,
    perceptual: float = 1.0,
    adversarial: float = 0.8,
    critic_after: int = 1_000,
    commitment: float = 0.25,
    learning_rate: float = 4e-4,
    critic_learning_rate: float = 4e-4,
    ema: float = 0,
) -> Recipe:
    """VQGAN: a VQ-VAE with a perceptual loss and a discriminator that starts later.

    Paper: Esser et al. 2021, "Taming Transformers", https://arxiv.org/abs/2012.09841

    The perceptual loss uses a network with random weights, so nothing is downloaded. Samples look like patchwork, as those
    of VQ-VAE do.

    Args:
        network: "auto" is convolutions; a dense network gives a grid of 4x4 codes.
        width: width of the networks; default: their own.
        codes: number of codebook entries; moving averages update the codebook.
        code_size: dimensions of an entry.
        perceptual: weight of the distance in features; 0 for none.
        adversarial: gradient norm of the adversarial loss at the decoder's last layer, relative to reconstruction.
        critic_after: step at which the discriminator starts.
        commitment: β, weight of the encoder's distance to its entries.
        learning_rate: Adam's rate for the autoencoder.
        critic_learning_rate: Adam's rate for the discriminator.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    family = body(network, data, width)
    analysis, grid = grid_for(family, data, code_size)
    synthesis = family.synthesis(grid, data.shape, norm=batch_norm)
    model = VQGAN(
        GridEncoder(analysis, grid),
        EMAQuantizer(_positive(codes, "codes"), code_size),
        Generator(synthesis),
        Critic(family.analysis(data.shape)),
        synthesis.get_submodule("output"),
        grid[1:],
        RandomPerceptual(data.shape[0]) if perceptual > 0 else None,
        commitment=commitment,
        perceptual_weight=perceptual,
        adversarial_weight=adversarial,
        critic_after=critic_after,
    )
    optimizers = {"autoencoder": adam(learning_rate, 0.5), "discriminator": adam(critic_learning_rate, 0.5)}
    return Recipe(model, optimizers, images=300_000, ema_half_life=ema or None)


def grid_for(family: Body, data: DataInfo, code_size: int) -> tuple[Analysis, tuple[int, int, int]]:
    """An encoder's trunk and its grid of codes: the grid of its feature map, or 4x4 for dense networks."""
    if not data.domain.spatial:
        raise GanvasError(
            "A grid of codes is for images, and this data is points.", "Use vae, aae or another recipe for points."
        )
    analysis = family.analysis(data.shape)
    height, width = analysis.map_shape[1:] if len(analysis.map_shape) == 3 else (4, 4)
    return analysis, (_positive(code_size, "code_size"), height, width)


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise GanvasError(f"{option(name)} cannot be {value}.", f"Use {option(name, 1)} or more.")
    return value
