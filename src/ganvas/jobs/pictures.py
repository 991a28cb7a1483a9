"""The pictures that a run draws of itself while it is trained."""

from pathlib import Path

import torch

from ganvas.core.model import Model
from ganvas.data import Data, representative
from ganvas.data.domains.pictures import PAIR_COLUMNS, save_picture
from ganvas.training.recipe import Recipe
from ganvas.use.abilities import Drawing, Moment, abilities_of


def draw_progress(model: Model, recipe: Recipe, data: Data, folder: Path, images: int, device: str) -> None:
    """Draws the pictures of all abilities of the model: samples, reconstructions, a walk."""
    domain, num = data.info.domain, data.info.domain.num_shown
    y = torch.arange(num, device=device) % recipe.num_classes if recipe.num_classes else None
    shown = None
    if domain.in_rows and len(data.held_out):
        shown = data.held_out.batch(representative(data.held_out, 2 * PAIR_COLUMNS), device)
    moment, drawings = Moment(domain, num, y, shown), dict[str, Drawing]()
    for ability in abilities_of(model):
        drawings |= ability.pictures(model, moment)
    for name, drawing in drawings.items():
        file = folder / f"{name}-{images:09d}.png"
        save_picture(drawing.x.cpu(), file, data.info, columns=drawing.columns)
