"""The choice of held-out examples if a source has no split, and of examples under a limit."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.content import contents

if TYPE_CHECKING:
    from ganvas.data.dataset import Split

HELD_OUT_SHARE = 0.1

LARGE_CLASS = 10
"""A class with so many different examples has one held out."""


def by_content(numbers: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Rows of training and of held-out examples, each in order, int64; about one different example in ten is held out.

    numbers: of the examples, int64 (N,); see `content.contents`. y: their classes, int64 (N,), -1 for none.

    Every example decides for itself, by its content. So equal examples stand on one side, and an example that is added
    or removed moves no other one. Three exceptions keep small data usable: a class of `LARGE_CLASS` different examples
    has one held out; so has data of two; and no class, nor the whole, is left without a training example.
    """
    different, group = np.unique(numbers.numpy(), return_inverse=True)
    held_out = score_of(different) < HELD_OUT_SHARE
    classes = _groups_of_classes(group, y)
    for members in classes:
        if len(members) >= LARGE_CLASS and not held_out[members].any():
            held_out[_first(different, members)] = True
    if not held_out.any():
        needed = {int(members[0]) for members in classes if len(members) == 1}
        free = np.array([g for g in range(len(different)) if g not in needed], dtype=np.int64)
        if len(free) and len(different) > 1:
            held_out[_first(different, free)] = True
    for members in [*classes, np.arange(len(different))]:
        if len(members) and held_out[members].all():
            held_out[_first(different, members, last=True)] = False
    chosen = torch.from_numpy(held_out[group])
    return (~chosen).nonzero().squeeze(1), chosen.nonzero().squeeze(1)


def score_of(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """The numbers, which are hashes, as fractions in [0, 1)."""
    return numbers.view(np.uint64).astype(np.float64) / 2.0**64


def _groups_of_classes(group: NDArray[np.int64], y: Tensor | None) -> list[NDArray[np.int64]]:
    """The different examples of each class."""
    if y is None:
        return []
    pairs = np.unique(np.stack([y.numpy(), group])[:, y.numpy() >= 0], axis=1)
    return np.split(pairs[1], np.flatnonzero(np.diff(pairs[0])) + 1) if pairs.size else []


def _first(different: NDArray[np.int64], members: NDArray[np.int64], *, last: bool = False) -> int:
    """The member with the lowest score, or with the highest."""
    scores = score_of(different[members])
    return int(members[scores.argmax() if last else scores.argmin()])


def divided(
    whole: "Split", limit: int | None
) -> tuple[tuple["Split", "Split"], tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and held-out examples by content, at most `limit` of each, and the numbers and the rows of both."""
    numbers = contents(whole.x)
    first, second = (rows[keep_contents(numbers[rows], limit)] for rows in by_content(numbers, whole.y))
    return (whole.select(first), whole.select(second)), (numbers[first], numbers[second]), (first, second)


def keep_contents(numbers: Tensor, limit: int | None) -> Tensor:
    """Places of at most `limit` examples, in order, int64: a choice by content that is fair to all of them."""
    if limit is None or limit >= len(numbers):
        return torch.arange(len(numbers))
    hashed = numbers.numpy().view(np.uint64)
    other_half = (hashed << np.uint64(32)) | (hashed >> np.uint64(32))  # the split decides by the first half
    chosen = np.argsort(other_half, kind="stable")[:limit]
    return torch.from_numpy(np.sort(chosen))


def score(purpose: str, key: str) -> float:
    """A number in [0, 1) that only `purpose` and `key` determine, uniform over keys."""
    text = f"{purpose}\0{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64


def split_by_key(keys: Sequence[str]) -> tuple[list[int], list[int]]:
    """The split of version 0.1.0, by names or row numbers, for runs that began with it.

    Training examples are never left without one, and from two examples on nor are the held-out ones.
    """
    scores = [score("held out", key) for key in keys]
    held_out = {i for i, s in enumerate(scores) if s < HELD_OUT_SHARE}
    if len(scores) > 1 and not held_out:
        held_out.add(scores.index(min(scores)))
    if scores and len(held_out) == len(scores):
        held_out.discard(scores.index(max(scores)))
    return [i for i in range(len(scores)) if i not in held_out], sorted(held_out)


def keep(keys: Sequence[str], limit: int | None) -> list[int]:
    """Places of at most `limit` examples, in order: a fixed choice that is fair to all of them."""
    if limit is None or limit >= len(keys):
        return list(range(len(keys)))
    return sorted(sorted(range(len(keys)), key=lambda i: score("keep", keys[i]))[:limit])


def keep_rows(num: int, limit: int | None) -> Tensor:
    """`keep` for rows that have no other name than their number, int64 (min(num, limit),)."""
    return torch.tensor(keep([str(i) for i in range(num)], limit), dtype=torch.int64)
