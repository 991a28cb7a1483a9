"""A folder of images, laid out as a Hugging Face imagefolder."""

import math
import os
import re
import warnings
from collections.abc import Callable, Generator, Sequence
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
from ganvas.data.sources.depth import WHITES, from_files
from ganvas.data.sources.describing import describe
from ganvas.data.sources.layout import EXTENSIONS, walk
from ganvas.data.sources.layout import splits as splits_of
from ganvas.data.sources.listing import File, Listing, printable, skip
from ganvas.data.sources.splits import by_content, keep, keep_contents, split_by_key
from ganvas.errors import GanvasError

T = TypeVar("T")

_WHOLE = re.compile(r"-?[0-9]{1,15}")

PIECE = 2_048
"""Number of pictures decoded between two updates of the progress bar."""


def folder(source: str, options: ImageOptions, limit: int | None = None) -> Data:
    """Pictures under a folder, decoded on all cores into uint8 (N, C, H, W), in the order of their names.

    The folders train/ and validation/ (or, if there is none, test/) are the splits, in any common form of these names,
    and also within the one folder of an archive; beside folders of other names, train/ is a class. If there are no
    splits, about a tenth is held out, by content: new files do not move old ones, and equal pictures stand on one side.
    A picture's class is the `label` of its row in a metadata.jsonl or metadata.csv, or else the folder it lies in; its
    caption is the row's `text`. What cannot be read is skipped with a reason, and what is not used is counted. Links that
    lead out of the folder are not followed.

    Raises GanvasError if nothing is readable, if sizes differ and `options` set none, or if the metadata is damaged.
    """
    root = Path(source).expanduser().resolve()
    return read_folder(source, root, walk(root), options, limit)


def read_folder(source: str, root: Path, listing: Listing, options: ImageOptions, limit: int | None) -> Data:
    """The pictures of a folder or an archive, decoded, or from the cache if there are many."""
    from ganvas.data.sources.forms import read_form  # forms are read by means of this module

    if not listing.files and (data := read_form(source, root, listing, options, limit)):
        return data
    parts = splits_of(listing)
    listing.leave("metadata, which was read", len(listing.metadata))
    num = sum(map(len, parts))
    if num < cache.PAYS_FROM:
        return read_listing(source, root, listing, parts, options, limit)
    stamps = [[f.stamp for f in part] for part in parts]
    key = cache.key_of(stamps, listing.stamps(), listing.skipped, listing.left(), options, limit)
    return cache.load(key, source) or cache.save(key, read_listing(source, root, listing, parts, options, limit))


def read_listing(
    source: str, root: Path, listing: Listing, splits: list[list[File]], options: ImageOptions, limit: int | None
) -> Data:
    """The pictures of a listing, decoded."""
    splits, absent = describe(listing, splits, root, options)
    skipped = [*listing.skipped, *absent]
    if len(splits) == 2:
        kept = [[part[i] for i in keep([f.key for f in part], limit)] for part in splits]
        listing.leave("beyond the limit", sum(map(len, splits)) - sum(map(len, kept)), pictures=True)
        splits = kept
    keys = [f.key for f in splits[0]]
    if options.size is None:
        splits, unreadable = _same_size(splits, root, options.channels)
        skipped += unreadable
    if options.size is not None:
        check_memory(sum(map(len, splits)), options.size, options.channels)
    found = _decoded_all(splits, options, root)
    depth = from_files(options, found.deep_peaks, found.pictures)
    if depth.white not in (options.white, WHITES[-1]):
        found = _decoded_all(splits, replace(options, white=depth.white), root)
    depth.check_range(found.pictures)
    splits, pictures, skipped = found.splits, found.pictures, [*skipped, *found.skipped]
    if not splits[0]:
        raise _nothing(source, listing, skipped, held_out=sum(map(len, splits[1:])))
    used = [f for part in splits for f in part]
    numbers = torch.cat([contents(piece) for piece in pictures])
    labels, classes = _labels(used, options, listing.class_names)
    if len(splits) == 2:
        rows = torch.arange(len(used)).split([len(part) for part in splits])
    elif options.split_by == "name":
        rows = _by_name(used, keys, limit)
    else:
        rows = [part[keep_contents(numbers[part], limit)] for part in by_content(numbers, labels)]
    order = torch.cat(list(rows))
    listing.leave("beyond the limit", len(used) - len(order), pictures=True)
    x = _joined(pictures, order)
    labels = None if labels is None else labels[order]
    texts = [(about.text if (about := used[i].about) else None) for i in order.tolist()]
    text = tuple(t or "" for t in texts) if any(texts) else None
    num = len(rows[0])
    train, held_out = (cache.rows(x, labels, text, part) for part in (slice(0, num), slice(num, None)))
    known = (numbers[order[:num]], numbers[order[num:]])
    data = gather(source, train, held_out, classes=classes, skipped=skipped, contents=known)
    files = tuple(printable(used[i].stamp[0]) for i in order.tolist())
    return replace(
        data,
        unused=tuple(listing.left()),
        white=depth.white,
        notes=(*listing.notes, *depth.notes),
        files=files,
        order=order,
    )


def _by_name(files: list[File], keys: list[str], limit: int | None) -> list[torch.Tensor]:
    """The split of version 0.1.0. keys: of all files that were to be read, of which `files` could be."""
    held_out = {keys[i] for i in split_by_key(keys)[1]}
    parts = [[i for i, f in enumerate(files) if (f.key in held_out) == side] for side in (False, True)]
    kept = [[part[i] for i in keep([files[j].key for j in part], limit)] for part in parts]
    return [torch.tensor(part, dtype=torch.int64) for part in kept]


@dataclass
class _Decoded:
    """The files of each split that could be decoded, and the others. pictures: uint8 (n, C, H, W), in pieces.

    deep_peaks: the largest value of each picture of 16 bits.
    """

    splits: list[list[File]] = field(default_factory=list)
    pictures: list[torch.Tensor] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    deep_peaks: list[float] = field(default_factory=list)


def _decoded_all(splits: Sequence[Sequence[File]], options: ImageOptions, root: Path) -> _Decoded:
    found = _Decoded()
    with _progress(sum(map(len, splits))) as advance:
        for files in splits:
            good: list[File] = []
            for start in range(0, len(files), PIECE):
                piece = files[start : start + PIECE]
                part, pictures, bad = _each(piece, lambda f: decode(f.content(), options, found.deep_peaks), root)
                good += part
                found.pictures += [stack(pictures)] if pictures else []
                found.skipped += bad
                advance(PIECE)
            found.splits.append(good)
    return found


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
    """A function to call with the number of decoded pictures; it shows a bar on a terminal if there are many."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=num < cache.PAYS_FROM or not console.is_terminal) as bar:
        task = bar.add_task("reading pictures", total=num)
        yield lambda done: bar.advance(task, done)


def _each(files: Sequence[File], work: Callable[[File], T], root: Path) -> tuple[list[File], list[T], list[Skipped]]:
    """Runs `work` on each file in several threads. Returns successful files, their results, and failed files."""

    def attempt(file: File) -> T | Exception:
        try:
            return work(file)
        except Exception as error:  # a decoder may raise anything for a hostile file
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        outcomes = list(pool.map(attempt, files))
    good = [(f, o) for f, o in zip(files, outcomes, strict=True) if not isinstance(o, Exception)]
    bad = [skip(f.path, root, reason(o)) for f, o in zip(files, outcomes, strict=True) if isinstance(o, Exception)]
    return [f for f, _ in good], [o for _, o in good], bad


def _same_size(splits: list[list[File]], root: Path, channels: int | None) -> tuple[list[list[File]], list[Skipped]]:
    """The files whose first bytes are a picture's. Raises GanvasError when these differ in size.

    Runs before decoding, because ten thousand photographs do not fit into memory.
    """
    sizes: list[tuple[int, int]] = []
    skipped: list[Skipped] = []
    readable: list[list[File]] = []
    for part in splits:
        good, measured, unreadable = _each(part, lambda f: measure(f.content()), root)
        readable.append(good)
        sizes += measured
        skipped += unreadable
    check_one_size(str(root), sizes)
    if sizes:
        check_memory(len(sizes), math.ceil(math.sqrt(math.prod(sizes[0]))), channels)
    return readable, skipped


def _labels(
    files: Sequence[File], options: ImageOptions, class_names: Sequence[str]
) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Class numbers int64 (N,) and the classes' names; empty if the data has no classes or only one.

    class_names: of labels that are numbers, if they have names.
    """
    labels = [f.about.label if f.about and f.about.label is not None else f.folder for f in files]
    distinct = {label for label in labels if label is not None}
    if len(distinct) < 2:
        return None, ()
    order = sorted(distinct, key=lambda label: (isinstance(label, str), label))
    if options.split_by != "name" and all(_WHOLE.fullmatch(str(label)) for label in distinct):
        order = sorted(distinct, key=lambda label: (int(label), str(label)))  # version 0.1.0 sorted them as text
    number = {label: i for i, label in enumerate(order)}
    named = {label: class_names[label] for label in order if isinstance(label, int) and 0 <= label < len(class_names)}
    names = {label: str(label) for label in order} | (named or _folder_names(files, labels) or {})
    y = torch.tensor([-1 if label is None else number[label] for label in labels], dtype=torch.int64)
    return y, tuple(names[label] for label in order)


def _folder_names(files: Sequence[File], labels: Sequence[str | int | None]) -> dict[str | int, str] | None:
    """Names for labels that are numbers, when each number is one folder and each folder one number."""
    pairs = {(label, f.folder) for f, label in zip(files, labels, strict=True)}
    numbers, folders = {label for label, _ in pairs}, {name for _, name in pairs}
    if not len(pairs) == len(numbers) == len(folders):
        return None
    names: dict[str | int, str] = {label: name for label, name in pairs if isinstance(label, int) and name is not None}
    return names if len(names) == len(pairs) else None


def _nothing(source: str, listing: Listing, skipped: Sequence[Skipped], held_out: int) -> GanvasError:
    looked = f"Looked for {', '.join(sorted(EXTENSIONS))}, in {source} and the folders in it."
    found = f"{len(listing.files)} of these, and {listing.others} files of other kinds"
    if held_out:
        return GanvasError(f"{source} has held-out images but no training images.", f"{looked} Found {found}.")
    first = f" {len(skipped)} were skipped; the first: {skipped[0].path}: {skipped[0].reason}." if skipped else ""
    return GanvasError(f"There is no readable image in {source}.", f"{looked} Found {found}.{first}")
