"""Recipes of models that carry noise to data step by step."""

from typing import Literal

from torch import nn

from ganvas.data import DataInfo
from ganvas.errors import GanvasError, option
from ganvas.models.diffusion import Diffusion
from ganvas.models.flow import Flow
from ganvas.networks import DiT, PointDenoiser, UNet
from ganvas.probability.noising import Cosine, ScaledLinear
from ganvas.recipes.choices import POINTS_WIDTH, adam, batch_for
from ganvas.training.recipe import Recipe

DenoiserName = Literal["auto", "unet", "dit", "mlp"]


def flow(
    data: DataInfo,
    *,
    network: DenoiserName = "auto",
    width: int | None = None,
    patch: int = 2,
    conditional: bool = True,
    class_dropout: float = 0.1,
    learning_rate: float = 1e-3,
    ema: float = 20_000,
) -> Recipe:
    """Rectified flow: a network learns the straight way from noise to data, which sampling follows in a few steps.

    Paper: Liu et al. 2023, "Flow Straight and Fast", https://arxiv.org/abs/2209.03003

    A code is the noise that sampling starts from, shaped as an example. Where the data has classes, it learns them.

    Args:
        network: "auto" is a U-Net for images of 8x8 and more and a dense network for the rest; "dit" is a transformer.
        width: of the network; its own where none is given.
        patch: the side of a token's square, of "dit".
        conditional: whether it is told the classes of data that has them.
        class_dropout: share of the examples whose class it is not told, so that guidance has something to compare with.
        learning_rate: Adam's.
        ema: half-life of the network's average in images; 0 keeps none.
    """
    classes = known_classes(data, conditional, class_dropout)
    model = Flow(
        denoiser(network, data, width, patch, classes),
        data.shape,
        classes,
        class_dropout,
        usual_guidance(data),
    )
    return denoising_recipe(data, model, "field", classes, learning_rate, ema)


def diffusion(
    data: DataInfo,
    *,
    network: DenoiserName = "auto",
    width: int | None = None,
    patch: int = 2,
    conditional: bool = True,
    class_dropout: float = 0.1,
    schedule: Literal["cosine", "linear"] = "cosine",
    min_snr: float = 5.0,
    learning_rate: float = 1e-3,
    ema: float = 20_000,
) -> Recipe:
    """Diffusion: a network learns to take noise away, by v-prediction; samples take it away in a few steps.

    Paper: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239

    A code is the noise that sampling starts from, shaped as an example. Where the data has classes, it learns them.

    Args:
        network: "auto" is a U-Net for images of 8x8 and more and a dense network for the rest; "dit" is a transformer.
        width: of the network; its own where none is given.
        patch: the side of a token's square, of "dit".
        conditional: whether it is told the classes of data that has them.
        class_dropout: share of the examples whose class it is not told, so that guidance has something to compare with.
        schedule: how noise grows: cosine, or latent diffusion's linear one, rescaled to end at pure noise.
        min_snr: no time counts for more than this signal-to-noise ratio; 0 weighs all times alike.
        learning_rate: Adam's.
        ema: half-life of the network's average in images; 0 keeps none.
    """
    if min_snr < 0:
        raise GanvasError(
            f"A signal-to-noise ratio cannot be {min_snr}.", f"Use {option('min_snr', 5)}, or 0 for no limit."
        )
    classes = known_classes(data, conditional, class_dropout)
    model = Diffusion(
        denoiser(network, data, width, patch, classes),
        data.shape,
        Cosine() if schedule == "cosine" else ScaledLinear(),
        min_snr or None,
        classes,
        class_dropout,
        usual_guidance(data),
    )
    return denoising_recipe(data, model, "denoiser", classes, learning_rate, ema)


def denoising_recipe(
    data: DataInfo, model: Flow | Diffusion, player: str, classes: int, learning_rate: float, ema: float
) -> Recipe:
    """The budget, batch and averages that both kinds of model share."""
    return Recipe(
        model,
        {player: adam(learning_rate, 0.9, 0.99)},
        images=400_000 if data.domain.spatial else 1_000_000,
        batch_size=batch_for(data),
        ema_half_life=ema or None,
        num_classes=classes,
    )


def denoiser(network: DenoiserName, data: DataInfo, width: int | None, patch: int, classes: int) -> nn.Module:
    """A network that predicts at a time, sized for the data."""
    grid = data.domain.spatial
    if network == "auto":
        network = "unet" if grid and min(data.shape[1:]) >= 8 else "mlp"
    if width is not None and width < 4:
        raise GanvasError(f"A denoiser cannot be {width} wide.", f"Use {option('width', 4)} or more.")
    if network == "mlp":
        return PointDenoiser(data.shape, width or (256 if grid else POINTS_WIDTH), num_classes=classes)
    if not grid:
        raise GanvasError(
            f"{network} works on images, and this data has shape {data.shape}.", f"Use {option('network', 'mlp')}."
        )
    if network == "dit":
        return DiT(data.shape, width or 192, patch=patch, num_classes=classes)
    side = max(data.shape[1:])
    first = width or (64 if side <= 16 else 32)
    # Halved until 8 or fewer places remain to a side, and once at least: there all places attend to each other.
    halvings = next(n for n in range(1, side.bit_length() + 1) if side >> n <= 8)
    return UNet(data.shape, [first * min(2**i, 4) for i in range(halvings + 1)], num_classes=classes)


def known_classes(data: DataInfo, conditional: bool, class_dropout: float) -> int:
    """How many classes the network is told; 0 for none."""
    if not 0 <= class_dropout < 1:
        raise GanvasError(
            f"A share of {class_dropout} cannot be left out.", f"Use {option('class_dropout', 0)} to below 1."
        )
    return len(data.classes) if conditional else 0


def usual_guidance(data: DataInfo) -> float:
    """How far samples are pushed towards their class if the user does not say. More would distort points' modes."""
    return 2.5 if data.domain.spatial else 1.0
