"""`npz:FILE`: arrays that numpy saved, in a file .npz or .npy. Pickled objects in them are never loaded."""

import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.dataset import Data, Unused
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.arrays import Arrays, from_arrays
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit

Array = NDArray[Any]

_KEYS = (
    "Its arrays are named images (or x), labels (or y), class_names and captions; "
    "or x_train, y_train, x_test, y_test where it has two splits; or as MedMNIST and KMNIST name them."
)

_X = ("images", "x", "data", "arr_0")
_Y = ("labels", "y", "targets", "arr_1")
_SPLITS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}

LONGEST_HEADER = 10_000
"""Characters of an array's header; numpy reads no more of a file that it does not trust."""


def npz(file: str, options: ImageOptions, limit: int | None = None) -> Data:
    """Images or points with what belongs to them.

    images or x: (N, H, W), (N, H, W, C) or (N, C, H, W) of whole numbers, or of floats in [0, 1], [-1, 1] or [0, 255];
    or points, (N, D). Rows (N, D) of whole numbers up to 255 are pictures if D is a square from 64 on, such as 784.
    labels or y: (N,) whole numbers from 0, -1 for none, or names. class_names: (K,). captions: (N,).
    With x_train and x_test (and their y_), or train_images and val_images (and _labels), the second arrays are held
    out; else about a tenth is, by content. A file of KMNIST, such as kmnist-train-imgs.npz, is read with the other
    three beside it. A file .npy is one array. Raises GanvasError if the file is unreadable, or if the arrays do not match.
    """
    path = Path(file).expanduser()
    arrays = _load(path)
    source = f"npz:{file}"
    parts, unused, notes = _parts(path, arrays)
    loaded = from_arrays(source, str(path), parts, options, limit, arrays.get("class_names"), notes)
    return replace(loaded, unused=tuple(unused))


def _parts(path: Path, arrays: Mapping[str, Array]) -> tuple[list[Arrays], list[Unused], list[str]]:
    """The arrays of each split, the examples that are left out, and what was assumed."""
    named = {split: _of_split(arrays, forms) for split, forms in _SPLITS.items()}
    train = named["train"]
    if train is None:
        whole = _whole(arrays)
        assert whole is not None
        beside = [] if "arr_0" not in arrays else _beside(path, whole)
        return (beside or [whole]), [], [f"Read with the files beside it: {len(beside)} splits."] if beside else []
    second = named["validation"] or named["test"]
    if second is None:
        raise GanvasError(f"{path} has {train.name} but no {train.name.replace('train', 'test')}.", _KEYS)
    third = named["test"] if named["validation"] else None
    unused = [] if third is None else [Unused(f"a second held-out split ({third.name})", len(third.x), pictures=True)]
    return [train, second], unused, []


def _of_split(arrays: Mapping[str, Array], forms: tuple[str, ...]) -> Arrays | None:
    """The arrays of the split that is called by one of these names: x_train, train_images, trainX ..."""
    for form in forms:
        for x, y in ((f"x_{form}", f"y_{form}"), (f"{form}_images", f"{form}_labels"), (f"{form}_x", f"{form}_y")):
            if x in arrays:
                return Arrays(arrays[x], arrays.get(y), name=x, label=y)
    return None


def _whole(arrays: Mapping[str, Array]) -> Arrays | None:
    """The arrays of a file without splits."""
    x = next((name for name in _X if name in arrays), None)
    if x is None:
        return None
    y = next((name for name in _Y if name in arrays), None)
    if y == "arr_1" and arrays[y].shape[:1] != arrays[x].shape[:1]:
        y = None
    return Arrays(arrays[x], None if y is None else arrays[y], arrays.get("captions"), x, y or "labels")


def _beside(path: Path, images: Arrays) -> list[Arrays]:
    """The splits of KMNIST, whose images and labels stand in four files; empty for a file of another name."""
    name = path.name
    if not name.endswith("train-imgs.npz"):
        return []
    found: list[Arrays] = []
    for split in ("train", "test"):
        x = path.with_name(name.removesuffix("train-imgs.npz") + f"{split}-imgs.npz")
        y = path.with_name(name.removesuffix("train-imgs.npz") + f"{split}-labels.npz")
        if not x.is_file():
            continue
        pixels = images.x if split == "train" else _load(x)["arr_0"]
        labels = _load(y)["arr_0"] if y.is_file() else None
        found.append(Arrays(pixels, labels, name=x.name, label=y.name))
    return found


def _known() -> set[str]:
    """The names of arrays that are read."""
    forms = [form for group in _SPLITS.values() for form in group]
    patterns = ("x_{}", "y_{}", "{}_images", "{}_labels", "{}_x", "{}_y")
    return {*_X, *_Y, "class_names", "captions", *(p.format(form) for p in patterns for form in forms)}


def _load(path: Path) -> dict[str, Array]:
    """The arrays that are read, by their names in small letters."""
    if not path.is_file():
        raise GanvasError(f"There is no file {path}.")
    if path.suffix.lower() == ".npy":
        return {"x": _one(path)}
    if not zipfile.is_zipfile(path):
        raise GanvasError(f"{path} is not a complete .npz file, which is a zip archive of arrays.", _KEYS)
    known = _known()
    try:
        with zipfile.ZipFile(path) as entries:
            for entry in entries.infolist():
                if entry.filename.removesuffix(".npy").lower() in known:
                    with entries.open(entry) as stream:
                        check_header(path, entry.filename, stream, entry.file_size)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key.lower(): archive[key] for key in archive.files if key.lower() in known}
            found = archive.files
    except GanvasError:
        raise
    except Exception as error:  # zip, deflate and numpy each raise their own of damaged files, and several of Python's
        raise _unreadable(path, error) from error
    if _whole(arrays) is None and _of_split(arrays, _SPLITS["train"]) is None:
        raise GanvasError(f"{path} holds no images: its arrays are {', '.join(found) or 'none'}.", _KEYS)
    return arrays


def _one(path: Path) -> Array:
    """The array in a file .npy."""
    try:
        with path.open("rb") as stream:
            check_header(path, path.name, stream, path.stat().st_size)
        return np.load(path, allow_pickle=False)
    except GanvasError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> GanvasError:
    if "allow_pickle" in str(error):
        return GanvasError(
            f"{path} holds Python objects, which could run code when they are loaded; ganvas never loads them.",
            "Save arrays of numbers and of text (dtype str), not of dtype object.",
        )
    return GanvasError(f"{path} cannot be read as {path.suffix}: {str(error) or type(error).__name__}.")


def check_header(path: Path, name: str, stream: IO[bytes], size: int) -> None:
    """Raises GanvasError when an array is not as large as its file, or too large: numpy takes the memory that it claims.

    stream: the start of the array called `name`, which has `size` bytes with its header.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    start = stream.tell()
    length = int.from_bytes(stream.read(2 if version == (1, 0) else 4), "little")
    if length > LONGEST_HEADER:
        raise GanvasError(
            f"{path}: the header of {name} has {length:,} bytes; numpy reads {LONGEST_HEADER:,} at most.",
            "Save plain arrays of numbers and of text, without a structured dtype.",
        )
    stream.seek(start)
    shape, _, kind = read(stream)
    claimed, held = math.prod(shape) * kind.itemsize, size - stream.tell()
    if not kind.hasobject and claimed != held:
        raise GanvasError(f"{path} is damaged: {name} should hold {claimed:,} bytes, and holds {held:,}.")
    must_fit(2 * claimed, f"{path}: {name}")
