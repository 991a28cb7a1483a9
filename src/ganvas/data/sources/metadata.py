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

from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit

NAMES = ("metadata.csv", "metadata.jsonl")
LABELS = "dataset.json"
"""The file of labels that StyleGAN's tool writes."""


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


def read_metadata(path: Path, stored: bytes) -> dict[str, About]:
    """Rows by the `normal` path of their picture; `file_name` is relative to the metadata's own folder.

    stored: the file's bytes. Raises GanvasError with the line number for an invalid row.
    """
    try:
        content = stored.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise GanvasError(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error
    if path.name == LABELS:
        return dict(_stylegan(path, content))
    rows = _csv(path, content) if path.suffix == ".csv" else _jsonl(path, content)
    return dict(_about(path.parent, where, row) for where, row in rows)


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


def _jsonl(path: Path, content: str) -> Iterator[tuple[str, dict[str, Any]]]:
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


def _csv(path: Path, content: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(content, newline=""))
    try:
        for row in reader:
            # In CSV an empty cell means no value.
            yield f"{path}, line {reader.line_num}", {key: value or None for key, value in row.items()}
    except csv.Error as error:
        raise GanvasError(f"{path}, line {reader.line_num} is not CSV: {error}.") from error


def _about(folder: Path, where: str, row: dict[str, Any]) -> tuple[str, About]:
    name, text, label = row.get("file_name"), row.get("text"), row.get("label")
    if not isinstance(name, str) or not name:
        raise GanvasError(
            f"{where} has no file_name.", "Every row names its picture, relative to the metadata's folder."
        )
    if not (text is None or isinstance(text, str)):
        raise GanvasError(f"{where}: text is {text!r}, not a string.")
    if isinstance(label, bool) or not (label is None or isinstance(label, (str, int))):
        raise GanvasError(f"{where}: label is {label!r}, neither a name nor a whole number.")
    return normal(folder / name), About(where, text, label)
