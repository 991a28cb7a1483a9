"""Classes as a user gives them: numbers or names, one or many."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.errors import GanvasError, did_you_mean

Labels = Tensor | NDArray[Any] | Sequence[int] | Sequence[str] | int | str
"""A class for each of several examples, or one class for all of them."""


def numbers_of(y: Labels, names: Sequence[str], num: int, least: int = 0) -> Tensor:
    """int64 (num,), on the CPU. names: of the classes. least: -1 if an example may have no class.

    Raises GanvasError for what are no such classes.
    """
    given: Any = y.tolist() if isinstance(y, Tensor | np.ndarray) else y
    if isinstance(given, int | str | float):
        given = [given] * num
    if not isinstance(given, list | tuple):
        raise GanvasError(f"Classes cannot be given as {type(y).__name__}.", "Give a list of numbers or names.")
    values = cast(Sequence[object], given)
    if len(values) != num:
        raise GanvasError(f"{num} examples have {len(values)} classes.", "Give one for each, or a single one for all.")
    return torch.tensor([number_of(value, names, least) for value in values], dtype=torch.int64)


def number_of(value: object, names: Sequence[str], least: int = 0) -> int:
    """The number of a class, given by number or by name; a name is tried first."""
    if isinstance(value, str):
        if value not in names:
            raise GanvasError(f"There is no class {value!r}.", did_you_mean(value, names))
        return names.index(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise GanvasError(f"{value!r} is no class.", "Classes are whole numbers or names.")
    if not least <= value < len(names):
        raise GanvasError(f"There is no class {value}: classes are numbers from 0 to {len(names) - 1}.")
    return value
