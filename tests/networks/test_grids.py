"""Normalisation in groups, layers that begin at nothing, and residual networks that end on a grid of codes."""

import pytest
import torch

from ganvas.networks import GridPosterior, Resnet
from ganvas.nn.init import zeroed
from ganvas.nn.norms import group_norm, groups


@pytest.mark.parametrize("channels", [1, 3, 8, 12, 20, 64, 96, 128, 256])
def test_groups_share_channels_out_evenly_in_fours_or_more(channels: int) -> None:
    n = groups(channels)
    assert channels % n == 0 and n <= 32
    assert n == 1 or channels // n >= 4


def test_there_are_as_many_groups_as_fit() -> None:
    assert [groups(c) for c in (8, 64, 128, 256)] == [2, 16, 32, 32]


def test_each_group_of_each_example_has_mean_zero_and_variance_one() -> None:
    h = 3 * torch.randn(2, 16, 5, 5) + torch.arange(16.0).reshape(1, 16, 1, 1)
    out = group_norm(16, 2)(h).detach().reshape(2, 4, 4, 5, 5)
    torch.testing.assert_close(out.mean((2, 3, 4)), torch.zeros(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var((2, 3, 4), correction=0), torch.ones(2, 4), atol=1e-3, rtol=0)


def test_a_zeroed_layer_gives_nothing_and_learns() -> None:
    layer = zeroed(torch.nn.Linear(3, 2))
    x = torch.randn(4, 3)
    assert torch.equal(layer(x), torch.zeros(4, 2))
    assert bool((torch.autograd.grad(layer(x).sum(), layer.weight)[0] != 0).any())


def test_a_grid_posterior_has_a_mean_and_a_variance_at_each_place() -> None:
    family = Resnet(width=8, halvings=2)
    encoder = GridPosterior(family.analysis((3, 16, 16), norm=group_norm), (5, 4, 4))
    q = encoder(torch.randn(2, 3, 16, 16))
    assert q.batch_shape == (2,) and q.event_shape == (5, 4, 4)
    assert q.mean.shape == q.variance.shape == (2, 5, 4, 4)


def test_plain_blocks_are_added_on_the_coarsest_map_alone() -> None:
    none, two = (
        Resnet(width=8, halvings=2, plain=n).synthesis((5, 4, 4), (3, 16, 16), norm=group_norm) for n in (0, 2)
    )
    coarsest = two.seed.layer.out_channels
    block = 2 * (9 * coarsest * coarsest + coarsest) + 4 * coarsest
    assert count(two) - count(none) == 2 * block
    assert two(torch.randn(2, 5, 4, 4)).shape == (2, 3, 16, 16)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
