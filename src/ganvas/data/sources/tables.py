"""Tables about pictures, whatever their columns are called: CSV, TSV, JSON lines, and CelebA's attributes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganvas.data.sources.columns import CAPTIONS, FILES, LABELS, Columns, pick
from ganvas.data.sources.listing import Listing
from ganvas.data.sources.metadata import NAMES, About, Row, normal, rows_of
from ganvas.errors import GanvasError

KINDS = (".csv", ".tsv", ".jsonl")
CELEBA = ("list_attr_celeba.txt", "list_attr_celeba.csv")
"""Attributes of faces, 1 or -1 in each column."""

LARGEST = 2**28
"""Bytes of a table that is read to see whether it names pictures."""

LOOKED = 200
"""Rows that decide which column names the pictures."""

WHOLE = re.compile(r"\s*(-?\d{1,15})(?:\.0*)?\s*")
NUMBER = re.compile(r"\s*-?\d*\.\d+(?:[eE][+-]?\d+)?\s*")


def is_table(name: str) -> bool:
    """Whether a file may be a table about pictures, by its name."""
    return name in CELEBA or (name.lower().endswith(KINDS) and name not in NAMES)


class Pictures:
    """The pictures of a listing by whatever names tables have for them: paths, and parts of paths if they are unique."""

    def __init__(self, listing: Listing, root: Path) -> None:
        paths = [f.path for f in listing.files] + [root / s.path for s in listing.skipped]
        self.root, self.known = root, {normal(path) for path in paths}
        self.parts: dict[str, str | None] = {}
        for path in paths:
            for name in {path.name, path.stem}:
                key = normal(name)
                self.parts[key] = None if key in self.parts else normal(path)

    def find(self, folder: Path, value: object) -> str | None:
        """The `normal` path of the picture that a cell names; None if there is no such picture, or several."""
        if not isinstance(value, str | int) or not str(value).strip() or "\0" in str(value):
            return None
        name = str(value).strip().replace("\\", "/")
        for path in (folder / name, self.root / name):
            if (key := normal(path)) in self.known:
                return key
        return self.parts.get(normal(name.rpartition("/")[2] or name))


@dataclass(frozen=True)
class Chosen:
    """The columns of one table."""

    file: str
    label: str | None
    caption: str | None


def read_table(
    path: Path, stored: bytes, pictures: Pictures, columns: Columns, listing: Listing
) -> dict[str, About] | str:
    """Rows by the `normal` path of their picture; or why the file is no table about pictures.

    Raises GanvasError for labels that are no classes, in a column that the user named.
    """
    try:
        rows = list(rows_of(path, stored, celeba=path.name == CELEBA[0]))
    except GanvasError as error:
        return f"a table that cannot be read ({path.name}: {error.message})"
    if path.stem.lower().startswith("sample_submission"):
        return f"an example of answers ({path.name})"
    names = list(dict.fromkeys(name for _, row in rows[:LOOKED] for name in row if isinstance(name, str)))
    file = file_column(path, rows, names, pictures, columns)
    if file is None:
        return f"a table that names no picture here ({path.name})"
    chosen = choose(rows, names, file, columns)
    columns.see(names)
    found: dict[str, About] = {}
    keys = [pictures.find(path.parent, row.get(file)) for _, row in rows]
    labels = classes(path, rows, keys, chosen, columns)
    for key, (where, row), label in zip(keys, rows, labels, strict=True):
        text = row.get(chosen.caption) if chosen.caption else None
        if key is not None and key not in found:
            found[key] = About(where, text if isinstance(text, str) else None, label)
    listing.notes.append(said(path, chosen, names, keys, found))
    return found


def file_column(
    path: Path, rows: Sequence[Row], names: Sequence[str], pictures: Pictures, columns: Columns
) -> str | None:
    """The column that was asked for, or else that whose cells name pictures in at least half of the rows."""
    if columns.file is not None:
        return pick(names, columns.file, ())
    best, most = None, 0
    for name in dict.fromkeys((*(name for name in FILES if name in names), *names)):
        cells = [row.get(name) for _, row in rows[:LOOKED]]
        keys = [pictures.find(path.parent, cell) for cell in cells]
        hits = sum(key is not None for key in keys)
        if not any("." in str(cell) for cell in cells):  # numbers may name pictures by chance: each row has its own
            every = {pictures.find(path.parent, row.get(name)) for _, row in rows} - {None}
            hits = hits if 2 * len(every) >= len(rows) and 5 * len(every) >= len(pictures.known) else 0
        if hits > most and 2 * hits >= len(cells):
            best, most = name, hits
    return best


def choose(rows: Sequence[Row], names: Sequence[str], file: str, columns: Columns) -> Chosen:
    """Label and caption: as asked for, by usual names, or as the only other column if its values are repeated."""
    others = [name for name in names if name != file]
    caption = pick(others, columns.caption, CAPTIONS)
    label = pick(others, columns.label, LABELS)
    rest = [name for name in others if name != caption]
    if label is None and columns.label is None and len(rest) == 1:
        values = {str(row.get(rest[0])) for _, row in rows}
        label = rest[0] if 1 < len(values) <= len(rows) / 2 else None
    return Chosen(file, label, caption)


def classes(
    path: Path, rows: Sequence[Row], keys: Sequence[str | None], chosen: Chosen, columns: Columns
) -> list[str | int | None]:
    """Each row's label. Attributes of CelebA are named; whole numbers are written without a fraction."""
    if chosen.label is None:
        return [None] * len(rows)
    name = chosen.label
    raw = [row.get(name) for _, row in rows]
    if path.name in CELEBA:
        kinds = {"1": name, "-1": f"not {name}"}
        return [kinds.get(str(value).strip()) for value in raw]
    labels = [label_of(value) for value in raw]
    used = [label for label, key in zip(labels, keys, strict=True) if key is not None and label is not None]
    if any(isinstance(label, str) and NUMBER.fullmatch(label) for label in used) or any(
        isinstance(value, list | dict) for value in raw
    ):
        if columns.label is None:
            return [None] * len(rows)
        raise GanvasError(f"{path}: the column {name!r} holds no classes.", "Classes are names or whole numbers.")
    return labels


def label_of(value: Any) -> str | int | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return int(value) if value.is_integer() else str(value)
    if isinstance(value, str):
        return whole[1] if (whole := WHOLE.fullmatch(value)) else value.strip() or None
    return value if isinstance(value, int) else None


def said(path: Path, chosen: Chosen, names: Sequence[str], keys: Sequence[str | None], found: dict[str, About]) -> str:
    """What was taken for what."""
    parts = [f"{path.name}: files are the column {chosen.file}"]
    parts += [f"labels are the column {chosen.label}"] if chosen.label else []
    parts += [f"captions are the column {chosen.caption}"] if chosen.caption else []
    text = ", ".join(parts) + "."
    if not chosen.label:
        others = [name for name in names if name not in (chosen.file, chosen.caption)]
        listed = ", ".join(others[:8]) + (" ..." if len(others) > 8 else "")
        text += f" No column was taken as labels ({listed}); to take one, set label_column." if others else ""
    absent = sum(key is None for key in keys)
    repeated = len(keys) - absent - len(found)
    text += f" {absent:,} rows name no picture here." if absent else ""
    return text + (f" {repeated:,} rows name a picture again, and are not used." if repeated else "")
