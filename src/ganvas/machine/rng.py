"""Random numbers from a seed, without a change to the caller's generators."""

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor

_share = (0, 1)
"""Rank and number of processes. A plain global, because torch.compile can read it."""


def derive(*parts: object) -> int:
    """A 63-bit seed that depends on the parts only: derive(seed, "step", 12)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def reseed(device: str, *parts: object) -> None:
    """Sets torch's own generators, of the CPU and of `device`, to `derive(*parts)`.

    `torch.manual_seed` also formats a stack trace for absent devices, which takes half a millisecond per call.
    """
    seed = derive(*parts)
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        torch.cuda.manual_seed(seed)
    elif device.startswith("mps"):
        torch.mps.manual_seed(seed)


@contextmanager
def seeded(*parts: object) -> Generator[None]:
    """Within this context, random numbers come from `derive(*parts)`. Afterwards torch's generators are restored."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(derive(*parts))
        yield


def generator(*parts: object) -> torch.Generator:
    """A new CPU generator, seeded by `derive(*parts)`."""
    return torch.Generator().manual_seed(derive(*parts))


@contextmanager
def share(rank: int, world_size: int) -> Generator[None]:
    """Within this context, `randn` and `rand` draw noise for the whole batch and return this process's rows.

    All processes need the same seed. Then noise does not depend on the number of processes."""
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
