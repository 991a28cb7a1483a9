"""`hf:NAME`: a data set of the Hugging Face hub, or a local one in its format."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ganvas.data.dataset import Data, Skipped, Split, gather
from ganvas.data.domains.image_files import ImageOptions, Pixels, check_one_size, decode, reason, stack
from ganvas.data.sources.depth import WHITES, from_files
from ganvas.data.sources.splits import divided, keep, split_by_key
from ganvas.errors import GanvasError, needs_extra

_HELD_OUT = ("validation", "valid", "val", "dev", "test")
_CAPTIONS = ("text", "caption")


def hub(name: str, options: ImageOptions, limit: int | None = None) -> Data:
    """The train split, and validation or test held out (else about a tenth of train, by content).

    Images are the first column of images, labels the first of class labels, captions the column text or caption.
    Needs the extra `hub`. Raises GanvasError if it is not installed, or if the data set is missing or has no images.
    """
    title = f"hf:{name}"
    return read_tables(title, title, _load(name), options, limit)


def read_tables(source: str, title: str, loaded: Any, options: ImageOptions, limit: int | None = None) -> Data:
    """The data of a Dataset or DatasetDict of the package `datasets`. source: the data's name. title: for messages."""
    tables = _tables(title, loaded)
    columns = _columns(title, tables[0])
    parts = _read(tables, columns, options, limit)
    peaks = [peak for part in parts for peak in part.deep_peaks]
    depth = from_files(options, peaks, [torch.from_numpy(p) for part in parts for p in part.pictures])
    if depth.white not in (options.white, WHITES[-1]):
        parts = _read(tables, columns, replace(options, white=depth.white), limit)
    skipped = [s for part in parts for s in part.skipped]
    if not parts[0].pictures:
        raise GanvasError(f"{title} has no readable image.", f"The first: {skipped[0].reason}." if skipped else "")
    pictures = [p for part in parts for p in part.pictures]
    check_one_size(title, [(p.shape[2], p.shape[1]) for p in pictures])
    whole = stack(pictures)
    depth.check_range([whole])
    x = whole.split([len(part.pictures) for part in parts])
    splits = [
        Split(
            x[i],
            torch.tensor(part.labels, dtype=torch.int64) if columns.label else None,
            tuple(part.texts) if columns.text else None,
        )
        for i, part in enumerate(parts)
    ]
    classes = tables[0].features[columns.label].names if columns.label else ()
    numbers = None
    if len(splits) == 1 and options.split_by == "name":
        splits = [splits[0].select(rows) for rows in parts[0].split_by_row(len(tables[0]))]
    elif len(splits) == 1:
        splits, numbers, _ = divided(splits[0], limit)
    data = gather(source, splits[0], splits[1], classes=classes, skipped=skipped, contents=numbers)
    return replace(data, white=depth.white, notes=tuple(depth.notes))


def _read(tables: Sequence[Any], columns: "_Columns", options: ImageOptions, limit: int | None) -> list["_Part"]:
    """The pictures of each table, decoded."""
    parts = [_Part(part) for part in ("train", "held out")[: len(tables)]]
    for part, table in zip(parts, tables, strict=True):
        rows = keep([str(row) for row in range(len(table))], limit if len(tables) == 2 else None)
        part.read(table, rows, columns, options)
    return parts


@dataclass(frozen=True)
class _Columns:
    image: str
    label: str | None
    text: str | None


@dataclass
class _Part:
    """What was read of one split. rows: numbers of the table's rows that could be read."""

    name: str
    rows: list[int] = field(default_factory=list)
    pictures: list[Pixels] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    deep_peaks: list[float] = field(default_factory=list)

    def read(self, table: Any, rows: Sequence[int], columns: _Columns, options: ImageOptions) -> None:
        import datasets  # pyright: ignore[reportMissingImports]

        # Undecoded: one broken image then costs one example, not all.
        table = table.cast_column(columns.image, datasets.Image(decode=False))
        for row in rows:
            example = table[row]
            try:
                self.pictures.append(decode(_file(example[columns.image]), options, self.deep_peaks))
            except Exception as error:  # a decoder may raise anything for a hostile file
                self.skipped.append(Skipped(f"{self.name}[{row}]", reason(error)))
                continue
            self.rows.append(row)
            label = example[columns.label] if columns.label else None
            self.labels.append(-1 if label is None else int(label))
            self.texts.append((example[columns.text] if columns.text else None) or "")

    def split_by_row(self, num: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of training and held-out examples, by the row numbers of a table of `num` rows."""
        held_out = torch.isin(torch.tensor(self.rows), torch.tensor(split_by_key([str(i) for i in range(num)])[1]))
        return (~held_out).nonzero().squeeze(1), held_out.nonzero().squeeze(1)


def _file(stored: Any) -> Path | io.BytesIO:
    if stored is None:
        raise ValueError("there is no image")
    return io.BytesIO(stored["bytes"]) if stored["bytes"] is not None else Path(stored["path"])


def _load(name: str) -> Any:
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise needs_extra(f"hf:{name}", "hub") from error
    path = Path(name).expanduser()
    saved = any((path / marker).is_file() for marker in ("dataset_dict.json", "state.json"))
    try:
        return (
            datasets.load_from_disk(str(path)) if saved else datasets.load_dataset(str(path) if path.exists() else name)
        )
    except Exception as error:  # datasets raises what its many readers and the network raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise GanvasError(f"hf:{name} cannot be loaded: {first}", "Check the name and the network.") from error


def _tables(name: str, loaded: Any) -> list[Any]:
    """The training table, and the held-out one if there is one."""
    if not hasattr(loaded, "keys"):
        return [loaded]
    names = list(loaded.keys())
    if "train" not in names:
        if len(names) == 1:
            return [loaded[names[0]]]
        raise GanvasError(f"{name} has no split called train; it has {', '.join(names)}.")
    second = next((n for n in _HELD_OUT if n in names), None)
    return [loaded["train"]] + ([loaded[second]] if second else [])


def _columns(name: str, table: Any) -> _Columns:
    kinds = {column: type(feature).__name__ for column, feature in table.features.items()}
    images = [column for column, kind in kinds.items() if kind == "Image"]
    if not images:
        raise GanvasError(f"{name} has no column of images.", f"Its columns are {', '.join(kinds)}.")
    labels = [column for column, kind in kinds.items() if kind == "ClassLabel"]
    texts = [c for c in _CAPTIONS if c in kinds and getattr(table.features[c], "dtype", None) == "string"]
    return _Columns(images[0], labels[0] if labels else None, texts[0] if texts else None)
