"""Which real examples a context uses, and what they are to the model."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from ganvas.machine.rng import generator


class Examples(Protocol):
    """One split of real data. x: uint8 or float in [−1, 1], (N, C, H, W), or points (N, D).

    y: classes (N,) int64, −1 where unlabelled. factors: the known factors of variation, (N, K).
    """

    @property
    def x(self) -> Tensor: ...

    @property
    def y(self) -> Tensor | None: ...

    @property
    def factors(self) -> Tensor | None: ...


@dataclass
class ExamplesInUse:
    """Real data, of which seeded choices are used.

    train, held_out: real data; scores are taken on `held_out`.
    trained_on: what the model has seen, if that is not `train`; words say why it cannot be read.
    grey: the same before examples were drawn black or white, which hides that they are training examples.
    num: examples drawn, and held-out examples used, at most. seed: of all draws.
    extra_notes: what the cards say of the model besides what follows from the data.
    """

    train: Examples
    held_out: Examples
    trained_on: Examples | str | None = None
    grey: "ExamplesInUse | None" = None
    num: int = 10_000
    seed: int = 0
    extra_notes: tuple[str, ...] = ()

    @cached_property
    def reference(self) -> Tensor:
        """Which held-out examples are used, indices (R,), R at most `num`."""
        return choice(len(self.held_out.x), self.num, self.seed, "reference")

    @cached_property
    def x(self) -> Tensor:
        """The held-out examples used, (R, ...), as they are stored."""
        return self.held_out.x[self.reference]

    @cached_property
    def y(self) -> Tensor | None:
        """Their labels, (R,)."""
        return None if self.held_out.y is None else self.held_out.y[self.reference]

    @cached_property
    def data(self) -> str:
        """sha256 of the held-out examples used, in the order in which they are stored."""
        return _fingerprint(self.held_out.x[self.reference.sort().values])

    @property
    def training(self) -> Examples | None:
        """The model's training data; None if unreadable."""
        if isinstance(self.trained_on, str):
            return None
        return self.train if self.trained_on is None else self.trained_on

    @cached_property
    def training_data(self) -> str:
        """sha256 of the model's training data, in stored order."""
        assert self.training is not None
        return _fingerprint(self.training.x)

    @cached_property
    def overlap(self) -> float:
        """Share of the evaluation examples that the model has seen; 0 if its training data is unreadable."""
        if self.grey is not None:
            return self.grey.overlap
        if self.training is None:
            return 0.0
        seen = _hashes(self.training.x)
        return sum(h in seen for h in _row_hashes(self.x)) / len(self.x)

    @property
    def split(self) -> str:
        """The split of the evaluation examples for the model. Duplicates within one source do not change it."""
        if self.overlap == 1:
            return "train"
        return "partly train" if self.overlap and self.trained_on is not None else "held-out"

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the protocol: evaluation examples that are training examples, or may be."""
        notes = self.extra_notes
        if isinstance(self.trained_on, str):
            unknown = "the run's own training data cannot be read, so that evaluation examples may be among them"
            notes = (f"{unknown}: {self.trained_on}", *notes)
        if self.overlap == 1:
            return ("the evaluation set is the training set: scores do not show generalisation", *notes)
        if self.overlap:
            return (f"{self.overlap:.1%} of the evaluation examples are also training examples", *notes)
        return notes

    @property
    def num_samples(self) -> int:
        """How many examples are drawn: `num`, or as many as there are training examples, if they are fewer.

        The training examples stand in place of samples in `floor`. A floor of fewer examples than the model draws could be
        beaten: many scores depend on the number of samples.
        """
        return min(self.num, len(self.train.x))

    @cached_property
    def train_reference(self) -> Tensor:
        """Which training examples are encoded, for metrics that fit something to codes: indices, at most `num`."""
        return choice(len(self.train.x), self.num, self.seed, "training reference")


def choice(num: int, wanted: int, seed: int, what: str) -> Tensor:
    """At most `wanted` of `num` indices, in random order, so that any first part of them is a fair choice again."""
    return torch.randperm(num, generator=generator(seed, what))[:wanted]


def _fingerprint(x: Tensor) -> str:
    return hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode() + x.contiguous().numpy().tobytes()).hexdigest()


def _row_hashes(x: Tensor) -> list[bytes]:
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in x.contiguous().numpy()]


def _hashes(x: Tensor) -> set[bytes]:
    return set(_row_hashes(x))
