"""Data of a `torch.utils.data.Dataset`: every example is read once and kept in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions, check_one_size, convert, reason
from ganvas.data.sources.arrays import Arrays, from_arrays
from ganvas.errors import GanvasError

Array = NDArray[Any]

EXAMPLE = "An example is a picture or a point, or a pair of one and its label."


def is_torch_data(source: object) -> TypeGuard["Dataset[Any]"]:
    """Whether data are a Dataset of torch."""
    return isinstance(source, Dataset)


def from_torch(source: "Dataset[Any]", name: str, options: ImageOptions, limit: int | None = None) -> Data:
    """Examples x or (x, label): x a picture of Pillow, or a tensor or array as `data=` takes many of them.

    Images of a tensor are (C, H, W). Labels are whole numbers or names; an attribute `classes` names the numbers.
    Raises GanvasError for a Dataset without a length, and for examples that differ in kind, size or type.
    """
    length = getattr(source, "__len__", None)
    if isinstance(source, IterableDataset) or length is None:
        raise GanvasError(
            "A Dataset without a length cannot be read as a whole.", "Give a Dataset with `__len__` and `__getitem__`."
        )
    read = _Read(options)
    for row in range(cast(Callable[[], int], length)()):
        try:
            example = source[row]
        except Exception as error:  # a user's own code may raise anything
            raise GanvasError(f"Example {row} of the Dataset cannot be read: {reason(error)}.") from error
        read.add(row, example)
    if not read.examples:
        raise GanvasError("The Dataset is empty.")
    names = getattr(source, "classes", None)
    return from_arrays(
        name,
        "memory",
        [Arrays(read.x(), read.y(), name="the Dataset", label="its labels")],
        options,
        limit,
        class_names=_names(names) if read.numbered else None,
    )


@dataclass
class _Read:
    """The examples that were read. Grey and colour pictures become colour ones together."""

    options: ImageOptions
    examples: list[Array] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    pictures: bool = False

    def add(self, row: int, example: Any) -> None:
        pair = isinstance(example, tuple | list) and len(cast(Sequence[Any], example)) == 2
        if isinstance(example, Mapping) or (isinstance(example, tuple | list) and not pair):
            raise GanvasError(f"Example {row} of the Dataset is a {type(example).__name__}.", EXAMPLE)
        x, label = cast(tuple[Any, Any], example) if pair else (example, None)
        if self.examples and (label is None) != (self.labels[0] is None):
            raise GanvasError(f"Example {row} of the Dataset differs from the first: only one of them has a label.")
        self.examples.append(self.array(row, x))
        self.labels.append(label.item() if isinstance(label, Tensor | np.generic) and label.size else label)

    def array(self, row: int, x: Any) -> Array:
        if isinstance(x, Image.Image):
            self.pictures = True
            return convert(x, self.options).transpose(1, 2, 0)
        if isinstance(x, Tensor):
            x = x.detach().cpu()
            x = x.movedim(0, -1) if x.dim() == 3 and x.shape[0] in (1, 3, 4) else x
            return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
        if isinstance(x, np.ndarray):
            return cast(Array, x)
        raise GanvasError(f"Example {row} of the Dataset holds a {type(x).__name__}.", EXAMPLE)

    def x(self) -> Array:
        if self.pictures:
            check_one_size("the Dataset", [(x.shape[1], x.shape[0]) for x in self.examples])
            channels = max(x.shape[2] for x in self.examples)
            return np.stack([np.broadcast_to(x, (*x.shape[:2], channels)) for x in self.examples])
        shapes = sorted({x.shape for x in self.examples})
        if len(shapes) > 1:
            raise GanvasError(
                f"The examples of the Dataset have {len(shapes)} shapes, such as {shapes[0]} and {shapes[-1]}.",
                "Resize them to one, or let the Dataset give pictures of Pillow and name a size: `size=64`.",
            )
        return np.stack(self.examples)

    @property
    def numbered(self) -> bool:
        return isinstance(self.labels[0], int)

    def y(self) -> Array | None:
        if self.labels[0] is None:
            return None
        if {type(label) for label in self.labels} not in ({int}, {str}):
            raise GanvasError("The labels of the Dataset are neither all whole numbers nor all names.")
        return np.array(self.labels)


def _names(classes: object) -> Array | None:
    """The names of an attribute `classes`, if it is a list of them."""
    if not isinstance(classes, list | tuple) or not all(isinstance(name, str) for name in cast(list[Any], classes)):
        return None
    return np.array(classes)
