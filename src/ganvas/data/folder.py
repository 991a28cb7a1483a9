"""A folder of images, laid out as a Hugging Face imagefolder."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image

from ganvas.data.dataset import Data, Skipped, Split, gather
from ganvas.data.images import ImageOptions, Pixels, check_one_size, decode, measure, reason, stack
from ganvas.data.metadata import NAMES, About, normal, read_metadata
from ganvas.data.splits import keep, split_by_key
from ganvas.errors import GanvasError

T = TypeVar("T")

EXTENSIONS = frozenset(
    f".{kind}"
    for kind in (
        *("png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
        *("tga", "jp2", "avif", "ico", "psd"),
    )
)
_TRAIN = ("train", "training")
_HELD_OUT = ("validation", "valid", "val", "dev", "test", "testing")
_UNREAD = ("metadata.parquet", "metadata.json", "metadata.tsv")


@dataclass(frozen=True)
class _File:
    """A picture. key: its path below the root, the same on every machine. folder: the one it lies in, if a class."""

    path: Path
    key: str
    folder: str | None
    about: About | None = None


@dataclass
class _Listing:
    """What a walk through the folder found."""

    files: list[_File] = field(default_factory=list)
    metadata: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    others: int = 0


def folder(source: str, options: ImageOptions, limit: int | None = None) -> Data:
    """Pictures under a folder, decoded on all cores into uint8 (N, C, H, W), in the order of their names.

    The folders train/ and validation/ (or, if there is none, test/) are the splits; else a tenth is held out, by a hash
    of each file's name, so that new files do not move old ones. A picture's class is the `label` of its row in a
    metadata.jsonl or metadata.csv, or else the folder it lies in; its caption is the row's `text`. What cannot be read
    is skipped with a reason. Links that lead out of the folder are not followed.

    Raises GanvasError when nothing can be read, when the pictures differ in size and `options` give none, or when
    the metadata is damaged.
    """
    root = Path(source).expanduser().resolve()
    listing = _walk(root)
    files, skipped = _describe(listing, root)
    splits = [[part[i] for i in keep([f.key for f in part], limit)] for part in _split(root, files)]
    if options.size is None:
        splits, unreadable = _same_size(splits, root)
        skipped += unreadable
    pictures: list[list[Pixels]] = []
    for i, part in enumerate(splits):
        splits[i], decoded, unreadable = _each(part, lambda f: decode(f.path, options), root)
        pictures.append(decoded)
        skipped += unreadable
    if not splits[0]:
        raise _nothing(source, listing, skipped, held_out=len(splits[1]))
    x = stack([p for part in pictures for p in part])
    labels, classes = _labels([f for part in splits for f in part])
    texts = [(f.about.text if f.about else None) for part in splits for f in part]
    whole = Split(x, labels, tuple(t or "" for t in texts) if any(texts) else None)
    rows = torch.arange(len(x)).split([len(part) for part in splits])
    return gather(source, whole.select(rows[0]), whole.select(rows[1]), classes=classes, skipped=skipped)


def _walk(root: Path) -> _Listing:
    """Every file below `root`, in the order of names. Hidden files are passed over."""
    found = _Listing()

    def unreadable(error: OSError) -> None:
        found.skipped.append(_skip(Path(error.filename), root, error.strerror or str(error)))

    for place, folders, names in os.walk(root, onerror=unreadable):
        here = Path(place)
        for name in [n for n in folders if (here / n).is_symlink()]:
            found.skipped.append(_skip(here / name, root, "a link to a folder, which is not followed"))
        folders[:] = sorted(n for n in folders if n[0] != "." and n != "__MACOSX" and not (here / n).is_symlink())
        for name in sorted(n for n in names if n[0] != "."):
            _file(found, here / name, root)
    return found


def _file(found: _Listing, path: Path, root: Path) -> None:
    if path.name in NAMES:
        found.metadata.append(path)
    elif path.name in _UNREAD:
        found.skipped.append(_skip(path, root, f"only {' and '.join(reversed(NAMES))} are read"))
    elif path.suffix.lower() not in EXTENSIONS:
        found.others += 1
    elif obstacle := _obstacle(path, root):
        found.skipped.append(_skip(path, root, obstacle))
    else:
        key = normal(path.relative_to(root).as_posix())
        found.files.append(_File(path, key, _class_folder(path, root)))


def _obstacle(path: Path, root: Path) -> str | None:
    """Why a file is not even opened."""
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root):
            return "a link that leads out of the folder"
        if not path.is_file():  # to open a pipe would wait for ever
            return "not a regular file"
        return None if path.stat().st_size else "the file is empty"
    except FileNotFoundError:
        return "a link that leads nowhere"
    except (OSError, RuntimeError) as error:  # a link to itself; no permission
        return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _class_folder(path: Path, root: Path) -> str | None:
    """The name of the folder that holds a picture, unless that is the whole, or a split."""
    inner = path.parent.relative_to(root).parts
    if inner and inner[0].lower() in _TRAIN + _HELD_OUT and _child(root, _TRAIN):
        inner = inner[1:]
    return inner[-1] if inner else None


def _child(root: Path, names: Iterable[str]) -> str | None:
    """The first of `names` that is a folder in `root`, as it is written there."""
    there = {p.name.lower(): p.name for p in sorted(root.iterdir()) if p.is_dir() and not p.is_symlink()}
    return next((there[name] for name in names if name in there), None)


def _describe(listing: _Listing, root: Path) -> tuple[list[_File], list[Skipped]]:
    """The files with what the metadata says of them; rows without a file are added to what is skipped."""
    rows: dict[str, About] = {}
    for path in sorted(listing.metadata, key=lambda p: (len(p.parts), p)):  # the nearer metadata has the last word
        rows |= read_metadata(path)
    files = [replace(f, about=rows.pop(normal(f.path), None)) for f in listing.files]
    refused = {normal(root / s.path) for s in listing.skipped}
    absent = [
        Skipped(key, f"named in {about.where}, but not there") for key, about in rows.items() if key not in refused
    ]
    return files, listing.skipped + [_skip(Path(s.path), root, s.reason) for s in absent]


def _split(root: Path, files: list[_File]) -> tuple[list[_File], list[_File]]:
    train, held_out = _child(root, _TRAIN), _child(root, _HELD_OUT)
    if train is None:
        first, second = split_by_key([f.key for f in files])
        return [files[i] for i in first], [files[i] for i in second]
    inside = [f for f in files if f.key.startswith(f"{train}/")]
    if held_out is None:
        first, second = split_by_key([f.key for f in inside])
        return [inside[i] for i in first], [inside[i] for i in second]
    return inside, [f for f in files if f.key.startswith(f"{held_out}/")]


def _each(files: Sequence[_File], work: Callable[[_File], T], root: Path) -> tuple[list[_File], list[T], list[Skipped]]:
    """`work` done on each file by several threads: the files where it went well, its results, and where it did not."""

    def attempt(file: _File) -> T | Exception:
        try:
            return work(file)
        except Exception as error:  # what a decoder raises on a hostile file has no end
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        outcomes = list(pool.map(attempt, files))
    good = [(f, o) for f, o in zip(files, outcomes, strict=True) if not isinstance(o, Exception)]
    bad = [_skip(f.path, root, reason(o)) for f, o in zip(files, outcomes, strict=True) if isinstance(o, Exception)]
    return [f for f, _ in good], [o for _, o in good], bad


def _same_size(splits: list[list[_File]], root: Path) -> tuple[list[list[_File]], list[Skipped]]:
    """The files whose first bytes are a picture's. Raises GanvasError when these differ in size.

    Done before anything is decoded, because ten thousand photographs do not fit into memory to be compared.
    """
    sizes: list[tuple[int, int]] = []
    skipped: list[Skipped] = []
    readable: list[list[_File]] = []
    for part in splits:
        good, measured, unreadable = _each(part, lambda f: measure(f.path), root)
        readable.append(good)
        sizes += measured
        skipped += unreadable
    check_one_size(str(root), sizes)
    return readable, skipped


def _labels(files: Sequence[_File]) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Class numbers int64 (N,) and the classes' names; none when the data has no classes, or only one."""
    labels = [f.about.label if f.about and f.about.label is not None else f.folder for f in files]
    distinct = {label for label in labels if label is not None}
    if len(distinct) < 2:
        return None, ()
    order = sorted(distinct, key=lambda label: (isinstance(label, str), label))
    number = {label: i for i, label in enumerate(order)}
    names = _folder_names(files, labels) or {label: str(label) for label in order}
    y = torch.tensor([-1 if label is None else number[label] for label in labels], dtype=torch.int64)
    return y, tuple(names[label] for label in order)


def _folder_names(files: Sequence[_File], labels: Sequence[str | int | None]) -> dict[str | int, str] | None:
    """Names for labels that are numbers, when each number is one folder and each folder one number."""
    pairs = {(label, f.folder) for f, label in zip(files, labels, strict=True)}
    numbers, folders = {label for label, _ in pairs}, {name for _, name in pairs}
    if not len(pairs) == len(numbers) == len(folders):
        return None
    names: dict[str | int, str] = {label: name for label, name in pairs if isinstance(label, int) and name is not None}
    return names if len(names) == len(pairs) else None


def _skip(path: Path, root: Path, why: str) -> Skipped:
    """With the path below the folder, in characters that can be printed."""
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    return Skipped(os.fsencode(inner).decode("utf-8", "replace"), why)


def _nothing(source: str, listing: _Listing, skipped: Sequence[Skipped], held_out: int) -> GanvasError:
    looked = f"Looked for {', '.join(sorted(EXTENSIONS))}, in {source} and the folders in it."
    found = f"{len(listing.files)} of these, and {listing.others} files of other kinds"
    if held_out:
        return GanvasError(f"{source} has held-out images but none to train on.", f"{looked} Found {found}.")
    first = f" {len(skipped)} were skipped; the first: {skipped[0].path}: {skipped[0].reason}." if skipped else ""
    return GanvasError(f"There is no image to read in {source}.", f"{looked} Found {found}.{first}")
