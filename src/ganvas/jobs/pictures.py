"""The pictures that a run draws of itself while it is trained."""

from pathlib import Path

import torch

from ganvas.core.model import Autoencoder, Model
from ganvas.data import Data, representative
from ganvas.data.domains.pictures import PAIR_COLUMNS, save_picture
from ganvas.training.recipe import Recipe
from ganvas.use.walks import line_walk, prior_walk


def draw_progress(model: Model, recipe: Recipe, data: Data, folder: Path, images: int, device: str) -> None:
    """Draws a run's pictures: samples, reconstructions, a walk between two held-out examples."""
    info, number = data.info, f"{images:09d}"
    domain, num = info.domain, info.domain.num_shown
    y = torch.arange(num, device=device) % recipe.num_classes if recipe.num_classes else None
    save_picture(model.sample(num, y).cpu(), folder / f"prior-{number}.png", info)
    if not domain.in_rows or not len(data.held_out):
        return
    shown = data.held_out.batch(representative(data.held_out, 2 * PAIR_COLUMNS), device)
    if isinstance(model, Autoencoder):
        reconstruction = model.reconstruct(shown.x, shown.y)
        pairs = domain.beside(shown.x, reconstruction, PAIR_COLUMNS).cpu()
        save_picture(pairs, folder / f"reconstruction-{number}.png", info, columns=PAIR_COLUMNS)
        walk = line_walk(model, shown.x[:1], shown.x[-1:], None if shown.y is None else shown.y[:1], steps=11)
    else:
        walk = prior_walk(model, None if y is None else y[:1], steps=11)
    save_picture(walk.cpu(), folder / f"walk-{number}.png", info, columns=11)
