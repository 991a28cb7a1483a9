"""Checks that data fit into memory before they are allocated. Files and options may request any size."""

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode

from ganvas.errors import GanvasError
from ganvas.machine import facts

PAGE = 4_096
"""The minimum number of bytes counted for a tensor, so that a million empty layers count as large."""

ENDLESS = 2**62

UNKNOWN = 2**38
"""Bytes of memory of a machine that does not say: enough for any use, and little enough to refuse what none can hold."""


def room() -> int:
    """Bytes that this process may still allocate, by the machine's memory and its limits (cgroup, ulimit -v)."""
    return min(free_memory(), free_addresses(), group_limit())


def free_memory() -> int:
    """Bytes that the machine could give away; where only Linux would say, all that it has; else UNKNOWN."""
    try:
        lines = facts.system_file("/proc/meminfo").splitlines()
        return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("MemAvailable:"))
    except (StopIteration, ValueError):
        return facts.physical_memory() or UNKNOWN


def free_addresses() -> int:
    """Bytes by which this process may grow under `ulimit -v`."""
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return ENDLESS
        return limit - int(facts.system_file("/proc/self/statm").split()[0]) * resource.getpagesize()
    except (ImportError, IndexError, ValueError):
        return ENDLESS


def group_limit() -> int:
    """The container's limit in bytes."""
    try:
        return int(facts.system_file("/sys/fs/cgroup/memory.max"))
    except ValueError:  # no such group; "max"
        return ENDLESS


def must_fit(num_bytes: int, what: str, hint: str = "") -> None:
    """Raises GanvasError if `num_bytes` do not fit. what: the object that needs them."""
    left = room()
    if num_bytes > left:
        raise GanvasError(f"{what} would need {size(num_bytes)} of memory, and {size(left)} are free.", hint)


def size(num_bytes: int) -> str:
    """1.5 GiB, 200 MiB."""
    if num_bytes > ENDLESS:
        return "more than any machine has"
    unit, name = next(((u, n) for u, n in UNITS if num_bytes >= u), UNITS[-1])
    return f"{num_bytes / unit:,.3g} {name}" if num_bytes < 1_000 * unit else f"{num_bytes / unit:,.0f} {name}"


UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


@contextmanager
def at_most(num_bytes: int, what: str, hint: str = "") -> Generator[None]:
    """Within this context, raises GanvasError before torch allocates more than `num_bytes` in all."""
    try:
        with _Watch(num_bytes, what, hint):
            yield
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise GanvasError(f"{what} would need more memory than this machine gives.", hint) from error


class _Watch(TorchFunctionMode):
    """Counts the sizes passed to functions that create tensors."""

    def __init__(self, num_bytes: int, what: str, hint: str) -> None:
        super().__init__()
        self.left, self.all, self.what, self.hint = num_bytes, num_bytes, what, hint

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in MAKERS:
            self.left -= max(PAGE, 4 * numbers_in(args, kwargs))
            if self.left < 0:
                raise GanvasError(f"{self.what} would need more than {size(self.all)} of memory.", self.hint)
        return func(*args, **kwargs)


MAKERS = frozenset(
    (
        *(torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange),
        *(torch.linspace, torch.randperm, torch.Tensor.new_empty, torch.Tensor.new_zeros, torch.Tensor.new_ones),
    )
)


def numbers_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """The number of elements of a tensor created with these arguments: the product of its sizes.

    Ends of ranges count as sizes. This is harmless, because networks have no large ranges.
    """
    given = [kwargs["size"]] if "size" in kwargs else [a for a in args if not isinstance(a, torch.Tensor)]
    whole = [number for item in given for number in flat(item) if isinstance(number, int)]
    return math.prod(max(0, number) for number in whole)


def flat(item: object) -> Iterable[object]:
    return cast(Iterable[object], item) if isinstance(item, tuple | list) else (item,)
