"""Recipes whose networks grow from small images to large ones."""

from ganvas.data import DataInfo
from ganvas.errors import GanvasError, option
from ganvas.losses.penalties import R1
from ganvas.models.progan import ProGAN
from ganvas.models.stylegan2 import StyleGAN2
from ganvas.networks.progan import GrowingCritic, GrowingSynthesis, growth_of
from ganvas.networks.stylegan import GrowingStyleSynthesis
from ganvas.networks.stylegan2 import Mapping
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import LOSSES, LossName, latent_length
from ganvas.recipes.gan import view
from ganvas.recipes.stylegan import check, pictures, usual
from ganvas.training.recipe import Recipe


def progan(
    data: DataInfo,
    *,
    width: int = 16,
    max_width: int = 128,
    latent: int = 128,
    start_size: int = 4,
    level_images: int = 20_000,
    penalty: float = 10.0,
    drift: float = 1e-3,
    flip: bool = False,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """ProGAN: a Wasserstein GAN whose networks grow from small images to large ones, by the images seen.

    Paper: Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
        https://arxiv.org/abs/1710.10196

    A 64x64 image has 5 levels, from 4x4. They take 160,000 images with the default; until then samples are coarser.

    Args:
        width: channels of both networks at the image's size, doubled at each halving.
        max_width: the most channels. The authors' networks have 512 from 32x32 down.
        latent: dimensions of the code.
        start_size: the least side of the first images. The smallest maps have a side of 4 to 7.
        level_images: images of each level before the next one fades in, and images of the fade; 0 not to grow. The
            authors have 600,000.
        penalty: weight λ of the gradient penalty.
        drift: weight of the mean square of real scores.
        flip: whether real images are mirrored at random. Not for text or digits.
        learning_rate: Adam's for both players, with β = (0, 0.99).
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    if min(penalty, drift) < 0:
        raise GanvasError(f"A weight cannot be {min(penalty, drift)}.", f"Use {option('drift', 0)} for none.")
    growth = growth_of("progan", pictures(data, "progan").shape, start_size, level_images)
    model = ProGAN(
        GrowingSynthesis(latent_length(latent), data.shape, growth, width, max_width),
        GrowingCritic(data.shape, growth, width, max_width),
        Normal(latent),
        growth,
        penalty,
        drift,
    )
    return usual(model, learning_rate, ema, flip, None)


def stylegan(
    data: DataInfo,
    *,
    width: int = 16,
    max_width: int = 128,
    latent: int = 128,
    mapping_depth: int = 8,
    start_size: int = 8,
    level_images: int = 20_000,
    loss: LossName = "non-saturating",
    r1: float = 1.0,
    mixing: float = 0.9,
    flip: bool = False,
    diffaugment: str = "",
    ada: bool = False,
    learning_rate: float = 1e-3,
    ema: float = 5_000,
) -> Recipe:
    """StyleGAN: a growing generator from a constant; w sets the mean and scale of each channel, noise the details.

    Paper: Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks",
        https://arxiv.org/abs/1812.04948

    `stylegan2` supersedes it.

    Args:
        width: channels of both networks at the image's size, doubled at each halving.
        max_width: the most channels. The authors have 512.
        latent: dimensions of the code z and of w.
        mapping_depth: layers from z to w.
        start_size: the least side of the first images.
        level_images: images of each level before the next one fades in, and images of the fade; 0 not to grow. The
            authors have 600,000.
        loss: the loss of critic and generator.
        r1: weight γ of the penalty on the critic's gradient at real data, at every turn. The authors' 10 is for 1024x1024.
        mixing: share of generated images that mix the styles of two codes in training.
        flip: whether real images are mirrored at random. Not for text or digits.
        diffaugment: augmentations of the critic's inputs, from "color,translation,cutout"; empty for none.
        ada: whether augmentations adapt to how much the critic overfits.
        learning_rate: Adam's for both players, with β = (0, 0.99).
        ema: half-life of the generator's averaged weights, in images; 0 for no average.
    """
    check(mixing, 0.0, mapping_depth)
    growth = growth_of("stylegan", pictures(data, "stylegan").shape, start_size, level_images)
    model = StyleGAN2(
        Mapping(latent_length(latent), latent, mapping_depth, bias_gain=1.0),
        GrowingStyleSynthesis(latent, data.shape, growth, width, max_width),
        GrowingCritic(data.shape, growth, width, max_width, blur=True),
        Normal(latent),
        latent,
        LOSSES[loss](),
        [R1(r1)] if r1 > 0 else [],
        mixing,
        path_weight=0.0,
        view=view(data, diffaugment, ada=ada and loss),
        growth=growth,
    )
    return usual(model, learning_rate, ema, flip, None)
