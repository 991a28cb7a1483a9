"""Recipes of two-stage systems for pictures: the autoencoder whose codes a second model learns."""

from torch import nn

from ganvas.data import DataInfo, HorizontalFlip
from ganvas.errors import GanvasError, option
from ganvas.models.autoencoder import PerceptualAutoencoder
from ganvas.networks import Generator, GridPosterior, Resnet
from ganvas.networks.projected import MapCritics
from ganvas.nn.excitation import Blur
from ganvas.nn.frozen import FrozenFeatures, FrozenName, frozen_features
from ganvas.nn.norms import group_norm
from ganvas.nn.projection import RandomProjection
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import adam
from ganvas.training.recipe import Recipe

CRITIC_AFTER = 1_000
BATCH_SIZE = 16


def autoencoder(
    data: DataInfo,
    *,
    width: int = 32,
    code_channels: int = 8,
    grid: int = 8,
    features: FrozenName = "auto",
    feature_size: int = 64,
    perceptual: float = 0.05,
    rate: float = 2e-5,
    adversarial: float = 0.01,
    critic_after: int = CRITIC_AFTER,
    critic_width: int = 32,
    flip: bool = False,
    learning_rate: float = 5e-4,
    critic_learning_rate: float = 5e-4,
    ema: float = 5_000,
) -> Recipe:
    """Perceptual autoencoder: codes on a grid, from which pictures come back sharp; the first stage of latent diffusion.

    Paper: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models",
        https://arxiv.org/abs/2112.10752

    It reconstructs. Samples of its prior are noise, as its codes are hardly held to N(0, I): a second model, such as flow,
    has to learn them. A frozen network judges how alike pictures look; it comes with `pip install 'ganvas[features]'`.

    Args:
        width: channels at half the image's size, doubled at each halving; as many at the image's size.
        code_channels: numbers at each place of the grid.
        grid: the code has at most this many places to a side: as many as the image has pixels, halved once or more.
        features: the frozen network; "auto" is EfficientNet if it is installed, else a random network.
        feature_size: the side at which the frozen network sees images, a multiple of 32.
        perceptual: weight of the distance of features, beside the mean absolute difference of pixels.
        rate: weight of the rate in nats, which keeps codes from growing.
        adversarial: weight of fooling the critic; 0 leaves it out. Five times the default drew a lattice over small pictures.
        critic_after: the critic joins at this step. Joining from the first, it would drown the reconstruction. A run that
            ends before draws blurred pictures.
        critic_width: hidden channels of the critic.
        flip: whether images are mirrored at random. Not for text or digits.
        learning_rate: Adam's for encoder and decoder.
        critic_learning_rate: Adam's for the critic.
        ema: half-life of the networks' averaged weights, in images; 0 for no average.
    """
    model = PerceptualAutoencoder(
        *first_stage(data, width, code_channels, grid, features, feature_size, critic_width),
        perceptual_weight=perceptual,
        rate_weight=rate,
        adversarial_weight=adversarial,
        critic_after=critic_after,
    )
    return Recipe(
        model,
        {"critic": adam(critic_learning_rate, 0.0, 0.99), "autoencoder": adam(learning_rate, 0.9, 0.99)},
        images=120_000,
        batch_size=BATCH_SIZE,
        ema_half_life=ema or None,
        transform=HorizontalFlip() if flip else None,
    )


def first_stage(
    data: DataInfo,
    width: int,
    code_channels: int,
    grid: int,
    features: FrozenName,
    feature_size: int,
    critic_width: int,
) -> tuple[GridPosterior, Generator, FrozenFeatures, RandomProjection, MapCritics, Normal]:
    """The networks of a `PerceptualAutoencoder` in the order of its arguments. See `autoencoder` for the options."""
    if min(code_channels, critic_width) < 1:
        raise GanvasError(
            "A code and a critic have at least one channel.", f"Use {option('code_channels', 1)} or more."
        )
    family = Resnet(width, growth=8, halvings=halvings_to(grid, data), plain=1)
    analysis = family.analysis(data.shape, norm=group_norm)
    height, length = analysis.map_shape[1:]
    code = (code_channels, height, length)
    synthesis = family.synthesis(code, data.shape, norm=group_norm)
    frozen = frozen_features(features, feature_size)
    projection = RandomProjection(frozen.channels, critic_width)
    return (
        GridPosterior(analysis, code),
        Generator(synthesis, nn.Sequential(Blur(data.shape[0]), nn.Tanh())),
        frozen,
        projection,
        MapCritics(projection.channels, critic_width),
        Normal(code),
    )


def halvings_to(grid: int, data: DataInfo) -> int:
    """How often an image halves, at least once, until at most `grid` pixels remain to a side."""
    if not data.domain.spatial or data.shape[0] not in (1, 3):
        raise GanvasError(
            f"autoencoder is for images of one or three channels, and this data has shape {data.shape}.",
            "Use vae for points.",
        )
    if grid < 1:
        raise GanvasError(f"A grid of {grid}x{grid} codes holds nothing.", f"Use {option('grid', 8)}.")
    side = data.shape[-1]
    return next(n for n in range(1, side.bit_length() + 1) if side >> n <= grid)
