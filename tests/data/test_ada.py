"""ADA: augmentations that are exact where they can be, and a controller that follows the critic's overfitting."""

import math

import pytest
import torch

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.data.ada import Ada, hue, rearranged, rotation, scaling, translation
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.nn.grid import sampled
from ganvas.recipes import RECIPES
from ganvas.training import checkpoint
from ganvas.training.recipe import build, options
from ganvas.training.trainer import Trainer


def pictures(num: int = 6, channels: int = 3, side: int = 12) -> torch.Tensor:
    return torch.rand((num, channels, side, side), generator=rng.generator("pictures")) * 2 - 1


def at(p: float) -> Ada:
    ada = Ada()
    ada.p.fill_(p)
    return ada


@pytest.mark.parametrize("channels", [1, 3])
def test_at_probability_0_it_is_the_identity_bit_for_bit(channels) -> None:
    x = pictures(channels=channels)
    with rng.seeded("ada"):
        assert torch.equal(at(0.0)(x, 0), x)
        assert not torch.equal(at(0.8)(x, 0), x)


def test_an_untouched_image_is_returned_bit_for_bit_beside_others() -> None:
    x = pictures(num=64)
    with rng.seeded("ada"):
        out = at(0.05)(x, 0)
    same = (out == x).flatten(1).all(1)
    # one of 12 independent chances of 5 %, some of which change nothing: about 0.6 of the images stay
    assert 15 < int(same.sum()) < 60


def test_blits_are_exactly_invertible() -> None:
    x, one = pictures(), torch.ones(6)
    every = torch.ones(6, dtype=torch.bool)
    mirror, quarter = scaling(-one, one), rotation(one * math.pi / 2)
    assert torch.equal(rearranged(x, mirror, every), x.flip(3))
    assert torch.equal(rearranged(rearranged(x, mirror, every), mirror, every), x)
    turned = rearranged(x, quarter, every)
    assert torch.equal(turned, torch.rot90(x, 1, (2, 3)))
    assert torch.equal(rearranged(turned, rotation(-one * math.pi / 2), every), x)
    moved = rearranged(x, translation(2 * one, -one), every)
    back = rearranged(moved, translation(-2 * one, one), every)
    assert torch.equal(back[:, :, 1:-1, 2:-2], x[:, :, 1:-1, 2:-2])
    assert torch.equal(rearranged(x, mirror, ~every), x)


def test_resampling_with_the_orthogonal_filter_keeps_what_does_not_move() -> None:
    x, eye = pictures(), torch.eye(3).expand(6, 3, 3)
    assert torch.allclose(Ada().resampled(x, eye, [6] * 4), x, atol=1e-4)
    shifted = Ada().resampled(x, translation(2 * torch.ones(6), torch.zeros(6)), [6] * 4)
    assert torch.allclose(shifted[..., :-2], x[..., 2:], atol=1e-4)


def test_hue_turns_back_and_keeps_the_luma() -> None:
    angle = torch.tensor([0.3, 2 * math.pi])
    turns = hue(angle)
    assert torch.allclose(turns[1], torch.eye(3), atol=1e-6)
    assert torch.allclose(turns @ turns.transpose(1, 2), torch.eye(3).expand(2, 3, 3), atol=1e-6)
    assert torch.allclose(turns @ torch.ones(3), torch.ones(2, 3), atol=1e-6)


def test_it_is_differentiable_twice() -> None:
    x = pictures(num=3, side=8).double().requires_grad_()
    ada = at(0.8).double()

    def view(x: torch.Tensor) -> torch.Tensor:
        with rng.seeded("ada"):
            return ada(x, 0)

    assert torch.autograd.gradcheck(view, x)
    grid = (torch.rand(3, 5, 5, 2, generator=rng.generator("grid")) * 2.2 - 1.1).double()
    assert torch.autograd.gradgradcheck(lambda x: sampled(x, grid).square(), x)
    squared = view(x).square().sum()
    (slope,) = torch.autograd.grad(squared, x, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), x)
    assert second.isfinite().all() and second.abs().sum() > 0


def test_p_moves_every_fourth_step_by_four_batches() -> None:
    ada, up, down = Ada(images=1_000), torch.ones(10), -torch.ones(10)
    for _ in range(3):
        ada.follow(up)
    assert float(ada.p) == 0
    ada.follow(up)
    assert float(ada.p) == pytest.approx(40 / 1_000)
    for scores in (up, up, down, down):  # the mean sign 0 is below the target 0.6
        ada.follow(scores)
    assert float(ada.p) == 0
    for _ in range(200):
        ada.follow(up)
    assert float(ada.p) == pytest.approx(0.8)
    for _ in range(4):
        ada.follow(down)
    assert float(ada.p) == pytest.approx(0.76)


SMALL = {"width": 4, "max_width": 8, "critic_width": 4, "latent": 8, "features": "random", "projection_width": 8}


def trainer_of(name: str, **given) -> Trainer:
    shape = (3, 16, 16)
    info = DataInfo(shape=shape, classes=(), num_train=512, mean=torch.zeros(shape))
    known = options(RECIPES[name])
    with rng.seeded(name):
        recipe = build(RECIPES[name], info, {k: v for k, v in SMALL.items() if k in known} | {"ada": True} | given)
    return Trainer(recipe.model, recipe.optimizers, ema_half_life=100)


@pytest.mark.parametrize("name", ["gan", "stylegan2", "fastgan", "projected-gan"])
def test_the_probability_follows_the_critic_in_training(name) -> None:
    trainer = trainer_of(name)
    ada = next(part for part in trainer.model.modules() if isinstance(part, Ada))
    ada.target = -2.0  # any critic counts as overfitted
    x = pictures(num=8, side=16)
    for _ in range(8):
        trainer.step(Batch(x))
    assert float(ada.p) == pytest.approx(2 * 4 * 8 / 100_000)
    assert {"ADA probability", "sign of real scores"} <= set(trainer.logged.peek()["logged"])


def test_a_checkpoint_keeps_the_probability(tmp_path) -> None:
    trainer = trainer_of("gan", diffaugment="color", instance_noise=0.1)
    ada = next(part for part in trainer.model.modules() if isinstance(part, Ada))
    ada.p.fill_(0.25)
    ada.target = -2.0
    x = pictures(num=8, side=16)
    trainer.step(Batch(x))
    path = checkpoint.save(trainer, tmp_path)
    other = trainer_of("gan", diffaugment="color", instance_noise=0.1)
    checkpoint.load(other, path)
    again = next(part for part in other.model.modules() if isinstance(part, Ada))
    again.target = -2.0
    assert float(again.p) == 0.25
    for t in (trainer, other):
        for _ in range(4):
            t.step(Batch(x))
    assert float(ada.p) == float(again.p) > 0.25
    for a, b in zip(trainer.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("shape", "given"), [((4, 16, 16), {}), ((2,), {}), ((3, 16, 16), {"loss": "wasserstein"})])
def test_where_ada_makes_no_sense_it_is_an_error(shape, given) -> None:
    info = DataInfo(shape=shape, classes=(), num_train=512, mean=torch.zeros(shape))
    with pytest.raises(GanvasError, match="ADA"):
        build(RECIPES["gan"], info, {"ada": True, "width": 4} | given)
