"""Adversarial recipes: what makes each of them what its paper says."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ganvas.core.batch import Batch
from ganvas.core.order import Simultaneous
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import Relativistic
from ganvas.machine import rng
from ganvas.nn.clipping import WeightClipping
from ganvas.recipes import RECIPES
from ganvas.recipes.adversarial import lsgan, pacgan, pacgan_ring, r3gan, sngan, wgan
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

POINTS = DataInfo(shape=(2,), num_train=100_000)
IMAGES = DataInfo(shape=(1, 8, 8), num_train=64)


def trainer_of(recipe, info: DataInfo, **arguments: object) -> Trainer:
    with rng.seeded("build"):
        made = build(recipe, info, arguments)
    return Trainer(made.model, made.optimizers)


def batch(num: int = 8) -> Batch:
    return Batch(torch.rand(num, 1, 8, 8) * 2 - 1)


def test_wgans_critic_is_clipped_after_each_of_its_moves_and_nobody_else_is() -> None:
    trainer = trainer_of(wgan, IMAGES, width=8, latent=4, clip=0.003)
    critic, generator = trainer.model.critic, trainer.model.generator
    assert max(float(p.detach().abs().max()) for p in critic.parameters()) > 0.003
    trainer.step(batch())
    assert max(float(p.detach().abs().max()) for p in critic.parameters()) <= 0.003001
    assert max(float(p.detach().abs().max()) for p in generator.parameters()) > 0.003
    optimizer = trainer.seats[0].optimizer
    assert isinstance(optimizer, torch.optim.RMSprop) and optimizer.param_groups[0]["lr"] == 5e-4


def test_a_step_that_is_not_taken_is_not_projected() -> None:
    trainer = trainer_of(wgan, IMAGES, width=8, latent=4)
    before = [p.detach().clone() for p in trainer.model.critic.parameters()]
    broken = batch()
    broken.x[0] = float("nan")
    trainer.step(broken)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.critic.parameters(), strict=True))


def test_clipping_leaves_small_weights_alone() -> None:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.001]]))
    WeightClipping(0.01)(layer)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.01, -0.001]]))


def test_sngans_critic_is_spectrally_normalised_throughout() -> None:
    model = trainer_of(sngan, IMAGES, width=8, latent=4).model
    layers = [m for m in model.critic.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert layers and all(is_parametrized(layer) for layer in layers)
    assert not any(is_parametrized(m) for m in model.generator.modules())


def test_r3gan_pairs_and_pays_both_penalties_without_normalisation() -> None:
    model = trainer_of(r3gan, IMAGES, width=8, latent=4, gamma=3.0).model
    assert isinstance(model.loss, Relativistic)
    assert [(p.name, p.gamma) for p in model.penalties] == [("R1", 3.0), ("R2", 3.0)]
    assert not any(isinstance(m, nn.BatchNorm2d | nn.GroupNorm) for m in model.modules())


def test_packs_must_divide_the_batch() -> None:
    trainer = trainer_of(pacgan, IMAGES, width=8, latent=4, pack=3)
    trainer.step(batch(6))
    with pytest.raises(GanvasError, match="packs of 3") as error:
        trainer.step(batch(8))
    assert "9" in error.value.hint
    with pytest.raises(GanvasError, match="pack of 0"):
        build(pacgan, IMAGES, {"pack": 0})


def test_the_ring_experiment_has_the_papers_networks_and_budget() -> None:
    """Lin et al. 2018, table 1; hidden layers of the generator have no bias but batch normalisation's."""
    for pack in (1, 2):
        made = build(pacgan_ring, POINTS, {"pack": pack})
        hidden, critic = 400, 200 * 5
        generator = 2 * hidden + 3 * hidden**2 + 4 * 2 * hidden + hidden * 2 + 2
        discriminator = (2 * pack + 1) * critic + 2 * (200 + 1) * critic + 200 + 1
        assert sum(p.numel() for p in made.model.generator.parameters()) == generator
        assert sum(p.numel() for p in made.model.critic.parameters()) == discriminator
        assert made.images == 400_000 * 100 * pack and made.batch_size == 100 * pack
        assert isinstance(made.model.order, Simultaneous)
        optimizer = made.optimizers["critic"](list(made.model.critic.parameters()))
        assert optimizer.param_groups[0]["lr"] == 1e-4 and optimizer.param_groups[0]["betas"][0] == 0.8


@pytest.mark.trains
@pytest.mark.parametrize("recipe", [wgan, lsgan, sngan, r3gan, pacgan, pacgan_ring])
def test_a_few_steps_on_points_are_finite(recipe) -> None:
    trainer = trainer_of(recipe, POINTS)
    for seed in range(12):
        x = torch.randn(20, 2, generator=rng.generator(seed))
        trainer.step(Batch(x))
    assert trainer.verdicts.skipped_steps == 0
    assert bool(trainer.model.eval().sample(50).isfinite().all())


def test_useless_options_are_refused() -> None:
    with pytest.raises(GanvasError, match="clipped to 0"):
        build(wgan, IMAGES, {"clip": 0.0})
    with pytest.raises(GanvasError, match="learning rate"):
        build(wgan, IMAGES, {"learning_rate": 0.0})


@pytest.mark.parametrize("name", ["gan", "wgan-gp", "lsgan", "r3gan", "pacgan", "bigan", "veegan", "alpha-gan"])
def test_on_points_rates_are_those_of_images_and_nothing_is_normalised_over_the_batch(name: str) -> None:
    points, images = trainer_of(RECIPES[name], POINTS), build(RECIPES[name], IMAGES, {"width": 8})
    assert {group["lr"] for seat in points.seats for group in seat.optimizer.param_groups} == {1e-3}
    weight = nn.Parameter(torch.zeros(1))
    assert {group["lr"] for make in images.optimizers.values() for group in make([weight]).param_groups} == {1e-3}
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in points.model.modules())


def test_what_is_said_of_rates_and_widths_goes_for_points_too() -> None:
    made = trainer_of(RECIPES["gan"], POINTS, learning_rate=3e-4, critic_learning_rate=2e-5, width=16)
    rates = {seat.player.name: seat.optimizer.param_groups[0]["lr"] for seat in made.seats}
    assert rates == {"critic": 2e-5, "generator": 3e-4}
    assert max(layer.out_features for layer in made.model.modules() if isinstance(layer, nn.Linear)) == 16
