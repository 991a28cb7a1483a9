"""A folder of images, laid out as a Hugging Face imagefolder."""

import math
import os
import stat
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

from ganvas.data.content import contents
from ganvas.data.dataset import Data, Skipped, gather
from ganvas.data.domains.image_files import ImageOptions, check_memory, check_one_size, decode, measure, reason, stack
from ganvas.data.sources import cache
from ganvas.data.sources.metadata import NAMES, About, normal, read_metadata
from ganvas.data.sources.splits import by_content, keep, keep_contents, split_by_key
from ganvas.errors import GanvasError

T = TypeVar("T")

PIECE = 2_048
"""So many pictures are decoded between two looks at the progress."""

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
    """A picture. key: its path below the root, the same on every machine. folder: the one it lies in, if a class.

    stamp: its path below the root as it is written there, its size, and when it was last changed.
    """

    path: Path
    key: str
    folder: str | None
    stamp: tuple[str, int, int]
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

    The folders train/ and validation/ (or, if there is none, test/) are the splits; else about a tenth is held out, by
    content, so that new files do not move old ones and equal pictures stand on one side. A picture's class is the
    `label` of its row in a metadata.jsonl or metadata.csv, or else the folder it lies in; its caption is the row's
    `text`. What cannot be read is skipped with a reason. Links that lead out of the folder are not followed.

    Raises GanvasError when nothing can be read, when the pictures differ in size and `options` give none, or when
    the metadata is damaged.
    """
    root = Path(source).expanduser().resolve()
    listing = _walk(root)
    if len(listing.files) < cache.PAYS_FROM:
        return _read(source, root, listing, options, limit)
    key = cache.key_of([f.stamp for f in listing.files], _stamps(listing.metadata), listing.skipped, options, limit)
    return cache.load(key, source) or cache.save(key, _read(source, root, listing, options, limit))


def _read(source: str, root: Path, listing: _Listing, options: ImageOptions, limit: int | None) -> Data:
    """The pictures of a listing, decoded."""
    files, skipped = _describe(listing, root)
    splits = _given_splits(root, files)
    if len(splits) == 2:
        splits = [[part[i] for i in keep([f.key for f in part], limit)] for part in splits]
    keys = [f.key for f in splits[0]]
    if options.size is None:
        splits, unreadable = _same_size(splits, root, options.channels)
        skipped += unreadable
    if options.size is not None:
        check_memory(sum(map(len, splits)), options.size, options.channels)
    pictures: list[torch.Tensor] = []
    with _progress(sum(map(len, splits))) as advance:
        for i, part in enumerate(splits):
            splits[i], decoded, unreadable = _decoded(part, options, root, advance)
            pictures += decoded
            skipped += unreadable
    if not splits[0]:
        raise _nothing(source, listing, skipped, held_out=sum(map(len, splits[1:])))
    used = [f for part in splits for f in part]
    numbers = torch.cat([contents(piece) for piece in pictures])
    labels, classes = _labels(used)
    if len(splits) == 2:
        rows = torch.arange(len(used)).split([len(part) for part in splits])
    elif options.split_by == "name":
        rows = _by_name(used, keys, limit)
    else:
        rows = [part[keep_contents(numbers[part], limit)] for part in by_content(numbers, labels)]
    order = torch.cat(list(rows))
    x = _joined(pictures, order)
    labels = None if labels is None else labels[order]
    texts = [(about.text if (about := used[i].about) else None) for i in order.tolist()]
    text = tuple(t or "" for t in texts) if any(texts) else None
    num = len(rows[0])
    train, held_out = (cache.rows(x, labels, text, part) for part in (slice(0, num), slice(num, None)))
    found = (numbers[order[:num]], numbers[order[num:]])
    return gather(source, train, held_out, classes=classes, skipped=skipped, contents=found)


def _by_name(files: list[_File], keys: list[str], limit: int | None) -> list[torch.Tensor]:
    """The split of version 0.1.0. keys: of all files that were to be read, of which `files` could be."""
    held_out = {keys[i] for i in split_by_key(keys)[1]}
    parts = [[i for i, f in enumerate(files) if (f.key in held_out) == side] for side in (False, True)]
    kept = [[part[i] for i in keep([files[j].key for j in part], limit)] for part in parts]
    return [torch.tensor(part, dtype=torch.int64) for part in kept]


def _decoded(
    files: list[_File], options: ImageOptions, root: Path, advance: Callable[[int], None]
) -> tuple[list[_File], list[torch.Tensor], list[Skipped]]:
    """The files that could be decoded, their pictures in pieces of uint8 (n, C, H, W), and the others."""
    good: list[_File] = []
    pieces: list[torch.Tensor] = []
    skipped: list[Skipped] = []
    for start in range(0, len(files), PIECE):
        part, pictures, unreadable = _each(files[start : start + PIECE], lambda f: decode(f.path, options), root)
        good += part
        pieces += [stack(pictures)] if pictures else []
        skipped += unreadable
        advance(PIECE)
    return good, pieces, skipped


def _joined(pieces: list[torch.Tensor], order: torch.Tensor) -> torch.Tensor:
    """Pieces of pictures as one uint8 (N, C, H, W), C the largest number of channels; the pieces are given up on the way.

    order: which rows of the pieces are taken, in the order in which they are wanted, int64 (N,).
    """
    channels = max(piece.shape[1] for piece in pieces)
    whole = torch.empty((len(order), channels, *pieces[0].shape[2:]), dtype=torch.uint8)
    place = torch.full((sum(map(len, pieces)),), -1)
    place[order] = torch.arange(len(order))
    while pieces:
        piece = pieces.pop(0)
        here, place = place[: len(piece)], place[len(piece) :]
        whole[here[here >= 0]] = piece[here >= 0].expand(-1, channels, -1, -1)  # grey spreads over all channels
    return whole


@contextmanager
def _progress(num: int) -> Generator[Callable[[int], None]]:
    """Something to tell of each number of pictures done: a bar on a terminal, where there are many of them."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=num < cache.PAYS_FROM or not console.is_terminal) as bar:
        task = bar.add_task("reading pictures", total=num)
        yield lambda done: bar.advance(task, done)


def _stamps(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


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
        inside = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        label = _class_folder(here, root)
        for name in sorted(n for n in names if n[0] != "."):
            _file(found, here / name, root, inside + name, label)
    return found


def _file(found: _Listing, path: Path, root: Path, name: str, label: str | None) -> None:
    """name: the path below the root. label: the class's folder."""
    if path.name in NAMES:
        found.metadata.append(path)
    elif path.name in _UNREAD:
        found.skipped.append(_skip(path, root, f"only {' and '.join(reversed(NAMES))} are read"))
    elif path.suffix.lower() not in EXTENSIONS:
        found.others += 1
    elif isinstance(facts := _facts(path, root), str):
        found.skipped.append(_skip(path, root, facts))
    else:
        found.files.append(_File(path, normal(name), label, (name, facts.st_size, facts.st_mtime_ns)))


def _facts(path: Path, root: Path) -> os.stat_result | str:
    """What the system says of a file, or why it is not even opened."""
    try:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            if not path.resolve(strict=True).is_relative_to(root):
                return "a link that leads out of the folder"
            facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # to open a pipe would wait for ever
            return "not a regular file"
        return facts if facts.st_size else "the file is empty"
    except FileNotFoundError:
        return "a link that leads nowhere"
    except (OSError, RuntimeError) as error:  # a link to itself; no permission
        return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _class_folder(folder: Path, root: Path) -> str | None:
    """The name of a folder that holds pictures, unless that is the whole, or a split."""
    inner = folder.relative_to(root).parts
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


def _given_splits(root: Path, files: list[_File]) -> list[list[_File]]:
    """Training and held-out files, if the folder has both; else all files that may be trained on."""
    train, held_out = _child(root, _TRAIN), _child(root, _HELD_OUT)
    if train is None:
        return [files]
    names = [train] if held_out is None else [train, held_out]
    return [[f for f in files if f.key.startswith(f"{name}/")] for name in names]


def _each(files: Sequence[_File], work: Callable[[_File], T], root: Path) -> tuple[list[_File], list[T], list[Skipped]]:
    """`work` done on each file by several threads: the files where it went well, its results, and where it did not."""

    def attempt(file: _File) -> T | Exception:
        try:
            return work(file)
        except Exception as error:  # what a decoder raises on a hostile file has no end
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        outcomes = list(pool.map(attempt, files))
    good = [(f, o) for f, o in zip(files, outcomes, strict=True) if not isinstance(o, Exception)]
    bad = [_skip(f.path, root, reason(o)) for f, o in zip(files, outcomes, strict=True) if isinstance(o, Exception)]
    return [f for f, _ in good], [o for _, o in good], bad


def _same_size(splits: list[list[_File]], root: Path, channels: int | None) -> tuple[list[list[_File]], list[Skipped]]:
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
    if sizes:
        check_memory(len(sizes), math.ceil(math.sqrt(math.prod(sizes[0]))), channels)
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
    return Skipped("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in str(inner)), why)


def _nothing(source: str, listing: _Listing, skipped: Sequence[Skipped], held_out: int) -> GanvasError:
    looked = f"Looked for {', '.join(sorted(EXTENSIONS))}, in {source} and the folders in it."
    found = f"{len(listing.files)} of these, and {listing.others} files of other kinds"
    if held_out:
        return GanvasError(f"{source} has held-out images but none to train on.", f"{looked} Found {found}.")
    first = f" {len(skipped)} were skipped; the first: {skipped[0].path}: {skipped[0].reason}." if skipped else ""
    return GanvasError(f"There is no image to read in {source}.", f"{looked} Found {found}.{first}")
