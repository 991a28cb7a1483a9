"""Randomness that a seed creates, and that leaves the caller's own generators as they were."""

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor

_share = (0, 1)
"""Rank and number of processes; a plain global, which torch.compile can read."""


def derive(*parts: object) -> int:
    """A 63-bit seed that depends on every part and on nothing else: derive(seed, "step", 12)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def reseed(device: str, *parts: object) -> None:
    """Sets torch's own generators, of the CPU and of `device`, to `derive(*parts)`.

    `torch.manual_seed` would also format a stack trace for devices that are not there: half a millisecond a call.
    """
    seed = derive(*parts)
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        torch.cuda.manual_seed(seed)
    elif device.startswith("mps"):
        torch.mps.manual_seed(seed)


@contextmanager
def seeded(*parts: object) -> Generator[None]:
    """Everything drawn inside comes from `derive(*parts)`; afterwards torch's generators stand where they stood."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(derive(*parts))
        yield


def generator(*parts: object) -> torch.Generator:
    """A CPU generator of its own, seeded by `derive(*parts)`."""
    return torch.Generator().manual_seed(derive(*parts))


@contextmanager
def share(rank: int, world_size: int) -> Generator[None]:
    """Inside, `randn` and `rand` return this process's rows of what one process alone would have drawn for the whole
    batch, provided that all processes were seeded alike. So noise does not depend on how many processes there are."""
    global _share
    before, _share = _share, (rank, world_size)
    try:
        yield
    finally:
        _share = before


def randn(*shape: int, like: Tensor) -> Tensor:
    """Standard normal noise (N, ...) with the type and device of `like`."""
    return _rows(torch.randn, shape, like)


def rand(*shape: int, like: Tensor) -> Tensor:
    """Uniform noise in [0, 1), (N, ...), with the type and device of `like`."""
    return _rows(torch.rand, shape, like)


def integers(below: int, *shape: int, device: torch.device | str) -> Tensor:
    """Whole numbers from 0 to below - 1, int64 (*shape,): the same ones on every process."""
    return torch.randint(below, shape, device=device)


def permutation(num: int, device: torch.device | str) -> Tensor:
    """0 to num - 1 in random order, int64 (num,): the same order on every process."""
    return torch.randperm(num, device=device)


def index(weights: Tensor) -> Tensor:
    """One index of weights (K,), int64 (), drawn in proportion to them: the same one on every process."""
    return torch.multinomial(weights, 1).squeeze(0)


def _rows(draw: Callable[..., Tensor], shape: tuple[int, ...], like: Tensor) -> Tensor:
    rank, world_size = _share
    if world_size == 1 or not shape:
        return draw(shape, dtype=like.dtype, device=like.device)
    everybody = draw((shape[0] * world_size, *shape[1:]), dtype=like.dtype, device=like.device)
    return everybody[rank * shape[0] : (rank + 1) * shape[0]]
