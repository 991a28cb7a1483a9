"""The content of a data source: examples in two splits, and facts for recipes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.data.domains.domain import Domain, Images, Points
from ganvas.data.domains.modes import Modes
from ganvas.data.domains.rest import awake
from ganvas.errors import GanvasError


@dataclass(frozen=True)
class DataInfo:
    """Facts about data, for the sizes of networks.

    shape: of one example, (C, H, W), or (D,) for points.
    classes: names of the classes, by number; empty without labels.
    captions: whether examples have texts.
    num_train: number of training examples, an epoch.
    mean: the mean training example, in the space of batches ([-1, 1] for images). It is not stored.
    modes: components of a mixture.
    given: the domain, if the shape does not tell it. It is not stored.
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    captions: bool = False
    num_train: int = 0
    mean: Tensor | None = field(default=None, compare=False, repr=False)
    modes: Modes | None = None
    given: Domain | None = field(default=None, compare=False, repr=False)

    @property
    def domain(self) -> Domain:
        """What an example is: by its shape, images or points, unless the source gave a domain of its own."""
        if self.given is not None:
            return self.given
        return Images(self.shape) if len(self.shape) > 1 else Points(self.shape, self.modes)

    def to_json(self) -> dict[str, Any]:
        given = {} if self.given is None else {"words": self.given.words()}  # for readers of the file
        return given | {
            "shape": list(self.shape),
            "classes": list(self.classes),
            "captions": self.captions,
            "num_train": self.num_train,
            "modes": self.modes.to_json() if self.modes else None,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "DataInfo":
        shape = tuple(stored["shape"])
        if len(shape) not in (1, 2, 3) or not all(isinstance(n, int) and n > 0 for n in shape):
            raise ValueError(f"no examples have the shape {list(shape)}")
        return cls(
            shape=shape,
            classes=tuple(stored["classes"]),
            captions=bool(stored["captions"]),
            num_train=int(stored["num_train"]),
            modes=Modes.from_json(stored["modes"]) if stored["modes"] else None,
        )


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Unused:
    """So many files that were not even tried, and why. pictures: whether they are pictures that could have been used."""

    reason: str
    num: int
    pictures: bool = False


@dataclass(frozen=True, eq=False)
class Split:
    """Examples at rest.

    x: images, uint8 (N, C, H, W); or points, float32 (N, D).
    y: class numbers, int64 (N,), -1 without a label. text: one caption per example, "" without one.
    factors: of drawn data, the number of each factor's value, int64 (N, K).
    """

    x: Tensor
    y: Tensor | None = None
    text: tuple[str, ...] | None = None
    factors: Tensor | None = None

    def __post_init__(self) -> None:
        assert all(part is None or len(part) == len(self.x) for part in (self.y, self.text, self.factors))

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Tensor, device: torch.device | str = "cpu") -> Batch:
        """The examples at `indices` (int64, (B,)) as a batch on `device`, images scaled to [-1, 1]."""
        x = sent(self.x.index_select(0, indices), device)
        x = awake(x)
        y = None if self.y is None else sent(self.y.index_select(0, indices), device)
        text = None if self.text is None else tuple(self.text[i] for i in indices.tolist())
        return Batch(x, y, text)

    def select(self, indices: Tensor) -> "Split":
        """The examples at `indices` (int64, (B,)), still at rest."""
        return Split(
            self.x.index_select(0, indices),
            None if self.y is None else self.y.index_select(0, indices),
            None if self.text is None else tuple(self.text[i] for i in indices.tolist()),
            None if self.factors is None else self.factors.index_select(0, indices),
        )

    def mean(self) -> Tensor:
        """The mean example, shaped as one, float32 in the space of batches."""
        if self.x.dtype == torch.uint8:
            # Whole numbers below 2^24 are exact in float32, so the order of summing does not matter.
            total = torch.stack([part.float().sum(0).double() for part in self.x.split(4096)]).sum(0)
            return (total / len(self) / 127.5 - 1).float()
        return self.x.mean(0, dtype=torch.float64).float()


def sent(x: Tensor, device: torch.device | str) -> Tensor:
    """x on the device. A GPU copies it from pinned memory, without a wait."""
    return x.pin_memory().to(device, non_blocking=True) if torch.device(device).type == "cuda" else x.to(device)


@dataclass(frozen=True, eq=False)
class Data:
    """A source that was read.

    skipped: what could not be used. factor_names, factor_sizes: of `Split.factors`' columns, where there are any.
    unused: of a folder, the other files: examples, skipped and unused files together are all that there are.
    contents: the numbers of both splits' examples by `content.contents`, if they are known already.
    white: the value of the source that became 255, if it was named or told from the data; see `ImageOptions`.
    notes: what was assumed in reading it, in words for the user.
    files: the names of the examples' files in the source, training examples first; empty if they are no files.
    order: the places of the examples in the source, training examples first, int64 (N,); None if it is not known.
    first: of codes, the data that were encoded; read when it is called.
    channels: of stacked images, the training and held-out images that their channels are made of, with classes.
    """

    source: str
    train: Split
    held_out: Split
    info: DataInfo
    skipped: tuple[Skipped, ...] = ()
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    channels: tuple[Split, Split] | None = None
    contents: tuple[Tensor, Tensor] | None = None
    unused: tuple[Unused, ...] = ()
    files: tuple[str, ...] = ()
    order: Tensor | None = None
    first: "Callable[[], Data] | None" = None
    white: int | None = None
    notes: tuple[str, ...] = ()


def gather(
    source: str,
    train: Split,
    held_out: Split,
    *,
    classes: Sequence[str] = (),
    modes: Modes | None = None,
    skipped: Sequence[Skipped] = (),
    factors: dict[str, int] | None = None,
    contents: tuple[Tensor, Tensor] | None = None,
) -> Data:
    """A `Data` whose info follows from its splits. factors: their names and numbers of values. contents: see `Data`."""
    info = DataInfo(
        shape=tuple(train.x.shape[1:]),
        classes=tuple(classes),
        captions=train.text is not None,
        num_train=len(train),
        mean=train.mean(),
        modes=modes,
    )
    names = factors or {}
    sizes = tuple(names.values())
    return Data(source, train, held_out, info, tuple(skipped), tuple(names), sizes, contents=contents)


def check_limit(limit: int | None) -> None:
    """Raises GanvasError unless `limit` is None or at least 1."""
    if limit is not None and limit < 1:
        raise GanvasError(f"A limit of {limit} examples leaves nothing to train on.", "Use 1 or more.")


def renamed(data: Data, source: str) -> Data:
    """The same data under the name the user gave it."""
    return replace(data, source=source)
