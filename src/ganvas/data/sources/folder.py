"""A folder of images, laid out as a Hugging Face imagefolder."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ganvas.data.content import contents
from ganvas.data.dataset import Data, Skipped, gather
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources import cache
from ganvas.data.sources.decoding import decoded, joined, readable
from ganvas.data.sources.depth import WHITES, from_files
from ganvas.data.sources.describing import describe
from ganvas.data.sources.layout import EXTENSIONS, walk
from ganvas.data.sources.layout import splits as splits_of
from ganvas.data.sources.listing import File, Listing, printable
from ganvas.data.sources.splits import by_content, keep, keep_contents, split_by_key
from ganvas.errors import GanvasError

_WHOLE = re.compile(r"-?[0-9]{1,15}")


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
    splits, unreadable = readable(splits, root, options)
    skipped += unreadable
    found = decoded(splits, options, root)
    depth = from_files(options, found.deep_peaks, found.pictures)
    if depth.white not in (options.white, WHITES[-1]):
        found = decoded(splits, replace(options, white=depth.white), root)
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
        rows = [part[keep_contents(numbers[part], limit)] for part in by_content(numbers[firsts(used)], labels)]
    order = torch.cat(list(rows))
    listing.leave("beyond the limit", len(used) - len(order), pictures=True)
    x = joined(pictures, order)
    labels = None if labels is None else labels[order]
    texts = [(about.text if (about := used[i].about) else None) for i in order.tolist()]
    text = tuple(t or "" for t in texts) if any(texts) else None
    num = len(rows[0])
    train, held_out = (cache.rows(x, labels, text, part) for part in (slice(0, num), slice(num, None)))
    known = (numbers[order[:num]], numbers[order[num:]])
    data = gather(source, train, held_out, classes=classes, skipped=skipped, contents=known)
    files = tuple(printable(used[i].name) for i in order.tolist())
    return replace(
        data,
        unused=tuple(listing.left()),
        white=depth.white,
        notes=(*listing.notes, *depth.notes, *found.notes(options)),
        files=files,
        order=order,
    )


def firsts(files: Sequence[File]) -> torch.Tensor:
    """For each picture the place of its file's first one, int64 (N,): all frames of a file stand on one side."""
    return torch.tensor([i - (f.frame or 0) for i, f in enumerate(files)], dtype=torch.int64)


def _by_name(files: list[File], keys: list[str], limit: int | None) -> list[torch.Tensor]:
    """The split of version 0.1.0. keys: of all files that were to be read, of which `files` could be."""
    held_out = {keys[i] for i in split_by_key(keys)[1]}
    parts = [[i for i, f in enumerate(files) if (f.key in held_out) == side] for side in (False, True)]
    kept = [[part[i] for i in keep([files[j].key for j in part], limit)] for part in parts]
    return [torch.tensor(part, dtype=torch.int64) for part in kept]


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
