"""FastGAN: the critic draws real images only, and its drawings teach the generator nothing."""

import pytest
import torch

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.networks.fast_critic import FastCritic, quadrants
from ganvas.recipes import RECIPES
from ganvas.training.gradients import gradient
from ganvas.training.recipe import build


def model_of(side: int, **given):
    info = DataInfo(shape=(3, side, side), classes=(), num_train=512, mean=torch.zeros(3, side, side))
    with rng.seeded("fastgan"):
        return build(RECIPES["fastgan"], info, {"width": 4, "critic_width": 4, "latent": 8, **given}).model


def batch(side: int, num: int = 4) -> Batch:
    return Batch(torch.rand((num, 3, side, side), generator=rng.generator("pictures", side)) * 2 - 1, None)


def test_drawings_have_no_gradient_to_the_generator() -> None:
    model = model_of(32)
    r = model(batch(32))
    terms = model.critic_loss(r)
    drawing = {name: terms[name] for name in ("whole image", "quadrant")}
    assert all(g is None for g in gradient(drawing, list(model.generator.parameters()), keep=True))
    assert any(g is not None for g in gradient({"a": terms["adversarial"]}, list(model.generator.parameters()), True))
    assert set(model.generator_loss(r)) == {"adversarial"}


def test_drawings_teach_the_critics_first_layer() -> None:
    model = model_of(32)
    terms = model.critic_loss(model(batch(32)))
    first = model.critic.first[0].parametrizations.weight.original
    for name in ("whole image", "quadrant"):
        (slope,) = gradient({name: terms[name]}, [first], keep=True)
        assert slope is not None and slope.abs().sum() > 0


def test_weight_zero_leaves_the_adversarial_term_alone() -> None:
    model = model_of(32, reconstruction=0.0)
    terms = model.critic_loss(model(batch(32)))
    assert all(float(terms[name].detach()) == 0 for name in ("whole image", "quadrant"))


@pytest.mark.parametrize(("side", "names"), [(12, {"whole image"}), (28, {"whole image"}), (32, None), (64, None)])
def test_drawings_and_targets_have_one_shape(side, names) -> None:
    with rng.seeded("critic"):
        critic = FastCritic((3, side, side), width=4)
    x = batch(side).x
    drawings = critic.drawings(critic.maps(x), x)
    assert set(drawings) == (names or {"whole image", "quadrant"})
    assert all(drawn.shape == target.shape and drawn.shape[2] <= side for drawn, target in drawings.values())
    assert critic(x).dim() == 2 and len(critic(x)) == 4


def test_example_i_shows_its_quadrant_i() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4).expand(5, 1, 4, 4)
    corner = quadrants(x)[:, 0, 0, 0]
    assert corner.tolist() == [0, 2, 8, 10, 0]


@pytest.mark.parametrize("wrong", [{"critic_width": 0}, {"reconstruction": -1.0}])
def test_settings_that_cannot_be_are_errors(wrong) -> None:
    with pytest.raises(GanvasError):
        model_of(32, **wrong)
