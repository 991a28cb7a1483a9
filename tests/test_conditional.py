"""What a class leaves to the code: samples of one class differ."""

import pytest
import torch
from torch import Tensor

from ganvas.data import batches, open_data
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.training.trainer import Trainer
from ganvas.use.opening import seeded_build

pytestmark = pytest.mark.trains


def spread(x: Tensor) -> float:
    """Root mean square distance from the mean."""
    return float((x - x.mean(0)).square().mean().sqrt())


@pytest.mark.slow
def test_samples_of_one_class_of_a_conditional_gan_are_not_all_alike() -> None:
    data = open_data("digits")
    assert data.train.y is not None
    recipe = seeded_build(RECIPES["cgan"], data.info, {"width": 8}, 0)
    trainer = Trainer(recipe.model, recipe.optimizers, ema_half_life=recipe.ema_half_life)
    trainer.fit(batches(data.train, 64, 0), 20_000)
    model = trainer.best_model.eval()
    made = known = 0.0
    with torch.inference_mode(), rng.seeded("samples"):
        for k in range(10):
            made += spread(model.sample(100, torch.full((100,), k)))
            known += spread(data.train.batch((data.train.y == k).nonzero().squeeze(1)).x)
    assert made > 0.25 * known
