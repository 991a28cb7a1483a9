"""What a run keeps of its data, so that it knows them again: each example's number, and what belongs to the examples."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data.content import contents, one_number
from ganvas.data.dataset import Data, Split
from ganvas.errors import GanvasError
from ganvas.machine.storage import read_object

FILE = "data.json"
FORMAT = 1


@dataclass(frozen=True, eq=False)
class SplitIdentity:
    """One split. numbers: of its examples, int64 (N,), in their order; see `content.contents`.

    labels, captions: of what belongs to each example, whatever the order; None where there are none.
    """

    numbers: Tensor
    labels: str | None = None
    captions: str | None = None

    @classmethod
    def of(cls, split: Split, classes: tuple[str, ...], numbers: Tensor) -> "SplitIdentity":
        labels = captions = None
        if split.y is not None:
            order = np.lexsort((split.y.numpy(), numbers.numpy()))
            labels = one_number(split.y[torch.from_numpy(order)], classes)
        if split.text is not None:
            captions = one_number(sorted(zip(numbers.tolist(), split.text, strict=True)))
        return cls(numbers, labels, captions)

    @property
    def content(self) -> str:
        """The fingerprint of the examples, independent of their order."""
        return one_number(self.numbers.sort().values)

    @property
    def order(self) -> str:
        return one_number(self.numbers)

    def to_json(self) -> dict[str, Any]:
        return {
            "num": len(self.numbers),
            "content": self.content,
            "order": self.order,
            "labels": self.labels,
            "captions": self.captions,
            "examples": packed(self.numbers),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SplitIdentity":
        found = cls(unpacked(stored["examples"]), text(stored["labels"]), text(stored["captions"]))
        if found.order != stored["order"]:
            raise ValueError("its examples do not fit their fingerprint")
        return found


@dataclass(frozen=True, eq=False)
class Identity:
    """The data of a run. earlier: numbers of examples that it was trained on before its data were changed.

    changes: what was changed, in words, in the order of time.
    """

    train: SplitIdentity
    held_out: SplitIdentity
    earlier: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Data) -> "Identity":
        """Of data that were read."""
        known = data.contents or (contents(data.train.x), contents(data.held_out.x))
        classes = data.info.classes
        return cls(SplitIdentity.of(data.train, classes, known[0]), SplitIdentity.of(data.held_out, classes, known[1]))

    @property
    def on_both_sides(self) -> int:
        """How many held-out examples are equal to a training example."""
        return int(torch.isin(self.held_out.numbers, self.train.numbers).sum())

    def trained_on(self, numbers: Tensor) -> int:
        """How many of these examples (N,) the run was trained on."""
        return int(torch.isin(numbers, torch.cat([self.train.numbers, self.earlier])).sum())

    def differences(self, now: "Identity") -> list[str]:
        """What is different in the data as they are `now`, in words; an order alone is none."""
        found: list[str] = []
        for name, then, here in (("training", self.train, now.train), ("held-out", self.held_out, now.held_out)):
            new = int((~torch.isin(here.numbers, then.numbers)).sum())
            gone = int((~torch.isin(then.numbers, here.numbers)).sum())
            if new or gone:
                found.append(f"{new:,} of {len(here.numbers):,} {name} examples are new, {gone:,} are gone")
            elif then.content != here.content:
                found.append(f"other {name} examples are repeated in the data")
            elif then.labels != here.labels:
                found.append(f"{name} examples have other labels")
            elif then.captions != here.captions:
                found.append(f"{name} examples have other captions")
        moved = self.trained_on(now.held_out.numbers) - self.trained_on(self.held_out.numbers)
        if found and moved > 0:
            found.append(f"{moved:,} examples that are held out now were trained on")
        return found

    def reordered(self, now: "Identity") -> bool:
        """Whether the training examples are the same, in another order."""
        return self.train.content == now.train.content and self.train.order != now.train.order

    def followed_by(self, now: "Identity", change: str) -> "Identity":
        """The data as they are `now`, of a run that was trained on these before. change: what is different, in words."""
        before = torch.cat([self.earlier, self.train.numbers])
        earlier = before[~torch.isin(before, now.train.numbers)].unique()
        return Identity(now.train, now.held_out, earlier, (*self.changes, change))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "train": self.train.to_json(),
            "held_out": self.held_out.to_json(),
            "on_both_sides": self.on_both_sides,
            "earlier": packed(self.earlier),
            "changes": list(self.changes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Identity":
        return cls(
            SplitIdentity.from_json(stored["train"]),
            SplitIdentity.from_json(stored["held_out"]),
            unpacked(stored["earlier"]),
            tuple(str(change) for change in stored["changes"]),
        )


def read(run: Path) -> Identity | None:
    """What a run knows of its data; None for runs of version 0.1.0 and exported ones. GanvasError if it is damaged."""
    if not (run / FILE).is_file():
        return None
    try:
        return Identity.from_json(read_object(run / FILE))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise GanvasError(
            f"{run / FILE} is damaged: {type(error).__name__}: {error}.",
            "Remove it to continue; the run then has no record of its training examples.",
        ) from error


def both_sides(known: Identity) -> str:
    """The number of examples in both splits, as text."""
    num, all_of_them = known.on_both_sides, len(known.held_out.numbers)
    return (
        f"{num:,} of {all_of_them:,} held-out examples ({num / max(all_of_them, 1):.0%}) are equal to a training example:"
        " scores and held-out curves are too good by that."
    )


def duplicates(numbers: Tensor) -> int:
    """How many examples are equal to one before them."""
    return len(numbers) - len(numbers.unique())


def packed(numbers: Tensor) -> str:
    return base64.b64encode(numbers.numpy().astype("<i8").tobytes()).decode()


def unpacked(stored: object) -> Tensor:
    """The numbers of `packed`. ValueError for anything else."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(str(stored), validate=True), dtype="<i8").astype(np.int64))


def text(value: object) -> str | None:
    if not (value is None or isinstance(value, str)):
        raise TypeError(f"{value!r} should be text")
    return value
