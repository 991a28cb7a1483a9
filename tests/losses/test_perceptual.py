import pytest
import torch

from ganvas.losses.perceptual import RandomPerceptual, unit


def stripes(period: int, shift: int = 0) -> torch.Tensor:
    columns = ((torch.arange(16) + shift) // (period // 2) % 2).float() * 2 - 1
    return columns.expand(1, 1, 16, 16)


def test_equal_pictures_are_at_distance_0_and_others_are_not() -> None:
    d = RandomPerceptual(3)
    x = torch.rand(4, 3, 16, 16) * 2 - 1
    assert torch.equal(d(x, x), torch.zeros(4))
    other = torch.rand(4, 3, 16, 16) * 2 - 1
    assert (d(x, other) > 0.01).all()
    torch.testing.assert_close(d(x, other), d(other, x))


def test_it_is_the_sum_over_layers_of_unit_channel_distances() -> None:
    d = RandomPerceptual(1, widths=(5, 6))
    x, other = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    expected = torch.zeros(2)
    for a, b in zip(d.features(x), d.features(other), strict=True):
        a, b = (h / (h.square().sum(1, keepdim=True) + 1e-6).sqrt() for h in (a, b))
        expected = expected + (a - b).square().sum(1).mean((1, 2))
    torch.testing.assert_close(d(x, other), expected)
    assert [h.shape for h in d.features(x)] == [(2, 5, 8, 8), (2, 6, 4, 4)]
    lengths = unit(torch.randn(2, 5, 3, 3)).square().sum(1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-4, rtol=0)


def test_a_texture_that_is_shifted_is_nearer_than_one_that_is_blurred_away() -> None:
    d = RandomPerceptual(1)
    x = stripes(4)
    shifted, grey = stripes(4, shift=1), torch.zeros_like(x)
    assert (x - shifted).square().mean() >= (x - grey).square().mean(), "pixels prefer the blur"
    assert float(d(x, shifted)) < float(d(x, grey))


def test_contrast_matters() -> None:
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    d = RandomPerceptual(1)
    assert (d(x, 0.5 * x) > 0.02).all()


def test_the_network_is_the_same_everywhere_and_never_moves() -> None:
    a = RandomPerceptual(3)
    state = torch.random.get_rng_state()
    b = RandomPerceptual(3)
    assert torch.equal(state, torch.random.get_rng_state())
    for p, q in zip(a.buffers(), b.buffers(), strict=True):
        assert torch.equal(p, q)
    assert not list(a.parameters())


@pytest.mark.parametrize("size", [4, 5, 8, 12, 28, 33])
def test_any_size_from_4_pixels_works_and_has_a_slope(size: int) -> None:
    x = torch.rand(2, 1, size, size)
    reconstruction = torch.zeros(2, 1, size, size, requires_grad=True)
    RandomPerceptual(1)(x, reconstruction).sum().backward()
    assert torch.isfinite(reconstruction.grad).all() and (reconstruction.grad != 0).any()


def test_deep_layers_say_as_much_as_early_ones() -> None:
    x = torch.randn(4, 3, 32, 32)
    energies = [float(h.square().mean()) for h in RandomPerceptual(3).features(x)]
    assert max(energies) < 20 * min(energies)
