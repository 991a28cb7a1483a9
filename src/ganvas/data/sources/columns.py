"""Which column of a table names the pictures, their labels and their captions: as the user says, or by usual names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganvas.data.domains.image_files import ImageOptions
from ganvas.errors import GanvasError, did_you_mean, option

FILES = (
    *(
        "file_name",
        "filename",
        "file",
        "file_path",
        "filepath",
        "path",
        "image",
        "image_path",
        "image_name",
        "image_id",
    ),
    *("img", "img_path", "img_name", "name", "id"),
)
LABELS = (
    *("label", "labels", "class", "class_name", "classname", "category", "target", "y", "cls", "class_id"),
    *("label_name", "species", "breed"),
)
CAPTIONS = ("text", "caption", "description", "prompt")


@dataclass
class Columns:
    """What was asked for. seen: the columns of all tables that were read. guessed: columns that were
    taken for labels or captions because of their names.

    exact: whether only the columns file_name, label and text of metadata are read, as version 0.1.0 did.
    """

    file: str | None = None
    label: str | None = None
    caption: str | None = None
    exact: bool = False
    seen: dict[str, None] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: ImageOptions) -> "Columns":
        old = options.split_by == "name"
        return cls(options.file_column, options.label_column, options.caption_column, old)

    @property
    def asked(self) -> dict[str, str]:
        """The options that were given, and their columns."""
        given = {"file_column": self.file, "label_column": self.label, "caption_column": self.caption}
        return {name: column for name, column in given.items() if column is not None}

    def see(self, names: Iterable[str]) -> None:
        self.seen |= dict.fromkeys(names)

    def check_found(self, source: str) -> None:
        """Raises GanvasError if a column that was asked for is in no table."""
        for name, column in self.asked.items():
            if pick(list(self.seen), column, ()) is None:
                there = did_you_mean(column, self.seen) if self.seen else f"It has no table; leave out {option(name)}."
                raise GanvasError(f"No table in {source} has a column {column!r}.", there)

    def label_in(self, row: Mapping[str, Any]) -> str | int | None:
        """The label in an object about one picture."""
        self.see(map(str, row))
        value = self.value(row, "labels", self.label, LABELS)
        return None if isinstance(value, bool) or not isinstance(value, str | int) else value

    def caption_in(self, row: Mapping[str, Any]) -> str | None:
        value = self.value(row, "captions", self.caption, CAPTIONS)
        return value if isinstance(value, str) else None

    def value(self, row: Mapping[str, Any], what: str, asked: str | None, usual: Sequence[str]) -> Any:
        column = pick(list(row), asked, () if self.exact else usual)
        if column is None:
            return None
        if asked is None and column not in ("label", "text"):
            self.guessed[what] = column
        return row[column]

    def notes(self) -> list[str]:
        return [f"The column {column} was taken as {what}." for what, column in self.guessed.items()]


def pick(names: Sequence[str], asked: str | None, usual: Sequence[str]) -> str | None:
    """The column that was asked for, or else the first usual one; letters' case does not count. None if it is missing."""
    if asked is not None and asked in names:
        return asked
    plain = {name.strip().casefold(): name for name in reversed(names) if isinstance(name, str)}
    if asked is not None:
        return plain.get(asked.strip().casefold())
    return next((plain[name] for name in usual if name in plain), None)
