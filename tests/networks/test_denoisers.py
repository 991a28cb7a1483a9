"""Networks that predict at a time."""

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.networks import DiT, PointDenoiser, UNet

GRID = (4, 6, 6)


def awake(network: nn.Module) -> nn.Module:
    """The network with every weight drawn, as layers that begin at 0 would hide what is behind them."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.1)
    return network.eval()


def networks(num_classes: int = 0) -> list[nn.Module]:
    return [
        UNet(GRID, (8, 16), blocks=1, attention=3, num_classes=num_classes),
        DiT(GRID, width=16, depth=2, patch=2, heads=2, num_classes=num_classes),
        PointDenoiser(GRID, width=16, depth=2, num_classes=num_classes),
    ]


@pytest.mark.parametrize("kind", range(3), ids=["unet", "dit", "mlp"])
def test_a_prediction_begins_at_zero_and_is_told_time_and_class(kind: int) -> None:
    network = networks(num_classes=3)[kind]
    x, t = torch.randn(5, *GRID), torch.rand(5)
    y = torch.tensor([0, 1, 2, -1, 0])
    assert torch.equal(network(x, t, y), torch.zeros_like(x))
    network = awake(network)
    out = network(x, t, y)
    assert out.shape == x.shape
    later = network(x, t + 0.01, y)
    assert bool(((later - out).flatten(1).norm(dim=1) > 1e-4).all()), "a hundredth of the time is seen"
    other = network(x, t, torch.tensor([1, 2, 0, 0, -1]))
    assert bool(((other - out).flatten(1).norm(dim=1) > 1e-4).all())


@pytest.mark.parametrize("kind", range(3), ids=["unet", "dit", "mlp"])
def test_an_example_is_judged_by_itself_and_every_position_reaches_every_other(kind: int) -> None:
    network = awake(networks()[kind])
    x, t = torch.randn(3, *GRID), torch.rand(3)
    together = network(x, t)
    torch.testing.assert_close(network(x[1:2], t[1:2]), together[1:2], rtol=1e-4, atol=1e-5)
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(network(x, t)[0, :, 0, 0].sum(), x)
    assert bool((slope[0].abs().sum(0) > 0).all())
    assert not bool(slope[1:].any())


def test_a_unet_takes_odd_sides_and_a_transformer_only_what_its_patches_tile() -> None:
    network = awake(UNet((1, 7, 7), (8, 8, 8), blocks=1, attention=4))
    assert network(torch.randn(2, 1, 7, 7), torch.rand(2)).shape == (2, 1, 7, 7)
    with pytest.raises(GanvasError, match="do not tile"):
        DiT((1, 7, 7), patch=2)
    with pytest.raises(GanvasError, match="heads"):
        DiT((1, 8, 8), width=20, heads=4)


def test_a_transformer_lays_patches_back_where_they_came_from() -> None:
    """With the blocks' gates at 0 a token reaches its own patch alone."""
    network = DiT((2, 4, 4), width=16, depth=1, patch=2, heads=2)
    nn.init.normal_(network.last.weight)
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x, torch.rand(1))[0, :, 2:, :2].sum(), x)
    assert bool((slope[0, :, 2:, :2] != 0).all())
    assert not bool(slope[0, :, :2].any()) and not bool(slope[0, :, :, 2:].any())
