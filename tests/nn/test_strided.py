"""Strided convolutions in another layout are the same functions."""

import pytest
import torch
from torch import nn

from ganvas.nn.strided import double, halve


def derivatives(function, x: torch.Tensor, layer: nn.Module) -> list[torch.Tensor]:
    """The output, its first derivatives, and the second ones that a slope penalty needs."""
    x = x.clone().requires_grad_()
    y = function(x)
    first = torch.autograd.grad(y.tanh().sum(), (x, *layer.parameters()), create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), (x, *layer.parameters()))
    return [y, *first, *second]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("side", [8, 9])
def test_halving_is_the_convolution(channels: int, side: int, bias: bool) -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(channels, 5, 4, 2, 1, bias=bias).double(), torch.randn(2, channels, side, side).double()
    pairs = zip(
        derivatives(lambda x: halve(layer, x), x, layer), derivatives(lambda x: layer(x), x, layer), strict=True
    )
    for fast, plain in pairs:
        torch.testing.assert_close(fast, plain)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("extra", [0, 1])
def test_doubling_is_the_transposed_convolution(channels: int, extra: int, bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(5, channels, 4, 2, 1, output_padding=extra, bias=bias).double()
    h = torch.randn(2, 5, 4, 7).double()
    pairs = zip(
        derivatives(lambda h: double(layer, h), h, layer), derivatives(lambda h: layer(h), h, layer), strict=True
    )
    for fast, plain in pairs:
        torch.testing.assert_close(fast, plain)
