"""CIFAR-10, CIFAR-100 and STL-10 in their binary versions. The pickled versions are refused, with what to get instead."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganvas.data.dataset import Data, Unused
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.arrays import Arrays, from_arrays
from ganvas.data.sources.forms import Form, Stored
from ganvas.data.sources.points import no_tables
from ganvas.errors import GanvasError, option

Bytes = NDArray[np.uint8]

CIFAR10 = {**{f"data_batch_{i}.bin": "train" for i in range(1, 6)}, "test_batch.bin": "test"}
CIFAR100 = {"train.bin": "train", "test.bin": "test"}
STL10 = {"train_x.bin": "train", "test_x.bin": "test", "unlabeled_x.bin": "unlabelled"}

PICKLED = frozenset((*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"))
PICKLED_100 = frozenset(("train", "test", "meta"))
PICKLES = (".pkl", ".pickle", ".p", ".pt", ".pth")

SIDE, STL_SIDE = 32, 96


def cifar10_files(files: Sequence[Stored]) -> list[Stored]:
    names = {file.last for file in files}
    return [f for f in files if f.last in CIFAR10 or f.last == "batches.meta.txt"] if names & CIFAR10.keys() else []


def cifar10(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Rows of one byte for the class and 3,072 for the red, green and blue pixels. Krizhevsky 2009."""
    no_tables(source, options)
    parts: dict[str, list[Bytes]] = {}
    for file in files:
        if file.last in CIFAR10:
            parts.setdefault(CIFAR10[file.last], []).append(rows(file, 1 + 3 * SIDE**2))
    arrays = [
        Arrays(x[:, 1:].reshape(-1, 3, SIDE, SIDE), x[:, 0].astype(np.int64), name=name, label=f"the labels of {name}")
        for name, x in ((name, np.concatenate(parts[name])) for name in ("train", "test") if name in parts)
    ]
    return from_arrays(source, str(root), arrays, options, limit, names_in(files, "batches.meta.txt"))


def cifar100_files(files: Sequence[Stored]) -> list[Stored]:
    found = [f for f in files if f.last in CIFAR100 and f.size and not f.size % (2 + 3 * SIDE**2)]
    return found + [f for f in files if f.last in ("fine_label_names.txt", "coarse_label_names.txt")] if found else []


def cifar100(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Rows of two bytes for the coarse and the fine class, and 3,072 for the pixels. Krizhevsky 2009.

    The fine classes are the labels, unless `label_column` is "coarse".
    """
    no_tables(source, replace(options, label_column=None))
    kind = (options.label_column or "fine").lower()
    if kind not in ("fine", "coarse"):
        raise GanvasError(
            f"CIFAR-100 has no labels {options.label_column!r}.", f"Use {option('label_column', 'fine')} or coarse."
        )
    arrays: list[Arrays] = []
    for name in CIFAR100:
        if file := next((f for f in files if f.last == name), None):
            x = rows(file, 2 + 3 * SIDE**2)
            y = x[:, 1 if kind == "fine" else 0].astype(np.int64)
            arrays.append(Arrays(x[:, 2:].reshape(-1, 3, SIDE, SIDE), y, name=name, label=f"the labels of {name}"))
    note = "Labels are the 100 fine classes. For the 20 others, set label_column to coarse."
    notes = [note] if options.label_column is None else []
    return from_arrays(source, str(root), arrays, options, limit, names_in(files, f"{kind}_label_names.txt"), notes)


def stl10_files(files: Sequence[Stored]) -> list[Stored]:
    names = {file.last for file in files}
    more = ("train_y.bin", "test_y.bin", "class_names.txt")
    return [f for f in files if f.last in STL10 or f.last in more] if names & STL10.keys() else []


def stl10(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Pictures of 96x96 pixels, each colour column by column, and classes from 1. Coates et al. 2011, section 4."""
    no_tables(source, options)
    by_name = {file.last: file for file in files}
    labelled = [name for name, split in STL10.items() if name in by_name and split != "unlabelled"]
    unlabelled = by_name.get("unlabeled_x.bin")
    unused: list[Unused] = []
    if labelled and unlabelled:
        num = unlabelled.size // (3 * STL_SIDE**2)
        unused = [Unused("without a label; name the file to train on them (unlabeled_X.bin)", num, pictures=True)]
    arrays: list[Arrays] = []
    for name in labelled or ["unlabeled_x.bin"]:
        x = rows(by_name[name], 3 * STL_SIDE**2).reshape(-1, 3, STL_SIDE, STL_SIDE).transpose(0, 1, 3, 2)
        labels = by_name.get(name.replace("_x", "_y"))
        y = None if labels is None else rows(labels, 1)[:, 0].astype(np.int64) - 1
        arrays.append(Arrays(x, y, name=name, label=f"the labels of {name}"))
    data = from_arrays(source, str(root), arrays, options, limit, names_in(files, "class_names.txt"))
    return replace(data, unused=(*data.unused, *unused))


def rows(file: Stored, length: int) -> Bytes:
    """A file of bytes as rows of a length. GanvasError for files that are cut off."""
    content = file.content()
    if not content or len(content) % length:
        raise GanvasError(
            f"{file.path} has {len(content):,} bytes, which are no rows of {length:,}.", "Is the download complete?"
        )
    return np.frombuffer(content, np.uint8).reshape(-1, length).copy()


def names_in(files: Sequence[Stored], name: str) -> NDArray[np.str_] | None:
    """The classes' names, one a line, if the file is there."""
    file = next((f for f in files if f.last == name), None)
    lines = [] if file is None else file.content().decode("utf-8", "replace").split("\n")
    names = [line.strip() for line in lines if line.strip()]
    return np.array(names) if names else None


def pickled_files(files: Sequence[Stored]) -> list[Stored]:
    names = {file.last for file in files}
    cifar = names & PICKLED or (names >= {"train", "meta"})
    found = [f for f in files if f.last in PICKLED or (cifar and f.last in PICKLED_100)]
    return found or [f for f in files if f.last.endswith(PICKLES)]


def refuse_pickles(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Raises GanvasError: unpickling a file may run code in it."""
    what = f"{files[0].path} holds Python objects, which could run code when they are loaded; ganvas never loads them."
    kinds = {"10": any(f.last in PICKLED for f in files), "100": {"train", "meta"} <= {f.last for f in files}}
    number = next((number for number, there in kinds.items() if there), None)
    if number:
        raise GanvasError(
            what,
            f"Get the same pictures in another form: cifar-{number}-binary.tar.gz from"
            " https://www.cs.toronto.edu/~kriz/cifar.html. It needs no unpacking.",
        )
    raise GanvasError(what, "Save its arrays in your own program: numpy.savez('data.npz', images=x, labels=y)")


CIFAR10_FORM, CIFAR100_FORM = Form(cifar10_files, cifar10), Form(cifar100_files, cifar100)
STL10_FORM, PICKLED_FORM = Form(stl10_files, stl10), Form(pickled_files, refuse_pickles)
