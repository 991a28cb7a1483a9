"""Convolutions made of products are the convolutions that torch makes, and only those that are worth it."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.machine import convolutions
from ganvas.machine.arithmetic import fast_arithmetic

pytestmark = pytest.mark.skipif(
    not hasattr(torch.library, "get_kernel"), reason="this torch does not give its kernels away"
)

SHAPES = [
    # kernel, stride, padding, height and width, transposed, output padding
    (4, 2, 1, (3, 3), False, 0),
    (4, 1, 0, (4, 4), False, 0),
    (4, 2, 1, (2, 3), False, 0),
    (3, 2, 1, (1, 2), False, 0),
    (3, 3, 0, (5, 7), False, 0),
    (3, 1, 1, (2, 2), False, 0),
    (5, 2, 2, (7, 4), False, 0),
    (1, 1, 0, (1, 1), False, 0),
    (1, 2, 0, (5, 4), False, 0),
    (2, 1, 2, (1, 1), False, 0),
    (4, 1, 0, (1, 1), True, 0),
    (4, 2, 1, (1, 1), True, 1),
    (3, 2, 1, (1, 1), True, 1),
    (3, 2, 1, (4, 3), True, 1),
    (4, 2, 1, (2, 5), True, 0),
]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each product was made, of convolutions of any size."""
    counts: Counter[str] = Counter()
    for name in ("gathered", "spread", "kernel_gradient"):
        original = getattr(convolutions, name)

        def counting(*arguments: Any, name: str = name, original: Any = original) -> Tensor:
            counts[name] += 1
            return original(*arguments)

        monkeypatch.setattr(convolutions, name, counting)
    return counts


@pytest.fixture
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("WORTH_IT", "PAIRS", "SHARE"):
        monkeypatch.setattr(convolutions, limit, 0)


def convolved(
    parts: list[Tensor], kernel: int, stride: int, padding: int, size: Any, transposed: bool, more: int
) -> list[Tensor]:
    """The map; a function's gradients in input, kernel and bias; and those of a function of the first of them."""
    x, weight, bias = (p.detach().requires_grad_() for p in parts)
    if transposed:
        out = F.conv_transpose2d(x, weight, bias, stride, padding, more)
    else:
        out = F.conv2d(x, weight, bias, stride, padding)
    first = torch.autograd.grad(out.square().sum(), (x, weight, bias), create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), (x, weight))
    return [t.detach() for t in (out, *first, *second)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES)
def test_map_and_derivatives_are_right(
    shape: Any, layout: torch.memory_format, every_size: None, used: Counter[str]
) -> None:
    kernel, _, _, size, transposed, _ = shape
    g = torch.Generator().manual_seed(0)
    channels = (5, 6) if transposed else (6, 5)
    x = torch.randn(3, 5, *size, generator=g).to(memory_format=layout)
    weight = torch.randn(*channels, kernel, kernel, generator=g).to(memory_format=layout)
    bias = torch.randn(6, generator=g)
    exact = convolved([p.double() for p in (x, weight, bias)], *shape)  # which is left to torch
    assert not used
    with fast_arithmetic():
        found = convolved([x, weight, bias], *shape)
    for ours, theirs in zip(found, exact, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))
    assert used["kernel_gradient"]
    one_point = found[0].shape[2:] == (1, 1) if not transposed else size == (1, 1)
    meets = kernel > shape[2]
    assert bool(used["gathered"] and used["spread"]) == (one_point and meets)
    assert found[2].stride() == weight.stride() or kernel == 1, "an optimiser walks both as they lie in memory"


@pytest.mark.parametrize(
    ("channels", "kernel", "size", "made"),
    [
        ((512, 256), 4, 2, {"gathered": 1, "spread": 1, "kernel_gradient": 1}),
        ((512, 256), 4, 8, {"kernel_gradient": 1}),
        ((64, 128), 4, 8, {}),
        ((512, 256), 4, 32, {}),
    ],
)
def test_only_where_it_is_worth_it(
    channels: tuple[int, int], kernel: int, size: int, made: dict[str, int], used: Counter[str]
) -> None:
    x = torch.randn(16, channels[1], size, size, requires_grad=True)
    weight = torch.randn(*channels, kernel, kernel, requires_grad=True)
    with fast_arithmetic():
        F.conv2d(x, weight, None, 2, 1).sum().backward()
    assert used == made


def test_frozen_kernels_cost_no_gradient(every_size: None, used: Counter[str]) -> None:
    x, weight = torch.randn(3, 5, 4, 4, requires_grad=True), torch.randn(6, 5, 4, 4)
    with fast_arithmetic():
        F.conv2d(x, weight, torch.randn(6), 1, 0).sum().backward()
    assert used == {"gathered": 1, "spread": 1}


@pytest.mark.parametrize("how", [{"groups": 2}, {"dilation": 2}, {"dtype": torch.float64}, {"dtype": torch.bfloat16}])
def test_the_rest_is_left_to_torch(how: dict[str, Any], every_size: None, used: Counter[str]) -> None:
    dtype = how.pop("dtype", torch.float32)
    x, weight = torch.randn(2, 4, 8, 8, dtype=dtype), torch.randn(4, 4 // how.get("groups", 1), 3, 3, dtype=dtype)
    weight.requires_grad_()
    before = F.conv2d(x, weight, **how)
    with fast_arithmetic():
        out = F.conv2d(x, weight, **how)
        out.sum().backward()
        assert F.conv1d(x[:, :, 0], weight[..., 0].detach(), **how).shape[0] == 2
    assert torch.equal(out, before)
    assert not used


def test_the_environment_can_prevent_it(monkeypatch: pytest.MonkeyPatch, every_size: None, used: Counter[str]) -> None:
    monkeypatch.setenv("GANVAS_PRODUCTS", "torch")
    with fast_arithmetic():
        F.conv2d(torch.randn(2, 3, 4, 4), torch.randn(5, 3, 4, 4)).sum()
    assert not used
