"""ProGAN and the first StyleGAN: networks that grow by the clock."""

import pytest
import torch
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.networks.progan import GrowingCritic
from ganvas.nn.equalised import second_moment
from ganvas.nn.growth import Growth
from ganvas.recipes import RECIPES
from ganvas.training import checkpoint
from ganvas.training.recipe import Recipe, build, options
from ganvas.training.trainer import Trainer

SMALL = {"width": 4, "max_width": 16, "latent": 8, "level_images": 100, "start_size": 4}
NAMES = ("progan", "stylegan")


def recipe_of(name: str, side: int = 16, **given) -> Recipe:
    info = DataInfo(shape=(3, side, side), classes=(), num_train=512, mean=torch.zeros(3, side, side))
    with rng.seeded(name):
        return build(RECIPES[name], info, SMALL | given)


def generator_of(model):
    """From z to images of the present side."""
    if hasattr(model, "generator"):
        return model.generator
    return lambda z: model.synthesis(model.layered(model.mapping(z)))


def pictures(side: int = 16, num: int = 8) -> torch.Tensor:
    return torch.rand((num, 3, side, side), generator=rng.generator("pictures", side)) * 2 - 1


def codes() -> torch.Tensor:
    return torch.randn(4, 8, generator=rng.generator("z"))


def test_levels_follow_the_images_seen() -> None:
    growth = Growth((4, 8, 16), images=100)
    seen = {0: 0.0, 99: 0.0, 100: 0.0, 150: 0.5, 200: 1.0, 299: 1.0, 350: 1.5, 400: 2.0, 10_000: 2.0}
    for images, level in seen.items():
        growth.clock.images = images
        assert growth.level == pytest.approx(level)
    assert Growth((4, 8, 16), images=0).level == 2
    assert Growth((4, 8, 16), images=100, start=1).level == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_level_fades_from_the_enlarged_smaller_image_to_its_own(name) -> None:
    model = recipe_of(name).model.eval()
    generator, z = generator_of(model), codes()
    model.clock.images = 0
    small = generator(z)
    assert small.shape[2] == 4
    model.clock.images = 200
    large = generator(z)
    assert large.shape[2] == 8
    model.growth.images = 10**9  # so that the share is close to 0, then to 1
    model.clock.images = 10**9 + 1
    torch.testing.assert_close(generator(z), F.interpolate(small, scale_factor=2), rtol=1e-4, atol=1e-5)
    model.clock.images = 2 * 10**9 - 1
    torch.testing.assert_close(generator(z), large, rtol=1e-4, atol=1e-5)
    half = 10**9 + 5 * 10**8
    model.clock.images = half
    expected = (F.interpolate(small, scale_factor=2) + large) / 2
    torch.testing.assert_close(generator(z), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_critic_fades_from_the_score_of_halved_images_to_its_own(name) -> None:
    model = recipe_of(name).model.eval()
    x = pictures(8)
    model.clock.images = 0
    small = model.critic(F.avg_pool2d(x, 2))
    model.clock.images = 200
    large = model.critic(x)
    model.growth.images = 10**9
    model.clock.images = 10**9 + 1
    torch.testing.assert_close(model.critic(x), small, rtol=1e-4, atol=1e-5)
    model.clock.images = 2 * 10**9 - 1
    torch.testing.assert_close(model.critic(x), large, rtol=1e-4, atol=1e-5)


def test_real_images_fade_in_too() -> None:
    growth, x = Growth((4, 8, 16), images=100), pictures()
    assert torch.equal(growth.real(x), F.avg_pool2d(x, 4))
    growth.clock.images = 350  # halfway to 16x16
    coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)
    torch.testing.assert_close(growth.real(x), (coarse + x) / 2)
    growth.clock.images = 400
    assert torch.equal(growth.real(x), x)


@pytest.mark.parametrize("name", NAMES)
def test_training_passes_through_all_levels_and_samples_have_the_datas_size(name) -> None:
    recipe = recipe_of(name, level_images=16)
    trainer = Trainer(recipe.model, recipe.optimizers, ema_half_life=100)
    sizes, x = [], pictures()
    first = [p.clone() for p in trainer.model.parameters()]
    for _ in range(10):
        sizes.append(int(trainer.model.growth.around[1]))
        trainer.step(Batch(x))
        assert trainer.ema.model.sample(2).shape == (2, 3, 16, 16)
    assert sizes == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert all(b.isfinite().all() for b in trainer.model.parameters())
    moved = [not torch.equal(a, b) for a, b in zip(first, trainer.model.parameters(), strict=True)]
    assert all(moved)


def test_a_resumed_run_goes_on_at_its_level(tmp_path) -> None:
    trainers = []
    for _ in range(2):
        recipe = recipe_of("progan", level_images=16)
        trainers.append(Trainer(recipe.model, recipe.optimizers, ema_half_life=100))
    a, b = trainers
    x = pictures()
    for _ in range(4):  # a fade is half done, and new layers have their first moments
        a.step(Batch(x))
    checkpoint.load(b, checkpoint.save(a, tmp_path))
    for _ in range(4):
        a.step(Batch(x))
        b.step(Batch(x))
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        assert torch.equal(p, q)


def test_every_layer_of_the_generator_starts_with_unit_variance() -> None:
    model = recipe_of("progan", side=32, width=16, max_width=64, level_images=0).model
    generator = model.generator
    found = {}
    for name, part in generator.named_modules():
        if name.endswith(("refine", "first")):
            part.register_forward_hook(lambda _, __, out, name=name: found.__setitem__(name, float(out.var())))
    with torch.no_grad(), rng.seeded("variance"):
        image = generator(torch.randn(64, 8))
    # Inputs have mean square 1 and a gain √2, so variances are near 2 before the leaky ReLU; zeros at borders lower them.
    assert len(found) == 4
    assert all(0.5 < value < 4 for value in found.values()), found
    assert 0.3 < float(image.var()) < 3


def test_pixel_norm_gives_mean_square_1() -> None:
    h = second_moment(3 * torch.randn(2, 16, 5, 5, generator=rng.generator("h")))
    torch.testing.assert_close(h.square().mean(1), torch.ones(2, 5, 5))


def test_drift_is_the_mean_square_of_real_scores() -> None:
    model = recipe_of("progan", drift=0.5).model
    with rng.seeded("turn"):
        r = model(Batch(pictures()))
        terms = model.critic_loss(r)
    torch.testing.assert_close(terms["drift"], 0.5 * model.critic(r.x).square().mean())
    assert "drift" not in recipe_of("progan", drift=0.0).model.critic_loss(r)


def test_penalties_are_on_the_slope_in_pixels_of_the_last_side() -> None:
    """A pixel of 4x4 is 16 pixels of 16x16, each with a 16th of its slope: a length of a quarter."""
    for name in NAMES:
        model = recipe_of(name).model
        r = model(Batch(pictures()))
        x = r.x.detach().requires_grad_()
        score = model.critic(x)
        (slope,) = torch.autograd.grad(score.sum(), x)
        squares = slope.flatten(1).square().sum(1) / 16
        if name == "progan":
            r.fake = r.x  # so that all points between are r.x
            expected = {"gradient penalty": 10 * (squares.sqrt() - 1).square().mean()}
            found = model.penalty(r)
        else:
            expected = {"R1": 0.5 * squares.mean()}
            found = model.players()[0].lazy[0].penalty(r)
        torch.testing.assert_close({k: v.detach() for k, v in found.items()}, expected, rtol=1e-4, atol=1e-6)


def test_mixing_counts_only_the_layers_in_use() -> None:
    model = recipe_of("stylegan").model
    counts = []
    for images in (0, 150, 250, 350, 400):
        model.clock.images = images
        counts.append(model.forward(Batch(pictures())).ws.shape[1])
    assert counts == [2, 4, 4, 6, 6]


@pytest.mark.parametrize("name", NAMES)
def test_growing_beyond_the_images_is_an_error(name) -> None:
    with pytest.raises(GanvasError, match="the images are 16x16"):
        recipe_of(name, start_size=32)
    with pytest.raises(GanvasError, match="does not give 36x36"):
        recipe_of(name, side=36)
    with pytest.raises(GanvasError):
        recipe_of(name, level_images=-1)


@pytest.mark.parametrize("wrong", [{"penalty": -1.0}, {"drift": -1.0}, {"width": 0}])
def test_settings_that_cannot_be_are_errors(wrong) -> None:
    with pytest.raises(GanvasError):
        recipe_of("progan", **wrong)


def test_a_filter_before_halving_keeps_constants_inside() -> None:
    growth = Growth((4, 8, 16), images=0)
    with rng.seeded("critic"):
        critic = GrowingCritic((3, 16, 16), growth, 4, 16, blur=True)
    fir = critic.blocks[0].fir
    h = torch.full((1, 2, 8, 8), 3.0)
    torch.testing.assert_close(fir.blur(h, padding=1)[:, :, 1:-1, 1:-1], h[:, :, 1:-1, 1:-1])


@pytest.mark.parametrize("name", ["stylegan2", "stylegan", "progan", "biggan"])
def test_large_image_systems_train_in_half_precision(name) -> None:
    small = {"width": 4, "max_width": 8, "latent": 8, "level_images": 16, "start_size": 4, "embedding": 4}
    info = DataInfo(shape=(3, 16, 16), classes=("a", "b"), num_train=512, mean=torch.zeros(3, 16, 16))
    function = RECIPES[name]
    with rng.seeded(name):
        recipe = build(function, info, {key: value for key, value in small.items() if key in options(function)})
    trainer = Trainer(recipe.model, recipe.optimizers, ema_half_life=100, precision="bf16")
    x = torch.rand((8, 3, 16, 16), generator=rng.generator("x")) * 2 - 1
    for _ in range(5):
        trainer.step(Batch(x, torch.arange(8) % 2))
    assert trainer.verdicts.skipped_steps == 0
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
    assert trainer.ema.model.sample(2, torch.tensor([0, 1])).isfinite().all()
