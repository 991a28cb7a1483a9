"""Which examples are held out when a source does not say, and which are kept when a user asks for fewer."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

HELD_OUT_SHARE = 0.1


def score(purpose: str, key: str) -> float:
    """A number in [0, 1) that only `purpose` and `key` determine, uniform over keys."""
    text = f"{purpose}\0{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64


def split_by_key(keys: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of training and of held-out examples, each in order; about one in ten is held out.

    Every key decides for itself, so that adding or removing examples moves no other example from one side to the other.
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
