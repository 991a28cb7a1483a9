"""A convolution made one with the resampling beside it is the same function, with the same derivatives."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.nn.resampled import averaged, enlarged


def slopes(out: Tensor, wanted: list[Tensor]) -> list[Tensor]:
    """The map, its gradients, and those of a function of the first of them, as R1 has it."""
    first = torch.autograd.grad(out.square().sum(), wanted, create_graph=True)
    return [out, *first, *torch.autograd.grad(first[0].square().sum(), wanted[:2])]


@pytest.mark.parametrize("side", [(1, 1), (2, 3), (7, 7), (8, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_same_as_one_after_the_other(side: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1, bias=bias).double()
    h = torch.randn(2, 3, *side, dtype=torch.float64, requires_grad=True)
    wanted = [h, *convolution.parameters()]
    pairs = [(enlarged(convolution, h), convolution(F.interpolate(h, scale_factor=2)))]
    if min(side) > 1:
        pairs.append((averaged(convolution, h), F.avg_pool2d(convolution(h), 2)))
    for ours, plain in pairs:
        for a, b in zip(slopes(ours, wanted), slopes(plain, wanted), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_any_size_can_be_asked_for() -> None:
    convolution, h = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 3, 3)
    for size in ((6, 6), (7, 7), (9, 6)):
        torch.testing.assert_close(enlarged(convolution, h, size), convolution(F.interpolate(h, size=size)))


def test_multiplies_less() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    convolution, h = nn.Conv2d(8, 8, 3, padding=1), torch.randn(2, 8, 16, 16)

    def flops(out: object) -> int:
        with FlopCounterMode(display=False) as counter:
            out() if callable(out) else None
        return counter.get_total_flops()

    assert (
        flops(lambda: enlarged(convolution, h)) * 9 == flops(lambda: convolution(F.interpolate(h, scale_factor=2))) * 4
    )
    assert flops(lambda: averaged(convolution, h)) * 9 == flops(lambda: F.avg_pool2d(convolution(h), 2)) * 4


def test_other_convolutions_are_refused() -> None:
    with pytest.raises(AssertionError, match="not so"):
        enlarged(nn.Conv2d(3, 4, 5, padding=2), torch.randn(1, 3, 4, 4))
