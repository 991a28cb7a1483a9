"""Hashes of examples, by which a run recognises its examples in any order."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 4096
"""Number of examples hashed together."""


def contents(x: Tensor) -> Tensor:
    """A number for each example at rest, int64 (N,): the same for equal examples, else different.

    x: images, uint8 (N, C, H, W), or points, float32 (N, D). A grey picture has one number, whether it is stored with one
    channel or with three equal ones: one picture in colour among grey ones changes no other number. The numbers are 64 bits
    of a hash, so that two of a million different examples are taken for one with a probability below 1e-7.
    """
    numbers = np.empty(len(x), dtype=np.int64)
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        if part.dim() == 2:
            numbers[start : start + BLOCK] = _of_points((part + 0.0).contiguous().numpy())  # -0.0 becomes 0.0
            continue
        grey = _grey(part)
        for i, row in enumerate(part.contiguous().numpy()):
            numbers[start + i] = _number(row[:1] if grey[i] else row)
    return torch.from_numpy(numbers)


def _of_points(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of points (N, D), whose rows are so short that a call for each would take ten times as long.

    Each coordinate's bits are mixed into the number by the finaliser of SplitMix64. Steele et al. 2014, "Fast splittable
    pseudorandom number generators", section 4.
    """
    mixed = np.full(len(x), x.shape[1], dtype=np.uint64)
    for column in x.view(np.uint32).T:
        mixed = (mixed ^ column) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed.view(np.int64)


def _grey(x: Tensor) -> list[bool]:
    """Which pictures have three equal channels."""
    if x.shape[1] != 3 or x.dtype != torch.uint8:
        return [False] * len(x)
    first, second, third = x.unbind(1)
    return ((first == second) & (second == third)).flatten(1).all(1).tolist()


def _number(row: NDArray[np.uint8]) -> int:
    shape = "x".join(map(str, row.shape)).encode()[:16]
    return int.from_bytes(hashlib.blake2b(row.data, digest_size=8, person=shape).digest(), "little", signed=True)


def one_number(*parts: object) -> str:
    """16 hexadecimal digits that follow from all parts: tensors by their values, everything else by its `repr`."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        found = part.numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode("utf-8", "surrogatepass")
        digest.update(str(len(found)).encode() + b"\0" + found)
    return digest.hexdigest()
