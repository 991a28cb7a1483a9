"""`metadata.jsonl` and `metadata.csv` of a Hugging Face imagefolder."""

import csv
import io
import json
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ganvas.data.sources.columns import Columns
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit

NAMES = ("metadata.csv", "metadata.jsonl")
LABELS = "dataset.json"
"""The file of labels that StyleGAN's tool writes."""


Row = tuple[str, dict[str, Any]]
"""The place of a row, for messages, and its values by their columns."""


@dataclass(frozen=True)
class About:
    """A row about one picture. where: the row, for messages."""

    where: str
    text: str | None
    label: str | int | None


def normal(path: str | Path) -> str:
    """A path as a key: without "..", and with each character composed, however a file system stores its accents."""
    return unicodedata.normalize("NFC", os.path.normpath(path))


def read_file(path: Path) -> bytes:
    """The bytes of a file on disk. Raises GanvasError if it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would block
            raise GanvasError(f"{path} is not a regular file.", "Remove it.")
        must_fit(8 * path.stat().st_size, f"{path}")
        return path.read_bytes()
    except OSError as error:
        raise GanvasError(f"{path} cannot be read: {error.strerror}.") from error


def read_metadata(path: Path, stored: bytes, columns: Columns) -> dict[str, About]:
    """Rows by the `normal` path of their picture; `file_name` is relative to the metadata's own folder.

    stored: the file's bytes. Raises GanvasError with the line number for an invalid row.
    """
    if path.name == LABELS:
        return dict(_stylegan(path, decoded(path, stored)))
    rows = list(rows_of(path, stored))
    columns.see(str(name) for _, row in rows for name in row)
    return dict(_about(path.parent, where, row, columns) for where, row in rows)


def decoded(path: Path, stored: bytes) -> str:
    try:
        return stored.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise GanvasError(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error


def rows_of(path: Path, stored: bytes, *, celeba: bool = False) -> Iterator[Row]:
    """Rows of JSON lines, CSV, TSV, or CelebA's attributes, with their places. Raises GanvasError for damaged ones."""
    content = decoded(path, stored)
    if celeba:
        return _attributes(path, content)
    return _jsonl(path, content) if path.suffix.lower() == ".jsonl" else _csv(path, content)


def names_files(path: Path, stored: bytes) -> bool:
    """Whether metadata has the column file_name, as an imagefolder's has. GanvasError for damaged rows."""
    return any("file_name" in row for _, row in rows_of(path, stored))


def is_labels(path: Path, stored: bytes) -> bool:
    """Whether a file dataset.json is StyleGAN's: an object with the labels of pictures, or with null in their place."""
    try:
        content = json.loads(stored.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "labels" in content


def _stylegan(path: Path, content: str) -> Iterator[tuple[str, About]]:
    """The labels in StyleGAN's dataset.json: {"labels": [["00000/img00000000.png", 3], ...]}, or null for none.

    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data": the authors' dataset_tool.py.
    """
    rows = json.loads(content)["labels"]
    if not isinstance(rows, (list, type(None))):
        raise GanvasError(f"{path}: labels are neither a list nor null.")
    for number, row in enumerate(cast(list[Any], rows or []), 1):
        where = f"{path}, label {number}"
        if not (isinstance(row, list) and len(cast(list[Any], row)) == 2 and isinstance(row[0], str)):
            raise GanvasError(
                f"{where} is not a file's name with its label.", 'For example: ["00000/img00000000.png", 3]'
            )
        name, label = cast(tuple[str, Any], tuple(cast(list[Any], row)))
        if isinstance(label, bool) or not isinstance(label, int):
            raise GanvasError(f"{where} is {str(label)[:40]}, which is no class.", "Classes are whole numbers from 0.")
        yield normal(path.parent / name), About(where, None, label)


def _jsonl(path: Path, content: str) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise GanvasError(f"{where} is not JSON: {error}.", "Each line is one object.") from error
        if not isinstance(row, dict):
            raise GanvasError(
                f"{where} is not a JSON object.", 'A line looks like {"file_name": "a.png", "text": "..."}.'
            )
        yield where, cast(dict[str, Any], row)


def _csv(path: Path, content: str) -> Iterator[Row]:
    first = content.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            # In CSV an empty cell means no value.
            yield f"{path}, line {reader.line_num}", {key: value or None for key, value in row.items()}
    except csv.Error as error:
        raise GanvasError(f"{path}, line {reader.line_num} is not CSV: {error}.") from error


def _attributes(path: Path, content: str) -> Iterator[Row]:
    """CelebA's attributes: the number of rows, the attributes' names, and rows of a file's name and 1 or -1 for each.

    Liu et al. 2015, "Deep Learning Face Attributes in the Wild".
    """
    lines = content.split("\n")
    names = lines[1].split() if len(lines) > 1 else []
    for number, line in enumerate(lines[2:], 3):
        cells = line.split()
        if cells and len(cells) != len(names) + 1:
            raise GanvasError(f"{path}, line {number} has {len(cells)} values, and there are {len(names)} attributes.")
        if cells:
            yield f"{path}, line {number}", dict(zip(("file_name", *names), cells, strict=True))


def _about(folder: Path, where: str, row: dict[str, Any], columns: Columns) -> tuple[str, About]:
    name, text, label = row.get("file_name"), row.get("text"), row.get("label")
    if not isinstance(name, str) or not name:
        raise GanvasError(
            f"{where} has no file_name.", "Every row names its picture, relative to the metadata's folder."
        )
    if not (text is None or isinstance(text, str)):
        raise GanvasError(f"{where}: text is {text!r}, not a string.")
    if isinstance(label, bool) or not (label is None or isinstance(label, (str, int))):
        raise GanvasError(f"{where}: label is {label!r}, neither a name nor a whole number.")
    if columns.label is not None or "label" not in row:
        label = columns.label_in(row)
    if columns.caption is not None or "text" not in row:
        text = columns.caption_in(row)
    return normal(folder / name), About(where, text, label)
