"""Recipes of the StyleGAN family."""

from ganvas.core.model import Model
from ganvas.data import DataInfo, HorizontalFlip
from ganvas.errors import GanvasError, option
from ganvas.losses.penalties import R1
from ganvas.models.stylegan2 import StyleGAN2
from ganvas.networks.stylegan2 import Mapping, StyleCritic, StyleSynthesis
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import LOSSES, LossName, adam, classes_of, latent_length
from ganvas.recipes.gan import view
from ganvas.training.recipe import Recipe


def stylegan2(
    data: DataInfo,
    *,
    width: int = 16,
    max_width: int = 128,
    latent: int = 128,
    mapping_depth: int = 2,
    loss: LossName = "non-saturating",
    r1: float | None = None,
    path_weight: float = 2.0,
    mixing: float = 0.9,
    conditional: bool = False,
    flip: bool = False,
    diffaugment: str = "",
    ada: bool = False,
    learning_rate: float = 2.5e-3,
    ema: float = 5_000,
) -> Recipe:
    """StyleGAN2: styles made from the code scale each layer; lazy penalties on the critic and on the generator.

    Paper: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", https://arxiv.org/abs/1912.04958

    Widths and latent suit one CPU core at 64x64. The authors' are larger: for CIFAR-10 all layers have 512 channels, and
    batches 64 images.

    Args:
        width: channels of both networks at the image's size, doubled at each halving.
        max_width: the most channels.
        latent: dimensions of the code z and of w.
        mapping_depth: layers from z to w; the authors have 2 for small images, and 8.
        loss: the loss of critic and generator.
        r1: weight γ of the penalty on the critic's gradient at real data, every 16 turns; default: the authors'
            0.0002 pixels / batch for a batch of 16.
        path_weight: weight of the penalty on path lengths, every 4 turns; 0 for none, as the authors' for CIFAR-10.
        mixing: share of generated images that mix the styles of two codes in training.
        conditional: whether both networks learn the classes of labelled data.
        flip: whether real images are mirrored at random. Not for text or digits.
        diffaugment: augmentations of the critic's inputs, from "color,translation,cutout"; empty for none.
        ada: whether augmentations adapt to how much the critic overfits.
        learning_rate: Adam's for both players, with β = (0, 0.99).
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    num_classes = classes_of(pictures(data, "stylegan2"), conditional)
    check(mixing, path_weight, mapping_depth)
    gamma = 0.0002 * data.shape[1] * data.shape[2] / 16 if r1 is None else r1
    model = StyleGAN2(
        Mapping(latent_length(latent), latent, mapping_depth, num_classes),
        StyleSynthesis(latent, data.shape, width, max_width),
        StyleCritic(data.shape, width, max_width, num_classes=num_classes, depth=mapping_depth),
        Normal(latent),
        latent,
        LOSSES[loss](),
        [R1(gamma, every=16)] if gamma > 0 else [],
        mixing,
        path_weight,
        view=view(data, diffaugment, ada=ada and loss),
    )
    return usual(model, learning_rate, ema, flip, num_classes)


def usual(model: Model, rate: float, ema: float, flip: bool, num_classes: int | None) -> Recipe:
    """Adam with β = (0, 0.99) for both players, 16 images a batch."""
    both = adam(rate, 0.0, 0.99)
    return Recipe(
        model,
        {"critic": both, "generator": both},
        images=200_000,
        batch_size=16,
        ema_half_life=ema or None,
        transform=HorizontalFlip() if flip else None,
        num_classes=num_classes or 0,
    )


def pictures(data: DataInfo, recipe: str) -> DataInfo:
    """The data. Raises GanvasError if they are no images."""
    if not data.domain.spatial:
        raise GanvasError(
            f"{recipe} is for images, and this data has shape {data.shape}.", "Use gan or r3gan for points."
        )
    return data


def check(mixing: float, path_weight: float, mapping_depth: int) -> None:
    """Raises GanvasError for options that cannot be."""
    if not 0 <= mixing <= 1:
        raise GanvasError(
            f"A share of mixed images cannot be {mixing}.", f"Use {option('mixing', 0.9)}, or 0 for none."
        )
    if path_weight < 0:
        raise GanvasError(f"A weight cannot be {path_weight}.", f"Use {option('path_weight', 0)} for none.")
    if mapping_depth < 1:
        raise GanvasError("The mapping network needs a layer.", f"Use {option('mapping_depth', 2)}.")
