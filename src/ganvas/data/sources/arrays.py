"""Arrays as data: images or points with labels and captions, from files of numpy or from memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.dataset import Data, DataInfo, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.labels import numbered
from ganvas.data.sources.depth import Depth, depth_of_numbers
from ganvas.data.sources.points import no_image_options
from ganvas.data.sources.splits import divided, keep_rows, split_by_key
from ganvas.errors import GanvasError, option

Array = NDArray[Any]

LARGEST_COORDINATE = 1e15
"""Of points. Distances between points are sums of squares, which must stay below float32's largest number, 3.4e38."""

TEXT = "US"
"""The kinds of dtype that hold text."""

SMALLEST_FLAT = 8
"""The least side in pixels of pictures whose rows stand one after the other."""

SHAPES = "Images are (N, H, W), (N, H, W, C) or (N, C, H, W), C being 1, 3 or 4; points are (N, D), D at least 2."


@dataclass(frozen=True, eq=False)
class Arrays:
    """One split. x: images or points; y: labels; captions: texts; all of N rows. The names are for messages."""

    x: Array
    y: Array | None = None
    captions: Array | None = None
    name: str = "images"
    label: str = "labels"


def from_arrays(
    source: str,
    place: str,
    parts: Sequence[Arrays],
    options: ImageOptions,
    limit: int | None = None,
    class_names: Array | None = None,
    notes: Sequence[str] = (),
) -> Data:
    """Data of arrays in one part, which is divided by content, or in two: training and held out. place: for messages.

    Raises GanvasError for arrays that do not match each other, or are neither images nor points.
    """
    old = options.split_by == "name"  # version 0.1.0 knew no flat pictures, and told no white
    checked = [_checked(place, part, flat=not old) for part in parts]
    if len({part.x.shape[1:] for part in checked}) > 1:
        names = " and ".join(part.name for part in checked)
        raise GanvasError(f"{place}: {names} hold examples of different shapes.")
    said = list(notes)
    white: int | None = None
    if checked[0].x.ndim == 4:
        if parts[0].x.ndim == 2:
            side = checked[0].x.shape[1]
            said.append(f"Rows of {side * side} numbers were taken as pictures of {side}x{side} pixels, row by row.")
        if old:
            images = [_bytes(place, [part], options, old)[0][0] for part in checked]
        else:
            images, depth = _bytes(place, checked, options, old)
            depth.check_range([torch.from_numpy(x) for x in images])
            white, said = depth.white, [*said, *depth.notes]
        examples = [torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))) for x in images]
    else:
        no_image_options(source, options)
        examples = [torch.from_numpy(part.x.astype(np.float32)) for part in checked]
        said += _maybe_pictures(checked[0].x)
    known = [
        (x, part.y, None if part.captions is None else tuple(map(_text, part.captions)))
        for x, part in zip(examples, checked, strict=True)
    ]
    splits, classes = _name_classes(place, known, class_names, old)
    if not classes and any(part.y is not None for part in checked):
        said.append("Only one split has labels, so labels are not used.")
    if len(splits) == 1 and old:
        rows = split_by_key([str(i) for i in range(len(splits[0]))])
        splits = [splits[0].select(torch.tensor(part, dtype=torch.int64)) for part in rows]
    if len(splits) == 2:
        splits = [s.select(keep_rows(len(s), limit)) for s in splits]
    if DataInfo(tuple(examples[0].shape[1:])).domain.spatial:
        splits = [adapt(s, replace(options, white=None)) for s in splits]
    numbers = order = None
    if len(splits) == 1:
        (train, held_out), numbers, rows = divided(splits[0], limit)
        order = torch.cat(rows)
        splits = [train, held_out]
    data = gather(source, splits[0], splits[1], classes=classes, contents=numbers)
    return replace(data, white=white, notes=tuple(said), order=order)


def _checked(place: str, part: Arrays, *, flat: bool) -> Arrays:
    """The part with images as (N, H, W, C), or points (N, D), and labels (N,). flat: whether rows may be pictures."""
    x = _examples(f"{place}: {part.name}", part.x, flat=flat)
    y = part.y
    if y is not None and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]  # as Keras stores CIFAR-10, and MedMNIST all labels
    for key, array in ((part.label, y), ("captions", part.captions)):
        if key == "captions" and array is not None and array.dtype.kind not in TEXT:
            raise GanvasError(f"{place}: captions holds {array.dtype}, not text.")
        if array is not None and array.shape != (len(x),):
            raise GanvasError(f"{place}: {key} has the shape {array.shape}; {len(x)} examples need ({len(x)},).")
    return replace(part, x=x, y=y)


def _examples(name: str, array: Array, *, flat: bool) -> Array:
    """Images as (N, H, W, C), points as (N, D)."""
    if array.dtype.kind not in "biuf":  # numpy counts time differences among the numbers, too
        raise GanvasError(f"{name} holds {array.dtype}, not real numbers.")
    if not array.size:
        raise GanvasError(f"{name} is empty: its shape is {array.shape}.")
    if not np.isfinite(array).all():
        raise GanvasError(f"{name} holds NaN or infinity.")
    if flat and array.ndim == 2 and (side := flat_side(array)):
        array = array.reshape(len(array), side, side)
    if array.ndim == 2 and array.shape[1] >= 2:
        largest = max(abs(float(array.min())), abs(float(array.max())))
        if largest > LARGEST_COORDINATE:
            raise GanvasError(
                f"{name} holds coordinates up to {largest:.3g}; float32 cannot hold the squares of such numbers.",
                "Scale the points, best to a spread of about 1.",
            )
        return array
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3, 4):
        raise GanvasError(f"{name} has the shape {array.shape}, which is neither images nor points.", SHAPES)
    return array


def flat_side(array: Array) -> int:
    """The side of square grey pictures whose pixels are the columns of (N, D); 0 if the rows are points.

    They are pictures if D is a square from 64 on, such as 784, and all values are whole numbers from 0 to 255.
    """
    side = math.isqrt(array.shape[1])
    if side < SMALLEST_FLAT or side * side != array.shape[1] or array.min() < 0 or array.max() > 255:
        return 0
    return side if array.dtype.kind in "iu" or (array.dtype.kind == "f" and _whole(array)) else 0


def flat_shape(num: int) -> tuple[int, int]:
    """The side and the number of channels of square pictures of so many numbers; (0, 0) if there are none."""
    for channels in (1, 3):
        side = math.isqrt(num // channels)
        if side >= SMALLEST_FLAT and side * side * channels == num:
            return side, channels
    return 0, 0


def _whole(array: Array) -> bool:
    return bool(array.max() > 1) and bool((array == np.rint(array)).all())


def _maybe_pictures(array: Array) -> list[str]:
    """A note about points that have as many coordinates as square pictures have pixels."""
    num = array.shape[1]
    for channels, c in ((1, ""), (3, ", 3")):
        side = math.isqrt(num // channels)
        if side >= SMALLEST_FLAT and side * side * channels == num:
            shape = f"(N, {side}, {side}{c})"
            return [f"Rows of {num} numbers were taken as points. If they are pictures, reshape them to {shape}."]
    return []


def _bytes(
    place: str, parts: Sequence[Arrays], options: ImageOptions, old: bool
) -> tuple[list[NDArray[np.uint8]], Depth]:
    """The images of all parts with white at 255, on one scale."""
    arrays = [part.x for part in parts]
    low, high = min(float(x.min()) for x in arrays), max(float(x.max()) for x in arrays)
    kinds = {x.dtype.kind for x in arrays}
    offset, depth = 0.0, Depth()
    if old and all(x.dtype == np.uint8 for x in arrays):
        return arrays, depth
    if kinds == {"b"}:
        scale = 255.0
    elif kinds == {"f"} and low >= -1 and high <= 1:
        offset, scale = (1.0, 127.5) if low < 0 else (0.0, 255.0)
    else:
        if old:
            white = 65_535 if all(x.dtype == np.uint16 for x in arrays) and high > 255 else 255
        else:
            depth = depth_of_numbers(options.white, high, [x.dtype for x in arrays])
            white = depth.white or 255
            if all(x.dtype == np.uint8 for x in arrays):
                white = min(white, 255)
        scale = 255.0 / white
        if low < 0 or high > white:
            names = " and ".join(part.name for part in parts)
            raise GanvasError(
                f"{place}: {names} holds values from {low:g} to {high:g}, so black and white are undefined.",
                "Images are whole numbers from 0, or floats in [0, 1], [-1, 1] or [0, 255]. Name their white:"
                f" {option('white')}",
            )
    if offset == 0 and scale == 1 and all(x.dtype == np.uint8 for x in arrays):
        return arrays, depth
    return [np.rint((x.astype(np.float32) + offset) * scale).astype(np.uint8) for x in arrays], depth


def _name_classes(
    place: str,
    parts: Sequence[tuple[Tensor, Array | None, tuple[str, ...] | None]],
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
            raise GanvasError(f"{place}: class_names holds {class_names.dtype}, not text.")
        names = [] if class_names is None else [_text(v) for v in class_names.ravel()]
        _check_labels(place, labels, names)
        if not names and not from_zero:
            found, names = numbered([torch.from_numpy(y.astype(np.int64)) for y in labels])
            labels = [y.numpy() for y in found]
        names = names or [str(i) for i in range(max(int(y.max()) for y in labels) + 1)]
    splits = [
        Split(x, torch.from_numpy(y.astype(np.int64)), text) for (x, _, text), y in zip(parts, labels, strict=True)
    ]
    return splits, tuple(names)


def _check_labels(place: str, labels: list[Array], names: list[str]) -> None:
    """Raises GanvasError for labels that are no classes, or have no names although others have."""
    for y in labels:
        if y.dtype.kind not in "iu":
            raise GanvasError(f"{place}: labels are {y.dtype}; they are whole numbers or names.")
    low, high = min(int(y.min()) for y in labels), max(int(y.max()) for y in labels)
    if low < -1 or (names and high >= len(names)):
        known = f"0 to {len(names) - 1} have names" if names else "classes count from 0, and -1 is no class"
        raise GanvasError(f"{place}: labels go from {low} to {high}, but {known}.")
    if not names and high >= 100_000:
        raise GanvasError(
            f"{place}: labels go up to {high}, too many for classes.", "Classes count from 0 without gaps."
        )


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
