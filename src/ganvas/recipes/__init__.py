"""Recipes by name. `from_file` finds a recipe in a user's own file."""

import inspect
from pathlib import Path

from ganvas.errors import GanvasError
from ganvas.machine.own_code import executed
from ganvas.recipes.aae import aae, aae_semi
from ganvas.recipes.adversarial import lsgan, pacgan, pacgan_ring, pacgan_stacked, r3gan, sngan, wgan
from ganvas.recipes.article import article_gan, article_vae
from ganvas.recipes.bigan import bigan, veegan
from ganvas.recipes.biggan import biggan
from ganvas.recipes.code_prior import code_prior
from ganvas.recipes.conditional import acgan, cgan, cvae
from ganvas.recipes.continuum import continuum
from ganvas.recipes.denoising import diffusion, flow
from ganvas.recipes.density_ratio import alpha_gan, avb, factor_vae
from ganvas.recipes.few_pictures import fastgan, projected_gan
from ganvas.recipes.gan import consensus_gan, dcgan, gan, wgan_gp
from ganvas.recipes.growing import progan, stylegan
from ganvas.recipes.introvae import introvae, soft_introvae
from ganvas.recipes.likelihood import iwae, mixture_vae, tc_vae, vamp_vae
from ganvas.recipes.pictures import autoencoder
from ganvas.recipes.quantized import vq_vae, vqgan
from ganvas.recipes.stylegan import stylegan2
from ganvas.recipes.vae import iwae_mnist, vae
from ganvas.recipes.vaegan import vaegan
from ganvas.training.recipe import Recipe, RecipeFunction, recipe_name

_ALL: tuple[RecipeFunction, ...] = (
    vae,
    iwae,
    tc_vae,
    vamp_vae,
    mixture_vae,
    cvae,
    vaegan,
    continuum,
    aae,
    aae_semi,
    bigan,
    alpha_gan,
    avb,
    introvae,
    soft_introvae,
    veegan,
    factor_vae,
    vq_vae,
    vqgan,
    gan,
    dcgan,
    consensus_gan,
    wgan_gp,
    wgan,
    lsgan,
    sngan,
    r3gan,
    projected_gan,
    fastgan,
    stylegan2,
    stylegan,
    progan,
    biggan,
    pacgan,
    pacgan_ring,
    pacgan_stacked,
    cgan,
    acgan,
    autoencoder,
    flow,
    diffusion,
    code_prior,
    iwae_mnist,
    article_gan,
    article_vae,
)

RECIPES: dict[str, RecipeFunction] = {recipe_name(function): function for function in _ALL}


def from_file(path: Path, name: str | None = None) -> RecipeFunction:
    """Executes a Python file and returns its recipe: the function annotated to return `Recipe`.

    name: of the recipe, if there are several. Raises GanvasError if there is none, or if the file fails.
    """
    module = executed(path, "recipe", "The file must be a Python program; see examples/my_gan.py.")
    found = {
        recipe_name(f): f
        for f in vars(module).values()
        if inspect.isfunction(f) and f.__module__ == module.__name__ and returns_recipe(f)
    }
    if not found:
        raise GanvasError(
            f"{path} has no recipe.", "Write `def my_model(data: DataInfo, *, latent: int = 64) -> Recipe:`."
        )
    if name is None and len(found) > 1:
        raise GanvasError(f"{path} has several recipes: {', '.join(found)}.", "Put each in its own file.")
    if name is not None and name not in found:
        raise GanvasError(f"{path} has no recipe {name!r}; it has {', '.join(found)}.")
    return found[name] if name else next(iter(found.values()))


def returns_recipe(function: RecipeFunction) -> bool:
    annotation = inspect.signature(function).return_annotation
    return annotation is Recipe or (isinstance(annotation, str) and annotation.split(".")[-1] == "Recipe")
