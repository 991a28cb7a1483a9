"""The order of training data: an endless sequence that only a seed determines, cut where images seen says."""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from ganvas.batch import Batch
from ganvas.data.dataset import Split
from ganvas.errors import GanvasError
from ganvas.rng import generator


def batches(
    split: Split,
    batch_size: int,
    seed: int,
    images_seen: int = 0,
    rank: int = 0,
    world_size: int = 1,
    device: torch.device | str = "cpu",
) -> Iterator[Batch]:
    """Batches without end, a pure function of (seed, images seen).

    Every epoch is a permutation drawn from (seed, epoch); the permutations follow each other in one sequence, and a
    batch is the next `batch_size` of it, across the border of two epochs where need be. So a run that resumes after K
    images sees what it would have seen. Of each batch, rank r of w takes the r-th of w equal parts.

    Raises GanvasError when a batch is larger than the data or does not divide among `world_size` workers.
    """
    if batch_size < 1:
        raise GanvasError(f"A batch of {batch_size} examples is not possible.", "Give --batch-size 1 or more.")
    if batch_size > len(split):
        raise GanvasError(
            f"A batch of {batch_size} examples is larger than the data, which has {len(split)}.",
            f"Give --batch-size {len(split)} or less.",
        )
    if batch_size % world_size:
        raise GanvasError(
            f"A batch of {batch_size} examples does not divide among {world_size} workers.",
            f"Give a --batch-size that is a multiple of {world_size}.",
        )
    assert images_seen >= 0 and 0 <= rank < world_size
    return _batches(split, batch_size, seed, images_seen, rank, world_size, device)


def _batches(
    split: Split,
    batch_size: int,
    seed: int,
    images_seen: int,
    rank: int,
    world_size: int,
    device: torch.device | str,
) -> Iterator[Batch]:
    share = batch_size // world_size
    order = _Order(len(split), seed)
    start = images_seen + rank * share
    while True:
        yield split.batch(order.span(start, start + share), device)
        start += batch_size


class _Order:
    """The endless sequence of indices."""

    def __init__(self, num: int, seed: int) -> None:
        self.num = num
        # Two epochs: a batch can reach from one into the next.
        self.epoch = lru_cache(maxsize=2)(lambda epoch: torch.randperm(num, generator=generator(seed, "epoch", epoch)))

    def span(self, start: int, stop: int) -> Tensor:
        """The indices at places [start, stop) of the sequence; stop - start is at most an epoch."""
        epoch, offset = divmod(start, self.num)
        here = self.epoch(epoch)[offset : offset + stop - start]
        missing = stop - start - len(here)
        return here if not missing else torch.cat([here, self.epoch(epoch + 1)[:missing]])
