"""Tables whose rows are pictures: Kaggle's MNIST, EMNIST, Fashion-MNIST, FER2013 and others in CSV."""

import csv
import io
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.dataset import Data, Unused
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.arrays import Arrays, flat_shape, from_arrays
from ganvas.data.sources.columns import LABELS, pick
from ganvas.data.sources.forms import Form, Stored, by_split
from ganvas.data.sources.layout import split_of
from ganvas.data.sources.points import no_tables
from ganvas.data.sources.tables import label_of
from ganvas.errors import GanvasError, did_you_mean, option
from ganvas.machine.memory import must_fit

Numbers = NDArray[Any]

PIXEL = re.compile(r"(?:pixel|px|pix|p|x|f|v)?[ _]?\d+|\d+x\d+", re.IGNORECASE)
"""The name of a pixel's column: pixel0, pixel_1, 1x1, 0."""

SMALLEST = 64
"""The least number of pixels of a picture in a row."""

PIXELS, USAGE = "pixels", "usage"
"""FER2013's columns: all pixels in one cell, and the split."""

FER = {"training": "train", "publictest": "validation", "privatetest": "test"}


@dataclass(frozen=True)
class Header:
    """The first row. names: empty if it holds numbers already. width: the number of columns."""

    names: tuple[str, ...]
    width: int

    @classmethod
    def of(cls, file: Stored) -> "Header":
        cells = [
            cell.strip().strip('"')
            for cell in file.start().partition(b"\n")[0].decode("utf-8-sig", "replace").split(",")
        ]
        return cls((), len(cells)) if all(map(is_number, cells)) else cls(tuple(cells), len(cells))

    @property
    def has_pixels(self) -> bool:
        named = sum(bool(PIXEL.fullmatch(name)) for name in self.names)
        in_one = any(name.lower() == PIXELS for name in self.names)
        return in_one or named >= SMALLEST or (not self.names and self.width >= SMALLEST)


def is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def pixel_files(files: Sequence[Stored]) -> list[Stored]:
    return [f for f in files if f.last.endswith(".csv") and Header.of(f).has_pixels]


def pixels(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Rows of pixels from 0 to 255, with or without a label, in files for one split or several.

    EMNIST's pixels go down the columns. Three times a square number of pixels are colours, pixel by pixel.
    """
    no_tables(source, replace(options, label_column=None))
    notes: list[str] = []
    unused: list[Unused] = []
    found: dict[str, Arrays] = {}
    for split, (file, *_) in by_split(source, files).items():
        found |= {split if name == "" else name: part for name, part in read(file, options, notes).items()}
    if "train" in found and found["train"].y is not None:
        for split in [s for s in found if s != "train" and found[s].y is None]:
            unused.append(Unused(f"without labels ({found[split].name})", len(found.pop(split).x), pictures=True))
    if "train" in found and "validation" in found and "test" in found:
        unused.append(Unused("a second held-out split", len(found.pop("test").x), pictures=True))
    parts = [found[split] for split in ("train", "validation", "test", "") if split in found]
    data = from_arrays(source, str(root), parts, options, limit, notes=notes)
    return replace(data, unused=(*data.unused, *unused))


def read(file: Stored, options: ImageOptions, notes: list[str]) -> dict[str, Arrays]:
    """The pictures of a table by their split, "" if the table does not say it."""
    header = Header.of(file)
    must_fit(8 * file.size, f"{file.path}")
    if any(name.lower() == PIXELS for name in header.names):
        return in_cells(file, options)
    columns, label = pixel_columns(file, header, options)
    table = numbers(file, bool(header.names))
    if table.shape[1] != header.width:
        raise GanvasError(f"{file.path} has rows of different lengths.", "Is the download complete?")
    x = square(file, table[:, columns])
    if "emnist" in file.last:
        x = x.swapaxes(1, 2)
        notes.append("EMNIST's pictures are stored on their side, and were turned.")
    labels = None if label is None else table[:, label]
    if labels is not None and not (labels == np.rint(labels)).all():
        raise GanvasError(f"{file.path}: the labels are no whole numbers.")
    y = None if labels is None else labels.astype(np.int64)
    return {"": Arrays(x, y, name=file.name, label=f"the labels of {file.name}")}


def pixel_columns(file: Stored, header: Header, options: ImageOptions) -> tuple[list[int], int | None]:
    """Which columns are pixels, and which one is the label."""
    if header.names:
        columns = [i for i, name in enumerate(header.names) if PIXEL.fullmatch(name)]
        rest = [name for i, name in enumerate(header.names) if i not in set(columns)]
        name = pick(rest, options.label_column, LABELS)
        if name is None and options.label_column is not None:
            raise GanvasError(
                f"{file.path} has no column {options.label_column!r}.", did_you_mean(options.label_column, rest)
            )
        return columns, None if name is None else header.names.index(name)
    if options.label_column is not None:
        raise GanvasError(f"{file.path} has no names of columns.", f"Leave out {option('label_column')}.")
    if flat_shape(header.width)[0]:
        return list(range(header.width)), None
    return list(range(1, header.width)), 0


def square(file: Stored, table: Numbers) -> Numbers:
    """Rows as pictures (N, H, W) or (N, H, W, 3)."""
    side, channels = flat_shape(table.shape[1])
    if not side:
        raise GanvasError(
            f"{file.path} has {table.shape[1]:,} pixels in a row, which make no square picture.",
            "Its columns are a label and the pixels, 784 for 28x28.",
        )
    return table.reshape(len(table), side, side, *([3] if channels == 3 else []))


def numbers(file: Stored, has_header: bool) -> Numbers:
    """All rows as numbers."""
    try:
        content = io.BytesIO(file.content())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a table without rows
            table = np.loadtxt(
                content, delimiter=",", skiprows=int(has_header), dtype=np.float32, ndmin=2, encoding="utf-8-sig"
            )
    except ValueError as error:
        raise GanvasError(
            f"{file.path} is no table of numbers: {str(error)[:200]}.", "Is the download complete?"
        ) from error
    if not table.size:
        raise GanvasError(f"{file.path} has no rows.")
    if np.isfinite(table).all() and table.min() >= 0 and table.max() <= 65_535 and (table == np.rint(table)).all():
        return table.astype(np.uint16 if table.max() > 255 else np.uint8)
    return table


def in_cells(file: Stored, options: ImageOptions) -> dict[str, Arrays]:
    """FER2013's form: a cell of pixels with spaces between them, the label, and the split. Goodfellow et al. 2013."""
    rows = list(csv.DictReader(io.StringIO(file.content().decode("utf-8-sig", "replace"))))
    names = list(rows[0]) if rows else []
    cell = pick(names, None, (PIXELS,))
    label = pick(names, options.label_column, ("emotion", *LABELS))
    usage = pick(names, None, (USAGE, "split"))
    if cell is None:
        raise GanvasError(f"{file.path} has no rows.")
    try:
        x = np.array([np.array(row[cell].split(), np.float32) for row in rows])
    except (ValueError, AttributeError) as error:
        raise GanvasError(
            f"{file.path}: the pixels are not the same number in each row.", "Is the download complete?"
        ) from error
    x = square(file, x)
    y = None if label is None else np.array([str(label_of(row[label])) for row in rows])
    if y is not None and all(re.fullmatch(r"\d+", value) for value in y.tolist()):
        y = y.astype(np.int64)
    splits = np.array([split(row[usage]) if usage else "" for row in rows])
    found: dict[str, Arrays] = {}
    for name in dict.fromkeys(splits.tolist()):
        part = splits == name
        found[name] = Arrays(x[part], None if y is None else y[part], name=f"{file.name} {name}".strip())
    return found


def split(value: str | None) -> str:
    plain = (value or "").strip().lower()
    return FER.get(plain) or split_of(plain) or "train"


PIXELS_FORM = Form(pixel_files, pixels)
