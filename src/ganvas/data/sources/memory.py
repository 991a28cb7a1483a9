"""Data that a Python program holds: arrays and tensors, with labels or without."""

from collections.abc import Sequence
from typing import Any, TypeGuard, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.arrays import Arrays, from_arrays
from ganvas.data.sources.hub import read_tables
from ganvas.data.sources.torch_data import from_torch, is_torch_data
from ganvas.errors import GanvasError

PREFIX = "memory:"
"""Of the names of data that cannot be opened by their name."""

ARRAY, FILES = f"{PREFIX}array", f"{PREFIX}files"

Values = NDArray[Any] | Tensor
Labels = Values | Sequence[int] | Sequence[str]
InMemory = Values | tuple[Values, Labels] | Dataset[Any]
"""Images or points, these with their labels, or a Dataset. One of the package `datasets` has no type of its own here."""

KINDS = (
    "It takes the name of a source, a Path, a list of files, an array or tensor of images or points, a pair of such an"
    " array and its labels, or a Dataset of torch or of `datasets`."
)


def is_in_memory(source: object) -> TypeGuard[InMemory]:
    """Whether data are arrays, not names or files."""
    if isinstance(source, tuple) and len(cast(tuple[Any, ...], source)) == 2:
        source = cast(tuple[Any, ...], source)[0]
    return isinstance(source, np.ndarray | Tensor) or is_torch_data(source) or is_table(source)


def is_table(source: object) -> bool:
    """Whether data are a Dataset, or a DatasetDict, of the package `datasets`."""
    kinds = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(source).__mro__]
    return ("datasets", "Dataset") in kinds or ("datasets", "DatasetDict") in kinds


def from_memory(source: InMemory, options: ImageOptions, limit: int | None = None) -> Data:
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W), or points (N, D), read as `npz:` reads them, copied.

    labels: (N,) whole numbers from 0, -1 for none, or names. Raises GanvasError for other shapes, types and values.
    """
    if is_table(source):
        return read_tables(ARRAY, "the Dataset", source, options, limit)
    if is_torch_data(source):
        return from_torch(source, ARRAY, options, limit)
    x, y = source if isinstance(source, tuple) else (cast(Values, source), None)
    part = Arrays(examples_of(x), None if y is None else labels_of(y), name="data", label="its labels")
    return from_arrays(ARRAY, "memory", [part], options, limit)


def examples_of(x: Values) -> NDArray[Any]:
    """The examples as an array; images of a tensor with the channels last."""
    array = array_of(x)
    if isinstance(x, Tensor) and array.ndim == 4 and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    return array


def labels_of(y: Labels) -> NDArray[Any]:
    try:
        array = array_of(y) if isinstance(y, Tensor) else np.asarray(y)
    except ValueError as error:  # lists of different lengths
        raise GanvasError(f"The labels are no list of numbers or names: {error}.") from error
    if array.dtype.hasobject:
        raise GanvasError("The labels are neither whole numbers nor names.", "Give a list of either.")
    return array


def array_of(x: Values) -> NDArray[Any]:
    """An array with the values of x. Raises GanvasError for tensors that numpy has no form for."""
    if not isinstance(x, Tensor):
        return np.asarray(x)
    if x.layout != torch.strided or x.is_quantized:
        raise GanvasError("Data are a plain tensor, neither sparse nor quantized.", "Convert it: x.to_dense()")
    plain = x.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
