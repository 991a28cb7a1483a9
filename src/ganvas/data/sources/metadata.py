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


@dataclass(frozen=True)
class About:
    """A row about one picture. where: the row, for messages."""

    where: str
    text: str | None
    label: str | int | None


def normal(path: str | Path) -> str:
    """A path as a key: without "..", and with each character composed, however a file system stores its accents."""
    return unicodedata.normalize("NFC", os.path.normpath(path))


def read_metadata(path: Path) -> dict[str, About]:
    """Rows by the `normal` path of their picture; `file_name` is relative to the metadata's own folder.

    Raises GanvasError with the line number for an invalid row.
    """
    try:
        if not path.is_file():  # opening a pipe would block
            raise GanvasError(f"{path} is not a regular file.", "Remove it.")
        must_fit(8 * path.stat().st_size, f"{path}")
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise GanvasError(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error
    except OSError as error:
        raise GanvasError(f"{path} cannot be read: {error.strerror}.") from error
    rows = _csv(path, content) if path.suffix == ".csv" else _jsonl(path, content)
    return dict(_about(path.parent, where, row) for where, row in rows)


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
