"""BigGAN's recipe."""

from ganvas.data import DataInfo, HorizontalFlip
from ganvas.errors import GanvasError, option
from ganvas.models.biggan import BigGAN
from ganvas.networks.biggan import BigCritic, BigSynthesis
from ganvas.networks.body import resolutions
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import LOSSES, LossName, adam, classes_of, latent_length
from ganvas.recipes.gan import view
from ganvas.recipes.stylegan import pictures
from ganvas.training.recipe import Recipe


def biggan(
    data: DataInfo,
    *,
    width: int = 16,
    latent: int = 80,
    embedding: int = 64,
    attention: int = 0,
    loss: LossName = "hinge",
    critic_steps: int = 2,
    orthogonal: float = 1e-4,
    flip: bool = False,
    diffaugment: str = "",
    ada: bool = False,
    learning_rate: float = 2e-4,
    critic_learning_rate: float = 2e-4,
    ema: float = 5_000,
) -> Recipe:
    """BigGAN: classes and parts of the code enter each block; all weights are spectrally normalised; for labelled data.

    Paper: Brock et al. 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
        https://arxiv.org/abs/1809.11096

    The authors' size is `--width 96 --latent 120 --embedding 128 --attention 64` at 128x128, in batches of 2,048.

    Args:
        width: channels of both networks at the image's size, doubled at each halving.
        latent: dimensions of the code; rounded down to a multiple of the number of blocks plus one.
        embedding: dimensions of the class vector that all blocks share.
        attention: the side of the maps with self-attention; 0 for none.
        loss: the loss of critic and generator.
        critic_steps: turns of the critic for each turn of the generator.
        orthogonal: weight of the term that makes weights orthogonal; 0 for none.
        flip: whether real images are mirrored at random. Not for text or digits.
        diffaugment: augmentations of the critic's inputs, from "color,translation,cutout"; empty for none.
        ada: whether augmentations adapt to how much the critic overfits.
        learning_rate: Adam's for the generator, with β = (0, 0.999). The authors have 5e-5, and 2e-4 for CIFAR-10.
        critic_learning_rate: Adam's for the critic.
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    num_classes = classes_of(pictures(data, "biggan"), True) or 0
    check(critic_steps, embedding, orthogonal)
    latent = divisible(latent, data)
    model = BigGAN(
        BigSynthesis(latent, data.shape, num_classes, width, embedding, attention),
        BigCritic(data.shape, num_classes, width, attention),
        Normal(latent),
        num_classes,
        LOSSES[loss](),
        orthogonal,
        critic_steps,
        view(data, diffaugment, ada=ada and loss),
    )
    optimizers = {"critic": adam(critic_learning_rate, 0.0), "generator": adam(learning_rate, 0.0)}
    transform = HorizontalFlip() if flip else None
    return Recipe(
        model, optimizers, 200_000, 32, ema_half_life=ema or None, transform=transform, num_classes=num_classes
    )


def divisible(latent: int, data: DataInfo) -> int:
    """The code's length, rounded down to a multiple of the number of parts."""
    parts = len(resolutions("biggan", data.shape, None))
    if latent_length(latent) < parts:
        raise GanvasError(f"A code of {latent} cannot be cut into {parts} parts.", f"Use {option('latent', 80)}.")
    return latent - latent % parts


def check(critic_steps: int, embedding: int, orthogonal: float) -> None:
    """Raises GanvasError for options that cannot be."""
    if min(critic_steps, embedding) < 1:
        raise GanvasError("critic_steps and embedding are 1 or more.", f"Use {option('critic_steps', 2)}.")
    if orthogonal < 0:
        raise GanvasError(f"A weight cannot be {orthogonal}.", f"Use {option('orthogonal', 0)} for none.")
