"""Layers of light generators, and the generator that is made of them."""

import pytest
import torch
from torch import nn

from ganvas.machine import rng
from ganvas.networks.fastgan import FastSynthesis
from ganvas.nn.excitation import Blur, GatedLinearUnit, NoiseInjection, SkipLayerExcitation


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=rng.generator("excitation", shape))


def test_a_gate_of_one_is_the_identity() -> None:
    layer = SkipLayerExcitation(6, 4)
    fine, coarse = noise(2, 4, 16, 16), noise(2, 6, 4, 4)
    assert not torch.equal(layer(fine, coarse), fine)
    layer.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.Sigmoid())
    nn.init.zeros_(layer.gate[1].weight)
    nn.init.constant_(layer.gate[1].bias, 1e4)  # whose sigmoid is 1
    assert torch.equal(layer(fine, coarse), fine)


def test_a_gate_is_one_number_a_channel_between_0_and_1() -> None:
    layer = SkipLayerExcitation(6, 4)
    gate = layer(torch.ones(2, 4, 16, 16), noise(2, 6, 4, 4))
    assert torch.equal(gate, gate[:, :, :1, :1].expand_as(gate))
    assert float(gate.detach().min()) > 0 and float(gate.detach().max()) < 1


def test_an_open_gate_passes_the_value() -> None:
    value, gate = noise(2, 3, 4, 4), torch.full((2, 3, 4, 4), 1e4)
    assert torch.equal(GatedLinearUnit()(torch.cat([value, gate], 1)), value)
    assert torch.equal(GatedLinearUnit()(torch.cat([value, 0 * gate], 1)), value / 2)


def test_noise_begins_at_nothing_and_is_fixed_in_evaluation() -> None:
    layer, h = NoiseInjection(8), noise(2, 3, 8, 8)
    assert torch.equal(layer(h), h)
    nn.init.ones_(layer.weight)
    with rng.seeded("a"):
        a, b = layer(h), layer(h)
    assert not torch.equal(a, b)
    layer.eval()
    assert torch.equal(layer(h), layer(h))
    assert not layer.state_dict().keys() - {"weight"}


def test_blur_keeps_constants_and_removes_a_lattice() -> None:
    blur = Blur(3)
    constant = torch.full((1, 3, 8, 8), 0.7)
    torch.testing.assert_close(blur(constant), constant)
    row = torch.tensor([1.0, -1.0]).repeat(4)
    lattice = (row * torch.ones(8, 1)).expand(1, 3, 8, 8)
    assert float(blur(lattice)[..., 1:-1].abs().max()) < 1e-6


@pytest.mark.parametrize("side", [8, 12, 32, 64, 128, 256])
def test_the_generator_makes_images_of_any_side(side) -> None:
    generator = FastSynthesis(8, (3, side, side), width=2, growth=2)
    assert generator(noise(2, 8)).shape == (2, 3, side, side)
    used = {4: 1, 5: 2, 6: 3}.get(len(generator.sides) - 1, 1)
    assert len(generator.excitations) == used


def test_a_code_is_scaled_before_it_is_used() -> None:
    generator = FastSynthesis(8, (3, 16, 16), width=2).eval()
    z = noise(2, 8)
    torch.testing.assert_close(generator(z), generator(3 * z), rtol=1e-4, atol=1e-5)
