"""`npz:FILE`: arrays that numpy saved. Pickled objects in them are never loaded."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.labels import numbered
from ganvas.data.sources.points import no_image_options
from ganvas.data.sources.splits import divided, keep_rows, split_by_key
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit

Array = NDArray[Any]

_KEYS = (
    "Its arrays are named images (or x), labels (or y), class_names and captions; "
    "or x_train, y_train, x_test, y_test where it has two splits."
)


LARGEST_COORDINATE = 1e15
"""Of points. Distances between points are sums of squares, which must stay below float32's largest number, 3.4e38."""

TEXT = "US"
"""The kinds of dtype that hold text."""

LONGEST_HEADER = 10_000
"""Characters of an array's header; numpy reads no more of a file that it does not trust."""


def npz(file: str, options: ImageOptions, limit: int | None = None) -> Data:
    """Images or points with what belongs to them.

    images or x: (N, H, W), (N, H, W, C) or (N, C, H, W) of whole numbers up to 255 (or 65535 when uint16), or of
    floats in [0, 1] or [-1, 1]; or points, (N, D). labels or y: (N,) whole numbers from 0, -1 for none, or names.
    class_names: (K,). captions: (N,). With x_train and x_test (and their y_) the test arrays are held out; else
    about a tenth is, by content. Raises GanvasError if the file is unreadable, or if the arrays do not match.
    """
    path = Path(file).expanduser()
    arrays = _load(path)
    parts = [_part(path, arrays, suffix) for suffix in (("_train", "_test") if "x_train" in arrays else ("",))]
    splits, classes = _name_classes(path, parts, arrays.get("class_names"), options.split_by == "name")
    if len(splits) == 1 and options.split_by == "name":
        train, held_out = split_by_key([str(i) for i in range(len(splits[0]))])
        splits = [splits[0].select(torch.tensor(rows, dtype=torch.int64)) for rows in (train, held_out)]
    if len(splits) == 2:
        splits = [s.select(keep_rows(len(s), limit)) for s in splits]
    if splits[0].x.dim() == 4:
        splits = [adapt(s, options) for s in splits]
    else:
        no_image_options(f"npz:{file}", options)
    if len(splits) == 1:
        (train, held_out), numbers = divided(splits[0], limit)
        return gather(f"npz:{file}", train, held_out, classes=classes, contents=numbers)
    if splits[0].x.shape[1:] != splits[1].x.shape[1:]:
        raise GanvasError(f"{path}: x_train and x_test hold examples of different shapes.")
    return gather(f"npz:{file}", splits[0], splits[1], classes=classes)


def _load(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise GanvasError(f"There is no file {path}.")
    if not zipfile.is_zipfile(path):
        raise GanvasError(f"{path} is not a complete .npz file, which is a zip archive of arrays.", _KEYS)
    known = ("images", "labels", "class_names", "captions", "x", "y", "x_train", "y_train", "x_test", "y_test")
    try:
        with zipfile.ZipFile(path) as entries:
            for entry in entries.infolist():
                if entry.filename.removesuffix(".npy") in known:
                    check_header(path, entries, entry)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files if key in known}
            found = archive.files
    except GanvasError:
        raise
    except Exception as error:  # zip, deflate and numpy each raise their own of damaged files, and several of Python's
        if "allow_pickle" in str(error):
            raise GanvasError(
                f"{path} holds Python objects, which could run code when they are loaded; ganvas never loads them.",
                "Save arrays of numbers and of text (dtype str), not of dtype object.",
            ) from error
        raise GanvasError(f"{path} cannot be read as .npz: {str(error) or type(error).__name__}.") from error
    if "x_train" in arrays and "x_test" not in arrays:
        raise GanvasError(f"{path} has x_train but no x_test.", _KEYS)
    if not {"images", "x", "x_train"} & set(arrays):
        raise GanvasError(f"{path} holds no images: its arrays are {', '.join(found) or 'none'}.", _KEYS)
    return arrays


def check_header(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raises GanvasError when an array is not as large as its entry, or too large: numpy takes the memory that it claims."""
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        start = stream.tell()
        length = int.from_bytes(stream.read(2 if version == (1, 0) else 4), "little")
        if length > LONGEST_HEADER:
            raise GanvasError(
                f"{path}: the header of {entry.filename} has {length:,} bytes; numpy reads {LONGEST_HEADER:,} at most.",
                "Save plain arrays of numbers and of text, without a structured dtype.",
            )
        stream.seek(start)
        shape, _, kind = read(stream)
        claimed, held = math.prod(shape) * kind.itemsize, entry.file_size - stream.tell()
    if not kind.hasobject and claimed != held:
        raise GanvasError(f"{path} is damaged: {entry.filename} should hold {claimed:,} bytes, and holds {held:,}.")
    must_fit(2 * claimed, f"{path}: {entry.filename}")


def _part(path: Path, arrays: dict[str, Array], suffix: str) -> tuple[Tensor, Array | None, tuple[str, ...] | None]:
    """Examples, raw labels and captions of the arrays whose names end so."""
    name, label = (f"x{suffix}", f"y{suffix}")
    if not suffix and "images" in arrays:
        name = "images"
    if not suffix and "labels" in arrays:
        label = "labels"
    x = _examples(f"{path}: {name}", arrays[name])
    y = arrays.get(label)
    if y is not None and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]  # as Keras stores CIFAR-10
    captions = None if suffix else arrays.get("captions")
    for key, array in ((label, y), ("captions", captions)):
        if key == "captions" and array is not None and array.dtype.kind not in TEXT:
            raise GanvasError(f"{path}: captions holds {array.dtype}, not text.")
        if array is not None and array.shape != (len(x),):
            raise GanvasError(f"{path}: {key} has the shape {array.shape}; {len(x)} examples need ({len(x)},).")
    return x, y, None if captions is None else tuple(map(_text, captions))


def _examples(name: str, array: Array) -> Tensor:
    """Images as uint8 (N, C, H, W), points as float32 (N, D)."""
    if array.dtype.kind not in "biuf":  # numpy counts time differences among the numbers, too
        raise GanvasError(f"{name} holds {array.dtype}, not real numbers.")
    if not array.size:
        raise GanvasError(f"{name} is empty: its shape is {array.shape}.")
    if not np.isfinite(array).all():
        raise GanvasError(f"{name} holds NaN or infinity.")
    if array.ndim == 2 and array.shape[1] >= 2:
        largest = max(abs(float(array.min())), abs(float(array.max())))
        if largest > LARGEST_COORDINATE:
            raise GanvasError(
                f"{name} holds coordinates up to {largest:.3g}; float32 cannot hold the squares of such numbers.",
                "Scale the points, best to a spread of about 1.",
            )
        return torch.from_numpy(array.astype(np.float32))
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3, 4):
        raise GanvasError(
            f"{name} has the shape {array.shape}, which is neither images nor points.",
            "Images are (N, H, W), (N, H, W, C) or (N, C, H, W), C being 1, 3 or 4; points are (N, D), D at least 2.",
        )
    return torch.from_numpy(np.ascontiguousarray(_bytes(name, array).transpose(0, 3, 1, 2)))


def _bytes(name: str, array: Array) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    if array.dtype == np.bool_:
        offset, scale = 0.0, 255.0
    elif array.dtype == np.uint16 and high > 255:
        offset, scale = 0.0, 255 / 65535
    elif np.issubdtype(array.dtype, np.floating) and low >= -1 and high <= 1:
        offset, scale = (1.0, 127.5) if low < 0 else (0.0, 255.0)
    elif low >= 0 and high <= 255:
        offset, scale = 0.0, 1.0
    else:
        raise GanvasError(
            f"{name} holds values from {low:g} to {high:g}, so black and white are undefined.",
            "Images are whole numbers from 0 to 255, or floats in [0, 1] or [-1, 1].",
        )
    return np.rint((array.astype(np.float32) + offset) * scale).astype(np.uint8)


def _name_classes(
    path: Path,
    parts: list[tuple[Tensor, Array | None, tuple[str, ...] | None]],
    class_names: Array | None,
    from_zero: bool,
) -> tuple[list[Split], tuple[str, ...]]:
    """The splits with their labels numbered, and the classes' names. from_zero: whether there is a class for every number
    up to the largest, as in version 0.1.0."""
    raw = [y for _, y, _ in parts if y is not None]
    if len(raw) < len(parts):
        return [Split(x, None, text) for x, _, text in parts], ()
    if all(y.dtype.kind in TEXT for y in raw):
        names = sorted({_text(v) for y in raw for v in y})
        number = {name: i for i, name in enumerate(names)}
        labels = [np.array([number[_text(v)] for v in y]) for y in raw]
    else:
        labels = raw
        if class_names is not None and class_names.dtype.kind not in TEXT + "iu":
            raise GanvasError(f"{path}: class_names holds {class_names.dtype}, not text.")
        names = [] if class_names is None else [_text(v) for v in class_names.ravel()]
        _check_labels(path, labels, names)
        if not names and not from_zero:
            found, names = numbered([torch.from_numpy(y.astype(np.int64)) for y in labels])
            labels = [y.numpy() for y in found]
        names = names or [str(i) for i in range(max(int(y.max()) for y in labels) + 1)]
    splits = [
        Split(x, torch.from_numpy(y.astype(np.int64)), text) for (x, _, text), y in zip(parts, labels, strict=True)
    ]
    return splits, tuple(names)


def _check_labels(path: Path, labels: list[Array], names: list[str]) -> None:
    """Raises GanvasError for labels that are no classes, or have no names although others have."""
    for y in labels:
        if y.dtype.kind not in "iu":
            raise GanvasError(f"{path}: labels are {y.dtype}; they are whole numbers or names.")
    low, high = min(int(y.min()) for y in labels), max(int(y.max()) for y in labels)
    if low < -1 or (names and high >= len(names)):
        known = f"0 to {len(names) - 1} have names" if names else "classes count from 0, and -1 is no class"
        raise GanvasError(f"{path}: labels go from {low} to {high}, but {known}.")
    if not names and high >= 100_000:
        raise GanvasError(
            f"{path}: labels go up to {high}, too many for classes.", "Classes count from 0 without gaps."
        )


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
