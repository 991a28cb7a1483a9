"""An ability: what follows from what a model can do, for pictures, exports, lists and messages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import Model
from ganvas.data.domains.domain import Domain


@dataclass(frozen=True)
class Moment:
    """What a picture during training is drawn with.

    num: of samples. y: their classes (num,), for a conditional model. shown: held-out examples, or None if there are none or
    they cannot be drawn in rows.
    """

    domain: Domain
    num: int
    y: Tensor | None = None
    shown: Batch | None = None


@dataclass(frozen=True)
class Drawing:
    """A picture of examples x (N, ...) in so many columns; None for about as many as rows."""

    x: Tensor
    columns: int | None = None


@dataclass(frozen=True)
class Way:
    """One function of a model's networks, with example inputs.

    name: of an exported file. module: from the model to the function. inputs: named examples, each (N, ...).
    """

    name: str
    module: Callable[[Model], nn.Module]
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Ability:
    """What a model can do, and what follows from it.

    name: as `recipe.json` keeps it. words: for a list. protocol: of `core.abilities`.
    pictures: the pictures of a model during training, by name; those of a later ability replace those of an earlier one.
    ways: the functions that an export writes. num: of example inputs. y: their classes (num,), for a conditional model.
    usage: lines of Python that show the ability, for a run called `run`.
    """

    name: str
    words: str
    protocol: type
    pictures: Callable[[Any, Moment], dict[str, Drawing]] = field(default=lambda model, moment: {})
    ways: Callable[[Any, int, Tensor | None], list[Way]] = field(default=lambda model, num, y: [])
    usage: tuple[str, ...] = ()


def told(y: Tensor | None) -> dict[str, Tensor]:
    """The classes as a named input, for a conditional model."""
    return {} if y is None else {"y": y}
