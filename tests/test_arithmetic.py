"""Fast arithmetic computes what torch computes, and leaves torch as it was."""

import subprocess
import sys

import pytest
import torch

from ganvas.machine import arithmetic, facts
from ganvas.machine.arithmetic import fast_arithmetic

SIDE = 128
assert SIDE**3 > arithmetic.Products.WORTH_IT


@pytest.fixture(params=["onednn", "torch"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "onednn" and not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch was built without oneDNN")
    if not hasattr(torch.library, "get_kernel"):
        pytest.skip("this torch does not give its kernels away")
    monkeypatch.setattr(arithmetic, "helps", lambda: request.param == "onednn")
    return request.param


def matrices() -> list[torch.Tensor]:
    """The same size in every layout: by rows, by columns, with gaps, one number or one row repeated."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(SIDE, SIDE, generator=g)
    gaps = torch.randn(2 * SIDE, 3 * SIDE, generator=g)[::2, ::3]
    return [a, a.t(), gaps, torch.ones(1, 1).expand(SIDE, SIDE), a[:1].expand(SIDE, SIDE)]


def test_products_are_right_in_every_layout(kernels: str) -> None:
    with fast_arithmetic():
        for a in matrices():
            for b in matrices():
                exact = a.double() @ b.double()
                torch.testing.assert_close((a @ b).double(), exact, rtol=1e-4, atol=1e-3)
                torch.testing.assert_close(
                    torch.addmm(a[0], a, b).double(), exact + a[0].double(), rtol=1e-4, atol=1e-3
                )
                torch.testing.assert_close(
                    torch.addmm(a, a, b, beta=2, alpha=3).double(), 3 * exact + 2 * a.double(), rtol=1e-4, atol=3e-3
                )


def test_first_and_second_derivatives_are_right(kernels: str) -> None:
    g = torch.Generator().manual_seed(0)
    x, w = torch.randn(SIDE, 100, generator=g), torch.randn(90, 100, generator=g) / 10  # within tanh's curve

    def slopes(x: torch.Tensor, w: torch.Tensor) -> list[torch.Tensor]:
        a, b = x.clone().requires_grad_(), w.clone().requires_grad_()
        (first,) = torch.autograd.grad(torch.nn.functional.linear(a, b).tanh().sum(), a, create_graph=True)
        return [first.detach(), *torch.autograd.grad(first.square().sum(), (a, b))]

    exact = slopes(x.double(), w.double())  # which is left to torch
    with fast_arithmetic():
        found = slopes(x, w)
    for ours, theirs in zip(
        found, exact, strict=True
    ):  # sums of a hundred terms cancel: the error is that of the largest
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_products_that_torch_refuses_are_refused_and_others_are_left_to_it(kernels: str) -> None:
    a = torch.randn(SIDE, SIDE)
    with fast_arithmetic():
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            a @ torch.randn(SIDE + 1, SIDE)
        with pytest.raises(RuntimeError, match="same dtype"):
            a @ a.double()
        assert torch.equal(a.double() @ a.double(), torch.mm(a.double(), a.double()))
        assert (torch.zeros(0, 5) @ torch.zeros(5, 7)).shape == (0, 7)


def test_torch_is_as_it_was_afterwards(kernels: str) -> None:
    a, tiny = torch.randn(SIDE, SIDE), torch.tensor(1e-40)
    before = a @ a
    with fast_arithmetic():
        with fast_arithmetic():
            assert float(tiny * 1) == 0
        assert float(tiny * 1) == 0, "left by the inner one"
        assert arithmetic._kernels is not None
    assert float(tiny * 1) > 0
    assert arithmetic._kernels is None
    assert torch.equal(a @ a, before)


PROCESSORS = [("AuthenticAMD", 26, True), ("AuthenticAMD", 25, False), ("GenuineIntel", 6, False), ("", 0, False)]


@pytest.mark.parametrize(("maker", "family", "helps"), PROCESSORS)
def test_who_multiplies_is_a_rule(maker: str, family: int, helps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch was built without oneDNN")
    for library in (torch.backends.mkl, torch.backends.mkldnn):
        monkeypatch.setattr(library, "is_available", lambda: True)
    monkeypatch.setattr(facts, "vector_instructions", lambda: "AVX512")
    monkeypatch.setattr(facts, "maker_and_family", lambda: (maker, family))
    assert arithmetic.helps.__wrapped__() == helps


NEWLY_CLEARED = """
import resource, torch
from ganvas.machine.arithmetic import fast_arithmetic

net = torch.nn.Sequential(torch.nn.Conv2d(8, 32, 3, 1, 1), torch.nn.BatchNorm2d(32), torch.nn.Conv2d(32, 8, 3, 1, 1))
x = torch.randn(64, 8, 32, 32)
with fast_arithmetic():
    for step in range(30):
        if step == 15:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.autograd.grad(net(x).square().mean(), list(net.parameters()))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.skipif(facts.glibc() is None, reason="the C library is not known to be glibc")
def test_memory_that_a_step_gave_up_is_not_cleared_again() -> None:
    done = subprocess.run([sys.executable, "-c", NEWLY_CLEARED], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 4_000  # pages; glibc left alone clears some 40,000 in these steps
