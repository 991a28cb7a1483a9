"""Faster arithmetic than torch's defaults: matrix products, denormal numbers, and memory."""

import functools
import os
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ganvas.machine import facts
from ganvas.machine.convolutions import Convolutions

_lock = threading.Lock()
_inside = 0
_kernels: torch.library.Library | None = None


class _Thread(threading.local):
    """How many of these contexts a thread is in."""

    def __init__(self) -> None:
        self.inside = 0
        self.flushed_before = False


_thread = _Thread()


@contextmanager
def fast_arithmetic() -> Generator[None]:
    """Within this context, this thread's arithmetic on the CPU is as fast as possible. Contexts may overlap.

    Products of float32 matrices, also in backward passes, use oneDNN if that `helps`. Convolutions with few positions become
    products (`convolutions.py`). GANVAS_PRODUCTS=torch in the environment prevents both. Numbers below 1.2e-38 count as 0:
    gradients of a certain discriminator are that small, and each costs a hundred times as much as an ordinary number.
    Memory freed by a step is kept for the next one. Otherwise the system would clear it again, page by page.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _begin()
    _thread.inside += 1
    if _thread.inside == 1:
        _thread.flushed_before = float(torch.tensor(1e-40) * 1) == 0
        torch.set_flush_denormal(True)
    try:
        yield
    finally:
        _thread.inside -= 1
        if _thread.inside == 0:
            torch.set_flush_denormal(_thread.flushed_before)
        with _lock:
            _inside -= 1
            if _inside == 0:
                _end()


def _begin() -> None:
    """What is of the whole process. The kernels are used by threads in a context only."""
    global _kernels
    _kernels = _registered()
    _hold_memory(2**30, 2**30)


def _end() -> None:
    global _kernels
    if _kernels is not None:
        _kernels._destroy()  # pyright: ignore[reportPrivateUsage]
        _kernels = None
    _hold_memory(*LEARNT)


LEARNT = (2**25, 2**26)
"""The values to which glibc's allocator raises its two thresholds in a process that frees large blocks."""


def _hold_memory(single: int, free: int) -> None:
    """Blocks below `single` bytes come from the heap, which keeps up to `free` unused bytes. Only glibc supports this."""
    library = facts.glibc()
    if library is not None:
        library.mallopt(-3, single)  # M_MMAP_THRESHOLD
        library.mallopt(-1, free)  # M_TRIM_THRESHOLD


@functools.cache
def helps() -> bool:
    """Whether oneDNN multiplies much faster than MKL on this machine.

    MKL uses its 256-bit path on processors not made by Intel, even if they have 512-bit units. oneDNN uses what the processor
    has. On one core of an AMD EPYC of family 26 that is 230 against 107 billion operations a second. Family 25 has AVX-512 on
    256-bit units: 105 against 93, a gain smaller than the overhead for dense networks.
    The rule is fixed, without a measurement, so that a resumed run computes the same.
    """
    maker, family = facts.maker_and_family()
    return (
        hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and facts.vector_instructions() == "AVX512"
        and maker == "AuthenticAMD"
        and family >= 26
    )


def _registered() -> torch.library.Library | None:
    """None if torch does not expose its own kernels (before 2.9), or if the environment forbids it."""
    find = getattr(torch.library, "get_kernel", None)
    if find is None or os.environ.get("GANVAS_PRODUCTS") == "torch":
        return None
    library = torch.library.Library("aten", "IMPL")
    usual = {name: find(f"aten::{name}", "CPU") for name in ("convolution", "convolution_backward", "mm", "addmm")}
    convolutions = Convolutions(usual["convolution"], usual["convolution_backward"])
    ours = {"convolution": convolutions.forward, "convolution_backward": convolutions.backward}
    if helps():
        products = Products(usual["mm"], usual["addmm"])
        ours |= {"mm": products.mm, "addmm": products.addmm}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about replaced kernels, which is the purpose
        for name, kernel in ours.items():
            library.impl(name, _in_context(kernel, usual[name]), "CPU", with_keyset=True)
    return library


def _in_context(kernel: Callable[..., Any], usual: Any) -> Callable[..., Any]:
    """A kernel that is used by threads in a context of `fast_arithmetic`; others use torch's own."""

    def call(keys: Any, *arguments: Any, **options: Any) -> Any:
        return (kernel if _thread.inside else usual.call_boxed)(keys, *arguments, **options)

    return call


class Products:
    """The operators `mm` and `addmm` on the CPU: large ones by oneDNN. usual: torch's own kernels of both."""

    WORTH_IT = 1_000_000
    """The minimum multiply-adds of a product for oneDNN: its preparation takes as long as MKL takes for this many."""

    def __init__(self, usual_mm: Any, usual_addmm: Any) -> None:
        self.usual_mm, self.usual_addmm = usual_mm, usual_addmm

    def mm(self, keys: Any, a: Tensor, b: Tensor) -> Tensor:
        return _product(a, b, None) if self._large(a, b) else self.usual_mm.call_boxed(keys, a, b)

    def addmm(self, keys: Any, bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        simple = beta == 1 and alpha == 1 and bias.shape == b.shape[1:] and bias.dtype is torch.float32
        if simple and self._large(a, b):
            return _product(a, b, bias.contiguous())
        return self.usual_addmm.call_boxed(keys, bias, a, b, beta=beta, alpha=alpha)

    def _large(self, a: Tensor, b: Tensor) -> bool:
        return (
            a.shape[0] * b.numel() >= self.WORTH_IT
            and a.dtype is torch.float32
            and b.dtype is torch.float32
            and a.shape[1] == b.shape[0]
        )


_NO_ARGUMENTS: list[None] = []


def _product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """a (N, K) times b (K, M), plus bias (M,)."""
    weight = b.t()
    if not (weight.is_contiguous() or b.is_contiguous()):
        weight = weight.contiguous()
    return torch.ops.mkldnn._linear_pointwise(a, weight, bias, "none", _NO_ARGUMENTS, "")
