"""Random numbers from a seed, without a change to the caller's generators and to those of other threads."""

import hashlib
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

_share = (0, 1)
"""Rank and number of processes. A plain global, because torch.compile can read it."""

_torchs = threading.RLock()
"""Guards torch's own generators, which all threads share."""


class _Thread(threading.local):
    """What a thread draws from. seed: of its own generators; None for torch's. generators: by device, made when needed."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.generators: dict[torch.device, torch.Generator] = {}


_thread = _Thread()


def derive(*parts: object) -> int:
    """A 63-bit seed that depends on the parts only: derive(seed, "step", 12)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@contextmanager
def seeded(*parts: object) -> Generator[None]:
    """Within this context, this thread's random numbers come from `derive(*parts)`, whatever other threads draw.

    Layers that draw from torch's own generators are seeded, too, but threads share those. They are restored afterwards.
    """
    seed = derive(*parts)
    with restored(), _drawn_from(seed):
        with _torchs:
            torch.manual_seed(derive(seed, "torch"))
        yield


@contextmanager
def building(*parts: object) -> Generator[None]:
    """Within this context, initial weights come from `derive(*parts)`.

    torch draws them from its own generators. So other threads of ganvas wait for the end of this context.
    """
    with _torchs, restored(), _drawn_from(None):
        torch.manual_seed(derive(*parts))
        yield


@contextmanager
def drawing(device: str, *parts: object, alone: bool = False) -> Generator[None]:
    """Like `seeded`, within `restored`, for a step: it takes less time.

    alone: draws from torch's own generators, as compiled code and dropout do. Other threads then wait.
    """
    seed = derive(*parts)
    with _torchs if alone else nullcontext(), _drawn_from(None if alone else seed):
        with _torchs:
            _seed_torch(device, seed if alone else derive(seed, "torch"))
        yield


DRAW = (nn.modules.dropout._DropoutNd, nn.RReLU)  # pyright: ignore[reportPrivateUsage]


def draws_from_torch(model: nn.Module) -> bool:
    """Whether a model has layers that draw from torch's own generators."""
    return any(isinstance(module, DRAW) for module in model.modules())


def _seed_torch(device: str, seed: int) -> None:
    """`torch.manual_seed` also formats a stack trace for absent devices, which takes half a millisecond per call."""
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        torch.cuda.manual_seed(seed)
    elif device.startswith("mps"):
        torch.mps.manual_seed(seed)


@contextmanager
def _drawn_from(seed: int | None) -> Generator[None]:
    before = _thread.seed, _thread.generators
    _thread.seed, _thread.generators = seed, {}
    try:
        yield
    finally:
        _thread.seed, _thread.generators = before


_restoring = 0
"""The number of contexts of `restored`, in all threads."""

_callers: list[tuple[Tensor, list[Tensor]]] = []
"""The states of torch's own generators before the first of them."""


@contextmanager
def restored() -> Generator[None]:
    """After this context, torch's own generators are as before; if contexts of several threads overlap, after the last."""
    global _restoring
    with _torchs:
        here = torch.get_rng_state(), torch.cuda.get_rng_state_all()
        if _restoring == 0:
            _callers.append(here)
        _restoring += 1
    try:
        yield
    finally:
        with _torchs:
            _restoring -= 1
            cpu, devices = _callers.pop() if _restoring == 0 else here
            torch.set_rng_state(cpu)
            torch.cuda.set_rng_state_all(devices)


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
    return torch.randint(below, shape, device=device, generator=_source(device))


def permutation(num: int, device: torch.device | str) -> Tensor:
    """0 to num - 1 in random order, int64 (num,): the same order on every process."""
    return torch.randperm(num, device=device, generator=_source(device))


def index(weights: Tensor) -> Tensor:
    """One index of weights (K,), int64 (), drawn in proportion to them: the same one on every process."""
    return torch.multinomial(weights, 1, generator=_source(weights.device)).squeeze(0)


def _rows(draw: Callable[..., Tensor], shape: tuple[int, ...], like: Tensor) -> Tensor:
    rank, world_size = _share
    source = _source(like.device)
    if world_size == 1 or not shape:
        return draw(shape, dtype=like.dtype, device=like.device, generator=source)
    everybody = draw((shape[0] * world_size, *shape[1:]), dtype=like.dtype, device=like.device, generator=source)
    return everybody[rank * shape[0] : (rank + 1) * shape[0]]


def _source(device: torch.device | str) -> torch.Generator | None:
    """This thread's generator of a device; None for torch's own, which compiled code draws from."""
    if torch.compiler.is_compiling() or _thread.seed is None:
        return None
    place = torch.device(device)
    if place == torch.device("cuda"):  # without a number
        place = torch.device("cuda", torch.cuda.current_device())
    if place not in _thread.generators:
        _thread.generators[place] = torch.Generator(place).manual_seed(_thread.seed)
    return _thread.generators[place]
