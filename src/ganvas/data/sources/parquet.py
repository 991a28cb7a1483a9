"""Parquet and Arrow files whose rows hold pictures, as the Hugging Face hub has them. Needs the extra `hub`."""

import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.columns import CAPTIONS, LABELS, pick
from ganvas.data.sources.entering import LARGEST_MEMBER
from ganvas.data.sources.folder import read_folder
from ganvas.data.sources.forms import Form, Stored, split_in
from ganvas.data.sources.listing import File, Listing
from ganvas.data.sources.metadata import About
from ganvas.data.sources.tables import label_of
from ganvas.errors import GanvasError, did_you_mean, needs_extra

ENDINGS = (".parquet", ".arrow", ".feather")
IMAGES = ("image", "img", "images", "picture", "jpg", "png", "webp", "bytes", "content", "data")


def table_files(files: Sequence[Stored]) -> list[Stored]:
    return [file for file in files if file.last.endswith(ENDINGS)]


def tables(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """A picture for each row, from a column of {bytes, path} or of bytes, with its label and caption.

    Files whose names say train and test, or validation, are splits; files without such a name are one table. Integer
    labels get the names that the hub's metadata give. A row's picture must be in the file, not at a path.
    """
    listing = Listing()
    chosen: Chosen | None = None
    for file in files:
        table = Table(file)
        chosen = chosen or Chosen.of(table, options)
        split = split_in(Path(file.last).stem) or next((p for p in file.name.split("/")[:-1] if split_in(p)), None)
        listing.plain.add(Path(file.name).name)
        if split:
            listing.folders.add((split,))
        for row, about in enumerate(table.about(chosen)):
            name = "/".join((*([split] if split else []), Path(file.name).name, f"{row}.png"))
            content = Row(table, chosen.image, row)
            listing.files.append(File(root / name, name, (name, file.size, table.stamp), about=about, read=content))
    assert chosen is not None
    listing.columns = chosen.there
    listing.class_names = chosen.names
    listing.notes.append(chosen.said(len(files)))
    return read_folder(source, root, listing, options, limit)


class Table:
    """One file, read by groups of rows, so that a large one does not have to fit into memory. The last groups are kept."""

    def __init__(self, file: Stored) -> None:
        self.file, self.lock = file, threading.Lock()
        self.stamp = file.stamp
        try:
            import pyarrow  # pyright: ignore[reportMissingImports]
            import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise needs_extra(f"{file.path}", "hub") from error
        content = str(file.path) if file.read is None else io.BytesIO(file.content())
        try:
            if file.last.endswith(".parquet"):
                self.stored: Any = parquet.ParquetFile(content)
                self.schema = self.stored.schema_arrow
                sizes = [self.stored.metadata.row_group(i).num_rows for i in range(self.stored.num_row_groups)]
            else:
                self.stored = opened_arrow(pyarrow, content)
                self.schema = self.stored[0].schema if self.stored else pyarrow.schema([])
                sizes = [batch.num_rows for batch in self.stored]
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise GanvasError(
                f"{file.path} cannot be read as a table: {str(error).splitlines()[0]}.", "Is the download complete?"
            ) from error
        self.starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        self.kept: dict[tuple[int, str], Any] = {}

    def group(self, index: int, columns: Sequence[str]) -> Any:
        """The columns of a group of rows."""
        if isinstance(self.stored, list):
            return self.stored[index].select(list(columns))
        return self.stored.read_row_group(index, columns=list(columns), use_threads=False)

    def about(self, chosen: "Chosen") -> Iterator[About]:
        """What each row says of its picture."""
        columns = [c for c in (chosen.label, chosen.caption) if c]
        for index, start in enumerate(self.starts[:-1]):
            num = self.starts[index + 1] - start
            values = self.group(index, columns).to_pydict() if columns else {}
            labels = values.get(chosen.label or "", [None] * num)
            texts = values.get(chosen.caption or "", [None] * num)
            for row, (label, text) in enumerate(zip(labels, texts, strict=True), start):
                first = text[0] if isinstance(text, list) and text else text
                known = label if not chosen.names or label != -1 else None
                yield About(f"row {row}", first if isinstance(first, str) else None, label_of(known))

    def cell(self, column: str, row: int) -> Any:
        """One value. Reading in the order of rows reads each group once."""
        index = next(i for i in range(len(self.starts) - 1) if row < self.starts[i + 1])
        with self.lock:
            if (index, column) not in self.kept:
                while len(self.kept) > 1:
                    self.kept.pop(next(iter(self.kept)))
                self.kept[index, column] = self.group(index, [column]).column(column)
            return self.kept[index, column][row - self.starts[index]].as_py()


def opened_arrow(pyarrow: Any, content: Any) -> list[Any]:
    """The batches of an Arrow file, of the form with an index or of the stream that `datasets` writes."""
    mapped = pyarrow.memory_map(content) if isinstance(content, str) else pyarrow.BufferReader(content.getvalue())
    try:
        stored = pyarrow.ipc.open_file(mapped)
        return [stored.get_batch(i) for i in range(stored.num_record_batches)]
    except pyarrow.ArrowInvalid:
        mapped.seek(0)
        return list(pyarrow.ipc.open_stream(mapped))


class Row:
    """Reads the picture of one row."""

    def __init__(self, table: Table, column: str, row: int) -> None:
        self.table, self.column, self.row = table, column, row

    def __call__(self) -> bytes:
        value = self.table.cell(self.column, self.row)
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise ValueError("the row has no bytes of a picture" + (", but a path" if isinstance(value, dict) else ""))
        if len(content) > LARGEST_MEMBER:
            raise ValueError(f"larger than {LARGEST_MEMBER // 2**20} MB")
        return content


class Chosen:
    """The columns that are read. there: all of them. names: of the classes, by their numbers."""

    def __init__(self, image: str, label: str | None, caption: str | None, there: tuple[str, ...]) -> None:
        self.image, self.label, self.caption, self.there = image, label, caption, there
        self.names: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Table, options: ImageOptions) -> "Chosen":
        kinds = {field.name: str(field.type) for field in table.schema}
        hub = hub_features(table.schema.metadata)
        fit = [name for name, kind in kinds.items() if "bytes: binary" in kind or kind in ("binary", "large_binary")]
        image = pick(fit, options.file_column, IMAGES) or (fit[0] if fit and options.file_column is None else None)
        if image is None:
            raise GanvasError(
                f"{table.file.path} has no column of pictures"
                + (f" {options.file_column!r}." if options.file_column else "."),
                did_you_mean(options.file_column, fit)
                if options.file_column and fit
                else f"Its columns are {', '.join(kinds)}.",
            )
        rest = [name for name in kinds if name != image]
        classes = [name for name in rest if isinstance(hub.get(name), dict) and hub[name].get("_type") == "ClassLabel"]
        label = pick(rest, options.label_column, (*classes[:1], *LABELS))
        found = cls(image, label, pick(rest, options.caption_column, CAPTIONS), tuple(kinds))
        names = hub.get(label or "", {}).get("names") if label in classes else None
        if isinstance(names, list):
            found.names = tuple(map(str, names))
        return found

    def said(self, num: int) -> str:
        text = f"Read from {num} table{'s' if num > 1 else ''}: pictures are the column {self.image}"
        text += f", labels are the column {self.label}" if self.label else ""
        return text + (f", captions are the column {self.caption}." if self.caption else ".")


def hub_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """The features that `datasets` writes into a file's metadata; empty if there are none."""
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


TABLES_FORM = Form(table_files, tables)
