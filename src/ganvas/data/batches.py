"""The order of training data: an endless sequence determined by the seed; images seen is the position in it."""

import math
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.data.dataset import Split
from ganvas.errors import GanvasError, option
from ganvas.machine.rng import generator


def batches(
    split: Split,
    batch_size: int,
    seed: int,
    images_seen: int = 0,
    rank: int = 0,
    world_size: int = 1,
    device: torch.device | str = "cpu",
    labelled_share: float = 0.0,
) -> Iterator[Batch]:
    """Endless batches, a pure function of (seed, images seen).

    Every epoch is a permutation drawn from (seed, epoch). The permutations form one sequence, and a batch is its next
    `batch_size` rows, also across epochs. So a run resumed after K images sees the same batches. Rank r of w takes the
    r-th of w equal parts of each batch.

    labelled_share: if fewer examples have a label, labelled ones get this share of the sequence, evenly spread. Labelled
    and other examples then have their own permutations.

    Raises GanvasError if a batch is larger than the data, or not divisible by `world_size`.
    """
    if batch_size < 1:
        raise GanvasError(
            f"A batch of {batch_size} examples is not possible.", f"Use {option('batch_size', 1)} or more."
        )
    if batch_size > len(split):
        raise GanvasError(
            f"A batch of {batch_size} examples is larger than the data with its {len(split)}.",
            f"Use {option('batch_size', len(split))} or less.",
        )
    if batch_size % world_size:
        raise GanvasError(
            f"A batch of {batch_size} examples cannot be divided evenly between {world_size} processes.",
            f"Use a {option('batch_size')} that is a multiple of {world_size}.",
        )
    assert images_seen >= 0 and 0 <= rank < world_size
    return _batches(split, _order(split, seed, labelled_share), batch_size, images_seen, rank, world_size, device)


def _batches(
    split: Split,
    order: "_Order | _Interleaved",
    batch_size: int,
    images_seen: int,
    rank: int,
    world_size: int,
    device: torch.device | str,
) -> Iterator[Batch]:
    share = batch_size // world_size
    start = images_seen + rank * share
    while True:
        yield split.batch(order.span(start, start + share), device)
        start += batch_size


def _order(split: Split, seed: int, labelled_share: float) -> "_Order | _Interleaved":
    has_label = torch.zeros(len(split), dtype=torch.bool) if split.y is None else split.y >= 0
    known, unknown = has_label.nonzero().squeeze(1), (~has_label).nonzero().squeeze(1)
    if not 0 < len(known) < labelled_share * len(split):
        return _Order(torch.arange(len(split)), seed)
    return _Interleaved(_Order(known, seed, "labelled"), _Order(unknown, seed, "unlabelled"), labelled_share)


class _Order:
    """An endless sequence of `rows`. name: seeds its permutations, together with seed and epoch."""

    def __init__(self, rows: Tensor, seed: int, *name: str) -> None:
        self.num = len(rows)
        # Two epochs: a batch can reach from one into the next.
        self.epoch = lru_cache(maxsize=2)(
            lambda epoch: rows[torch.randperm(self.num, generator=generator(seed, *name, "epoch", epoch))]
        )

    def span(self, start: int, stop: int) -> Tensor:
        """The rows at places [start, stop) of the sequence."""
        parts: list[Tensor] = []
        while start < stop:
            epoch, offset = divmod(start, self.num)
            parts.append(self.epoch(epoch)[offset : offset + stop - start])
            start += len(parts[-1])
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


class _Interleaved:
    """Two sequences in one; the first has `share` of every interval, to within one place."""

    def __init__(self, first: _Order, second: _Order, share: float) -> None:
        self.first, self.second, self.share = first, second, share

    def before(self, place: int) -> int:
        """The number of places of the first sequence before `place`."""
        return math.floor(place * self.share)

    def span(self, start: int, stop: int) -> Tensor:
        """The rows at places [start, stop)."""
        counts = torch.tensor([self.before(place) for place in range(start, stop + 1)])
        is_first = counts.diff().bool()
        low, high = self.before(start), self.before(stop)
        rows = torch.empty(stop - start, dtype=torch.int64)
        rows[is_first] = self.first.span(low, high)
        rows[~is_first] = self.second.span(start - low, stop - high)
        return rows
