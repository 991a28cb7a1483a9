"""StyleGAN2: demodulation, resampling, lazy penalties, mixing and truncation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.penalties import path_lengths
from ganvas.machine import rng
from ganvas.nn.blocks import MinibatchStddev
from ganvas.nn.equalised import EqualisedConv2d, EqualisedLinear
from ganvas.nn.filtered import Fir
from ganvas.nn.modulation import ModulatedConv2d
from ganvas.recipes import RECIPES
from ganvas.training.recipe import Recipe, build
from ganvas.training.trainer import Trainer

SMALL = {"width": 4, "max_width": 16, "latent": 8}


def recipe_of(side: int = 16, channels: int = 3, classes: int = 0, **given) -> Recipe:
    shape = (channels, side, side)
    info = DataInfo(shape=shape, classes=tuple("abcdef"[:classes]), num_train=512, mean=torch.zeros(shape))
    with rng.seeded("stylegan2"):
        return build(RECIPES["stylegan2"], info, SMALL | given)


def batch(side: int = 16, num: int = 8, classes: int = 0) -> Batch:
    g = rng.generator("pictures", side)
    y = torch.arange(num) % classes if classes else None
    return Batch(torch.rand((num, 3, side, side), generator=g) * 2 - 1, y)


def test_demodulated_outputs_have_unit_variance_for_any_style() -> None:
    with rng.seeded("demodulation"):
        convolution = ModulatedConv2d(24, 10, 3, latent=6)
        h = torch.randn(64, 24, 18, 18)
        w = 5 * torch.randn(64, 6)
    inner = convolution(h, w, torch.zeros(10))[:, :, 1:-1, 1:-1]  # at the border zeros enter
    # 64 x 256 values for each channel, which are correlated among 3x3 neighbours: 5 % is more than four standard errors.
    torch.testing.assert_close(inner.var((0, 2, 3)), torch.ones(10), rtol=0.05, atol=0)


@pytest.mark.parametrize("up", [False, True])
def test_scaled_activations_equal_weights_for_each_example(up) -> None:
    with rng.seeded("modulation"):
        convolution = ModulatedConv2d(5, 4, 3, latent=6, up=up).double()
        h, w = torch.randn(3, 5, 8, 8).double(), torch.randn(3, 6).double()
    weights = convolution.weight * convolution.affine(w)[:, None, :, None, None]
    weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    for out, one, weight in zip(convolution(h, w, torch.zeros(4).double()), h, weights, strict=True):
        if up:
            wide = F.conv_transpose2d(one[None], weight.transpose(0, 1), stride=2)
            expected = Fir().double().blur(wide, padding=1, gain=4.0)
        else:
            expected = F.conv2d(one[None], weight, padding=1)
        torch.testing.assert_close(out, expected[0])


def test_a_style_times_a_constant_changes_nothing() -> None:
    with rng.seeded("modulation"):
        convolution = ModulatedConv2d(5, 4, 3, latent=6)
        h, w = torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    before = convolution(h, w, torch.zeros(4))
    with torch.no_grad():
        convolution.affine.weight *= 7
        convolution.affine.bias *= 7
    torch.testing.assert_close(convolution(h, w, torch.zeros(4)), before, rtol=1e-4, atol=1e-5)


def test_up_then_down_is_the_identity_on_constants() -> None:
    fir, h = Fir(), torch.full((1, 2, 8, 8), 3.0)
    up = fir.up(h)
    torch.testing.assert_close(up[:, :, 1:-1, 1:-1], torch.full((1, 2, 14, 14), 3.0))
    torch.testing.assert_close(fir.down(up)[:, :, 1:-1, 1:-1], h[:, :, 1:-1, 1:-1])
    torch.testing.assert_close(fir.down(h)[:, :, 1:-1, 1:-1], torch.full((1, 2, 2, 2), 3.0))


def test_equalised_layers_keep_the_variance_and_a_rate_does_not_change_the_output() -> None:
    with rng.seeded("equalised"):
        x = torch.randn(4000, 32)
        plain = EqualisedLinear(32, 16)
        slow = EqualisedLinear(32, 16, rate=0.01)
        convolution = EqualisedConv2d(8, 16, 3)
        h = torch.randn(16, 8, 12, 12)
    assert 0.7 < float(plain(x).detach().var()) < 1.4
    assert 0.7 < float(convolution(h).detach()[:, :, 1:-1, 1:-1].var()) < 1.4
    with torch.no_grad():
        slow.weight.copy_(plain.weight / 0.01)
    torch.testing.assert_close(slow(x), plain(x), rtol=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad(slow(x).sum(), slow.weight)
    (plain_slope,) = torch.autograd.grad(plain(x).sum(), plain.weight)
    torch.testing.assert_close(slope, 0.01 * plain_slope, rtol=1e-4, atol=1e-5)


def test_example_i_is_grouped_with_i_plus_a_quarter_of_the_batch() -> None:
    h = torch.tensor([0.0, 10.0, 2.0, 10.0, 0.0, 10.0, 2.0, 10.0]).view(8, 1, 1, 1)
    spread = MinibatchStddev(4)(h)[:, 1].flatten()
    # examples 0, 2, 4, 6 are one group: their deviation is 1; the others are all alike: √1e-8
    torch.testing.assert_close(spread, torch.tensor([1.0, 1e-4] * 4))
    assert MinibatchStddev(4)(torch.randn(5, 3, 2, 2)).shape == (5, 4, 2, 2)  # one group of five
    assert MinibatchStddev(4)(torch.randn(3, 3, 2, 2)).shape == (3, 4, 2, 2)


class Linear(nn.Module):
    """g(w) = A w, from the w of the only layer, (N, 1, 5), to images of 2x3x4."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.randn(24, 5, generator=rng.generator("matrix"))

    def forward(self, ws: torch.Tensor) -> torch.Tensor:
        return (ws[:, 0] @ self.matrix.T).view(-1, 2, 3, 4)


def test_the_squared_path_length_of_a_linear_map_is_its_norm_over_the_pixels() -> None:
    linear = Linear()
    with rng.seeded("path"):
        squares = path_lengths(linear, torch.randn(20_000, 1, 5)).square()
    expected = linear.matrix.square().sum() / 12
    standard_error = float(squares.std()) / 20_000**0.5
    assert abs(float(squares.mean() - expected)) < 4 * standard_error


def test_path_penalty_is_measured_from_the_running_mean_which_then_follows() -> None:
    recipe = recipe_of(mixing=0.0)
    trainer = Trainer(recipe.model, recipe.optimizers)
    model = trainer.model
    model.mean_path.fill_(0.5)
    before = model.mean_w.clone()
    trainer.step(batch())  # step 0: all penalties are due
    assert float(model.mean_path) != 0.5
    assert not torch.equal(model.mean_w, before)
    after = model.mean_path.clone()
    trainer.step(batch())  # step 1: none
    assert torch.equal(model.mean_path, after)


def test_penalties_come_every_16_and_every_4_turns() -> None:
    recipe = recipe_of()
    trainer = Trainer(recipe.model, recipe.optimizers)
    counts = {"R1": 0, "path length": 0}
    real_move = trainer._move

    def counted(seat, terms, gradients):
        for name in counts:
            counts[name] += name in terms
        real_move(seat, terms, gradients)

    trainer._move = counted
    for _ in range(17):
        trainer.step(batch(num=2))
    assert counts == {"R1": 2, "path length": 5}


def test_mixing_takes_later_layers_from_another_code_at_a_layer_of_each_image() -> None:
    model = recipe_of(mixing=1.0).model
    with rng.seeded("mixing"):
        ws = model.layered(torch.zeros(64, 8))
        mixed = model.mixed(ws, None)
    from_other = (mixed != 0).any(2)
    assert not from_other[:, 0].any()
    assert from_other[:, -1].all()
    assert torch.equal(from_other, from_other.cummax(1).values)  # never back to the first code
    assert len(set(from_other.sum(1).tolist())) == ws.shape[1] - 1
    assert recipe_of(mixing=0.0).model.mixed(ws, None) is ws


def test_truncation_0_gives_one_image_and_1_changes_nothing() -> None:
    model = recipe_of().model.eval()
    model.mean_w.copy_(torch.randn(8, generator=rng.generator("mean")))
    z = torch.randn(4, 8, generator=rng.generator("z"))
    free = model.generate(z)
    model.sampling(truncation=0.0)
    one = model.generate(z)
    torch.testing.assert_close(one, one[:1].expand_as(one))
    assert not torch.allclose(free, free[:1].expand_as(free))
    model.sampling()
    assert torch.equal(model.generate(z), free)


def test_the_mean_of_a_constant_mapping_is_that_constant() -> None:
    recipe = recipe_of(mixing=0.0, path_weight=0.0, r1=0.0)
    trainer = Trainer(recipe.model, recipe.optimizers)
    model = trainer.model
    model.mapping = Constant(8)
    for _ in range(3):
        with torch.no_grad():
            model.follow({"critic": model(batch())})
    # after n steps a running mean from 0 has 1 − 0.995^n of the constant
    torch.testing.assert_close(model.mean_w, torch.full((8,), 2.5 * (1 - 0.995**3)))


class Constant(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        return torch.full((len(z), self.size), 2.5)


def test_a_conditional_run_uses_the_class_in_both_networks() -> None:
    model = recipe_of(classes=3, conditional=True).model.eval()
    z = torch.randn(2, 8, generator=rng.generator("z"))
    a, b = (model.generate(z, torch.full((2,), k)) for k in (0, 1))
    assert not torch.allclose(a, b)
    assert not torch.allclose(model.critic(a, torch.zeros(2).long()), model.critic(a, torch.ones(2).long()))


@pytest.mark.parametrize("side", [33, 36, 60])
def test_odd_sizes_are_an_error_with_sizes_that_work(side) -> None:
    with pytest.raises(GanvasError) as error:
        recipe_of(side)
    named = [int(word.strip(",:")) for word in error.value.hint.split() if word.strip(",:").isdigit()]
    assert len(named) >= 3
    for good in named:
        recipe_of(good)


@pytest.mark.parametrize(
    "wrong",
    [
        {"conditional": True},
        {"width": 0},
        {"max_width": 0},
        {"mixing": 1.5},
        {"path_weight": -1.0},
        {"mapping_depth": 0},
    ],
)
def test_settings_that_cannot_be_are_errors(wrong) -> None:
    with pytest.raises(GanvasError):
        recipe_of(**wrong)
