"""Arrays with names, as HDF5 and MATLAB files hold them: which are the pictures, their labels and the classes' names."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.sources.arrays import Arrays, flat_shape
from ganvas.data.sources.layout import split_of
from ganvas.errors import GanvasError, did_you_mean

Array = NDArray[Any]

X = ("images", "image", "x", "data", "imgs", "img", "pictures", "faces", "fea", "features", "set_x", "ff")
Y = ("labels", "label", "y", "target", "targets", "ans", "classes", "class", "category", "gnd", "set_y", "lbls")
NAMES = ("class_names", "label_names", "category_names", "list_classes", "classnames")


@dataclass(frozen=True)
class Named:
    """An array that is not loaded yet. kind: of its dtype. load: its values."""

    shape: tuple[int, ...]
    kind: str
    load: Callable[[], Array]


@dataclass(frozen=True)
class Found:
    """The pictures of each split, "" if there are none; and the classes' names."""

    parts: dict[str, Arrays]
    class_names: Array | None = None


def find(place: str, arrays: Mapping[str, Named], label: str | None, notes: list[str], *, matlab: bool) -> Found:
    """The pictures among named arrays. label: the array of labels that the user named.

    matlab: whether pictures may be counted by the last axis, and pixels go down the columns.
    """
    known = {plain(name): name for name in arrays}
    groups: dict[str, dict[str, str]] = {}
    for name in arrays:
        split, rest = split_and_rest(name)
        groups.setdefault(split, {})[rest] = name
    if label is not None and plain(label) not in known:
        raise GanvasError(f"{place} has no array {label!r}.", did_you_mean(label, arrays))
    parts: dict[str, Arrays] = {}
    for split, group in groups.items():
        if x := pictures_in(group, arrays):
            named = known[plain(label)] if label is not None and len(groups) == 1 else None
            parts[split] = one(x, named or labels_in(group, arrays, x), arrays, notes, matlab=matlab)
    if "train" in parts:
        parts.pop("", None)
    if not parts:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in list(arrays.items())[:12]) or "none"
        raise GanvasError(
            f"{place} holds no pictures; its arrays are: {shapes}.",
            "Name the pictures images, and their labels labels.",
        )
    names = next((arrays[known[n]].load() for n in NAMES if n in known and arrays[known[n]].kind in "SUO"), None)
    return Found(parts, None if names is None else np.array([as_text(v) for v in names.ravel()]))


def plain(name: str) -> str:
    """The last part of a name, in small letters and with single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.rpartition("/")[2].lower()).strip("_")


def split_and_rest(name: str) -> tuple[str, str]:
    """Which split a name says, "" for none, and its last part without it: train_set_x, dataset/test/images, testdata."""
    words = plain(name).split("_")
    for word in words:
        if split := split_of(word):
            return split, "_".join(w for w in words if w != word) or "data"
    if match := re.fullmatch(r"(train|test|val)(data|labels?|target|images|x|y)", plain(name)):
        return split_of(match[1]) or "", match[2]
    above = next(filter(None, (split_of(part) for part in name.split("/")[:-1])), "")
    return above, plain(name)


def pictures_in(group: Mapping[str, str], arrays: Mapping[str, Named]) -> str | None:
    """The array of pictures of a split: of a usual name, or the only one that has their shape."""
    fit = {rest: name for rest, name in group.items() if may_be_pictures(arrays[name])}
    usual = next((fit[rest] for rest in X if rest in fit), None)
    deep = [name for name in fit.values() if len(arrays[name].shape) >= 3]
    return usual or (deep[0] if len(deep) == 1 else next(iter(fit.values())) if len(fit) == 1 else None)


def may_be_pictures(array: Named) -> bool:
    shape = array.shape
    if array.kind not in "biuf" or len(shape) not in (2, 3, 4) or 0 in shape:
        return False
    return len(shape) > 2 or max(flat_shape(n)[0] for n in shape) > 0


def labels_in(group: Mapping[str, str], arrays: Mapping[str, Named], x: str) -> str | None:
    """The array of labels: of a usual name, with one row, or one column, for each picture."""
    return next(
        (
            group[rest]
            for rest in Y
            if rest in group and group[rest] != x and set(arrays[group[rest]].shape) & set(arrays[x].shape)
        ),
        None,
    )


def one(x: str, y: str | None, arrays: Mapping[str, Named], notes: list[str], *, matlab: bool) -> Arrays:
    labels = None if y is None else arrays[y].load()
    num = None if labels is None else max(labels.shape)
    if labels is not None and labels.ndim == 2 and min(labels.shape) > 1:
        num = next(n for n in labels.shape if n in arrays[x].shape)
    pixels = arrays[x].load()
    if matlab:
        pixels = counted_first(pixels, num, notes)
    return Arrays(
        pixels, None if labels is None else classes_of(labels, len(pixels), notes), name=x, label=y or "labels"
    )


def counted_first(x: Array, num: int | None, notes: list[str]) -> Array:
    """MATLAB's pictures (H, W, N), (H, W, C, N), (N, D) or (D, N) as (N, H, W) or (N, H, W, C).

    num: of pictures, if it is known.
    """
    if x.ndim > 2:
        return np.moveaxis(x, -1, 0) if counted_last(x.shape, num) else x
    if num != x.shape[0] and (num == x.shape[1] or not flat_shape(x.shape[1])[0]):
        x = x.T
    side, channels = flat_shape(x.shape[1])
    if not side:
        return x
    notes.append("Pixels were taken column by column, as MATLAB stores them.")
    return x.reshape(len(x), channels, side, side).transpose(0, 3, 2, 1)


def counted_last(shape: tuple[int, ...], num: int | None) -> bool:
    """Whether the last axis counts the pictures: by the number of labels, or as MATLAB's programs do."""
    first, last = shape[0] == num, shape[-1] == num
    if first != last:
        return last
    if len(shape) == 4:
        return shape[-1] not in (1, 3, 4)
    return shape[1] != shape[2] or shape[0] == shape[1]


def classes_of(y: Array, num: int, notes: list[str]) -> Array | None:
    """Labels (N,): of (N,), (N, 1) and so on, or of one column for each class with one 1 in each row."""
    y = np.squeeze(y)
    if y.ndim == 2 and num in y.shape:
        y = y if y.shape[0] == num else y.T
        largest = y.max(axis=1, keepdims=True)
        if ((y == largest).sum(axis=1) == 1).all() and (y.dtype.kind == "b" or len(np.unique(y)) == 2):
            notes.append(f"Labels are the column of {y.shape[1]} that is set.")
            return y.argmax(axis=1)
        notes.append(f"Labels of {y.shape[1]} numbers are no classes, and are not used.")
        return None
    if y.ndim != 1:
        y = y.reshape(-1)
    if y.dtype.kind == "f" and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    if y.dtype.kind == "b":
        y = y.astype(np.int64)
    return np.array([as_text(v) for v in y]) if y.dtype.kind in "SO" else y


def as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def in_order(found: Mapping[str, Arrays]) -> Sequence[Arrays]:
    """Training and held-out pictures, or the only ones."""
    order = [found[split] for split in ("train", "validation", "test", "") if split in found]
    return order[:2] if "train" in found else order[:1]
