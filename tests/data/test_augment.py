"""What a critic is shown instead of an example."""

import pytest
import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.data.augment import DiffAugment, InstanceNoise, Views, brightness, contrast, cutout, saturation, translation
from ganvas.errors import GanvasError
from ganvas.losses.penalties import R1
from ganvas.machine import rng
from ganvas.models.gan import GAN
from ganvas.probability.priors import Normal
from ganvas.recipes.gan import gan
from ganvas.training.recipe import build


@pytest.fixture
def x() -> Tensor:
    return torch.rand(400, 3, 16, 16) * 1.8 + 0.1  # nowhere 0, which is what moves into sight


def test_colours_are_those_of_the_paper(x: Tensor) -> None:
    shift = (brightness(x) - x).flatten(1)
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-6, rtol=0)
    assert -0.5 <= float(shift.min()) < -0.4 and 0.4 < float(shift.max()) <= 0.5
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(saturation(x).mean(1, keepdim=True), grey)
    factor = ((saturation(x) - grey) / (x - grey)).flatten(1).median(1).values
    assert 0 <= float(factor.min()) < 0.1 and 1.9 < float(factor.max()) <= 2.001
    mean = x.mean((1, 2, 3), keepdim=True)
    factor = ((contrast(x) - mean) / (x - mean)).flatten(1).median(1).values
    assert 0.499 <= float(factor.min()) < 0.55 and 1.45 < float(factor.max()) <= 1.501


def test_translation_moves_by_up_to_an_eighth_and_fills_with_zeros(x: Tensor) -> None:
    moved = translation(x)
    shifts = set()
    for before, after in zip(x, moved, strict=True):
        matches = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(after, shifted(before, down, right))
        ]
        assert len(matches) == 1
        shifts.update(matches)
    assert len(shifts) == 25


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    return padded[:, 2 - down : 18 - down, 2 - right : 18 - right]


def test_cutout_hides_one_rectangle_of_up_to_half_of_each_side(x: Tensor) -> None:
    out = cutout(x)
    hidden = (out == 0).all(1)
    assert torch.equal(torch.where(hidden.unsqueeze(1), x, out), x)
    rows, columns = hidden.any(2), hidden.any(1)
    assert torch.equal(hidden, rows.unsqueeze(2) & columns.unsqueeze(1))
    assert int(rows.sum(1).max()) == 8 and int(columns.sum(1).max()) == 8
    assert 4 <= int(rows.sum(1).min()) < 8  # its centre may lie at the border
    assert bool(rows.any(0).all()) and bool(columns.any(0).all())


@pytest.mark.parametrize("size", [8, 13])
def test_everything_is_differentiable_and_keeps_the_shape(size: int) -> None:
    x = torch.rand(4, 1, size, size, requires_grad=True)
    view = DiffAugment()(x, 0)
    assert view.shape == x.shape
    (slope,) = torch.autograd.grad(view.sum(), x)
    assert float(slope.abs().sum()) > 0


def test_views_come_from_the_seed() -> None:
    x = torch.rand(5, 1, 8, 8)
    view = Views([DiffAugment(), InstanceNoise(lambda _: 0.1)])
    with rng.seeded(1):
        a = view(x, 0)
    with rng.seeded(1):
        b = view(x, 0)
    assert torch.equal(a, b)
    assert not torch.equal(a, view(x, 0))


def test_instance_noise_has_the_scale_of_its_schedule() -> None:
    x = torch.zeros(1_000, 2)
    noise = InstanceNoise(lambda images: 0.5 if images < 10 else 0.0)
    assert float(noise(x, 0).std()) == pytest.approx(0.5, rel=0.05)
    assert noise(x, 10) is x


def test_the_critic_sees_views_alone_in_losses_and_penalties() -> None:
    seen: list[Tensor] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
            seen.append(x)
            return x @ self.weight

    class Points(nn.Linear):
        def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return super().forward(z)

    model = GAN(Points(2, 2), Watching(), Normal(2), penalties=[R1()], view=lambda x, images: x + 1_000 + images)
    model.clock.images = 7
    critic, generator = model.players()
    r = model(Batch(torch.randn(4, 2)))
    critic.loss(r), generator.loss(r), critic.lazy[0].penalty(r)
    assert len(seen) == 4
    assert all(float((x - 1_007).detach().abs().max()) < 100 for x in seen)


def test_the_recipe_makes_views_and_refuses_what_is_none() -> None:
    images, points = DataInfo(shape=(1, 8, 8)), DataInfo(shape=(2,))
    assert build(gan, images, {"width": 8}).model.view is None
    view = build(gan, images, {"width": 8, "diffaugment": "translation, cutout", "instance_noise": 0.2}).model.view
    assert view.views[0].policy == ("translation", "cutout")
    assert view.views[1].scale(50_000) == pytest.approx(0.1)
    with pytest.raises(GanvasError, match="translatoin") as error:
        build(gan, images, {"width": 8, "diffaugment": "translatoin"})
    assert "translation" in error.value.hint
    with pytest.raises(GanvasError, match="points"):
        build(gan, points, {"diffaugment": "color"})
    with pytest.raises(GanvasError, match="standard deviation"):
        build(gan, points, {"instance_noise": -1.0})
