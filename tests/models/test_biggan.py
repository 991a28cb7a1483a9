"""BigGAN: classes, spectral and orthogonal weights, truncated codes with statistics of their own."""

import math

import pytest
import torch
from torch import nn

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.penalties import not_orthogonal
from ganvas.machine import rng
from ganvas.models.biggan import truncated_normal
from ganvas.recipes import RECIPES
from ganvas.training.recipe import Recipe, build
from ganvas.training.trainer import Trainer

SMALL = {"width": 4, "latent": 12, "embedding": 5}


def recipe_of(side: int = 16, classes: int = 3, **given) -> Recipe:
    shape = (3, side, side)
    info = DataInfo(shape=shape, classes=tuple("abcdef"[:classes]), num_train=512, mean=torch.zeros(shape))
    with rng.seeded("biggan"):
        return build(RECIPES["biggan"], info, SMALL | given)


def batch(num: int = 8) -> Batch:
    x = torch.rand((num, 3, 16, 16), generator=rng.generator("pictures")) * 2 - 1
    return Batch(x, torch.arange(num) % 3)


def codes(num: int = 6) -> torch.Tensor:
    return torch.randn(num, 12, generator=rng.generator("z"))


def test_the_difference_of_two_classes_scores_is_linear_in_the_features() -> None:
    critic = recipe_of().model.critic.eval()
    x = batch().x
    a, b = (critic(x, torch.full((8,), k)) for k in (0, 1))
    v = critic.head.projection.table.weight
    torch.testing.assert_close(a - b, critic.features(x) @ (v[0] - v[1]))


def test_all_weights_but_class_vectors_have_largest_singular_value_1() -> None:
    model = recipe_of(attention=8).model.double()
    for _ in range(100):  # each forward is one step of power iteration
        with torch.no_grad(), rng.seeded("power"):
            model.critic(model.generator(codes().double(), torch.arange(6) % 3), torch.arange(6) % 3)
    checked = 0
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding) and not name.startswith("generator.classes"):
            largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
            # power iteration converges slowly where two singular values are close
            assert float(largest) == pytest.approx(1.0, abs=2e-2), name
            checked += 1
    assert checked > 20
    assert float(torch.linalg.matrix_norm(model.generator.classes.table.weight.detach(), 2)) == pytest.approx(
        1.0
    )  # as initialised


def test_the_regulariser_is_0_for_orthogonal_rows_and_equals_its_definition() -> None:
    rows = torch.linalg.qr(torch.randn(6, 6, generator=rng.generator("q")))[0]
    scaled = torch.tensor([3.0, 1.0, 0.5, 2.0])[:, None] * rows[:4]
    assert float(not_orthogonal([scaled])) == pytest.approx(0.0, abs=1e-4)
    for shape in ((4, 7), (9, 2, 2, 1)):
        w = torch.randn(shape, generator=rng.generator("w")).double().requires_grad_()
        flat = w.flatten(1)
        expected = ((flat @ flat.T) * (1 - torch.eye(len(flat)))).square().sum()
        torch.testing.assert_close(not_orthogonal([w]), expected)
        (slope,) = torch.autograd.grad(not_orthogonal([w]), w)
        direct = 4 * ((flat @ flat.T) * (1 - torch.eye(len(flat)))) @ flat
        torch.testing.assert_close(slope.flatten(1), direct)


def test_class_vectors_are_not_made_orthogonal() -> None:
    model = recipe_of().model
    weights = {id(w) for w in model.weights()}
    assert not weights & {id(p) for p in model.generator.classes.parameters()}
    matrices = [p for name, p in model.generator.named_parameters() if p.dim() > 1 and "classes" not in name]
    assert len(weights) == len(matrices)


def test_each_block_has_its_part_of_the_code() -> None:
    generator = recipe_of().model.generator.eval()
    seen: dict[int, torch.Tensor] = {}
    for i, block in enumerate(generator.blocks):
        block.register_forward_pre_hook(lambda _, args, i=i: seen.__setitem__(i, args[1]))
    z, y = codes(), torch.arange(6) % 3
    generator(z, y)
    for i in range(2):
        torch.testing.assert_close(seen[i], torch.cat([generator.classes(y), z[:, 4 * (i + 1) : 4 * (i + 2)]], dim=1))


def test_truncated_codes_are_within_the_limit_and_normal_inside() -> None:
    z = torch.randn(200_000, generator=rng.generator("normal"))
    cut = truncated_normal(z, 1.0)
    assert float(cut.abs().max()) <= 1
    # the variance of a normal distribution cut at ±1 is 1 − 2φ(1) / (2Φ(1) − 1)
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * density / math.erf(1 / math.sqrt(2))
    assert float(cut.var()) == pytest.approx(variance, rel=0.02)
    torch.testing.assert_close(truncated_normal(z, 8.0), z, rtol=1e-3, atol=1e-4)
    assert torch.equal(truncated_normal(z, 0.0), torch.zeros_like(z))


def test_truncation_0_gives_one_image_for_each_class_and_none_brings_back_the_statistics() -> None:
    recipe = recipe_of()
    trainer = Trainer(recipe.model, recipe.optimizers)
    for _ in range(3):
        trainer.step(batch())
    model = trainer.model.eval()
    y = torch.tensor([0, 0, 1, 1, 2, 2])
    before = model.generate(codes(), y)
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.sampling(truncation=0.0)
    x = model.generate(codes(), y)
    torch.testing.assert_close(x[::2], x[1::2])
    assert not torch.allclose(x[0], x[2], atol=1e-3)
    model.sampling(truncation=0.5)
    norm = next(part for part in model.generator.modules() if isinstance(part, nn.BatchNorm2d))
    assert int(norm.num_batches_tracked) == 16
    assert not norm.training
    assert norm.momentum == 0.1
    model.sampling()
    assert all(torch.equal(buffer, kept[name]) for name, buffer in model.named_buffers())
    assert torch.equal(model.generate(codes(), y), before)


def test_statistics_of_truncated_codes_are_those_of_a_large_batch() -> None:
    model = recipe_of().model.eval()
    model.sampling(truncation=0.5)
    norm = model.generator.norm
    inputs: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    with torch.no_grad(), rng.seeded("many"):
        z, y = model.drawn(1024)
        for part in model.generator.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.train()
                part.momentum = 0.0
        model.generate(z, y)
    # means of 1,024 images each, of values near 1
    torch.testing.assert_close(norm.running_mean, inputs[0].mean((0, 2, 3)), rtol=0.1, atol=0.05)


def test_real_and_generated_images_pass_the_critic_together() -> None:
    model = recipe_of().model
    sizes: list[int] = []
    model.critic.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    r = model(batch())
    model.critic_loss(r)
    assert sizes == [16]
    assert set(r.fake_y.tolist()) <= {0, 1, 2}


def test_ada_follows_the_real_scores() -> None:
    recipe = recipe_of(ada=True)
    trainer = Trainer(recipe.model, recipe.optimizers)
    for _ in range(4):
        trainer.step(batch())
    assert "ADA probability" in trainer.logged.peek()["logged"]


def test_images_without_labels_are_an_error() -> None:
    with pytest.raises(GanvasError, match="needs labels"):
        recipe_of(classes=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latent": 2},
        {"latent": 0},
        {"width": 0},
        {"embedding": 0},
        {"critic_steps": 0},
        {"orthogonal": -1.0},
        {"attention": 5},
    ],
)
def test_settings_that_cannot_be_are_errors(wrong) -> None:
    with pytest.raises(GanvasError):
        recipe_of(**wrong)
