"""A cache of decoded pictures, mapped into memory, so that the next run starts at once."""

import hashlib
import json
import os
import shutil
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganvas.data.content import contents
from ganvas.data.dataset import Data, DataInfo, Skipped, Split, Unused
from ganvas.errors import printable
from ganvas.machine.storage import cache_folder, read_object

PAYS_FROM = 1_000
"""The minimum number of pictures for the cache; fewer are decoded quickly."""

CHECKED_BYTES = 2**30
"""Larger files are not checked completely, because a run would have to wait."""

FORMAT = 4


def home() -> Path:
    """The folder of decoded pictures."""
    return cache_folder() / "data"


def key_of(*parts: object) -> str:
    """The name of an entry: a hash of everything that determines the pictures. parts: with a complete `repr`."""
    return hashlib.blake2b(repr((FORMAT, parts)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def clear() -> tuple[int, int]:
    """Empties the cache. Returns the numbers of entries and bytes. Runs that read them continue."""
    entries = [entry for entry in home().glob("*") if entry.is_dir() and not entry.is_symlink()]
    size = sum(file.stat().st_size for entry in entries for file in entry.glob("*") if file.is_file())
    for entry in entries:
        shutil.rmtree(entry, ignore_errors=True)
    return len(entries), size


def load(key: str, source: str) -> Data | None:
    """The entry of a key, with its pictures mapped into memory; None if it is missing or incomplete."""
    entry = home() / key
    if not entry.is_dir():
        return None
    try:
        facts = read_object(entry / "facts.json")
        for name, checksum in facts["checksums"].items():
            check_whole(entry / name, checksum)
        x = torch.from_numpy(np.load(entry / "images.npy", mmap_mode="c"))
        y = torch.from_numpy(np.load(entry / "labels.npy")) if facts["labelled"] else None
        mean = torch.from_numpy(np.load(entry / "mean.npy"))
        numbers = torch.from_numpy(np.load(entry / "contents.npy"))
        text = None if facts["text"] is None else tuple(str(t) for t in facts["text"])
        num, classes = int(facts["num_train"]), tuple(str(name) for name in facts["classes"])
        info = DataInfo(tuple(x.shape[1:]), classes, captions=text is not None, num_train=num, mean=mean)
        skipped = tuple(Skipped(str(path), str(reason)) for path, reason in facts["skipped"])
        train, held_out = (rows(x, y, text, part) for part in (slice(0, num), slice(num, None)))
        unused = tuple(Unused(str(reason), int(n), bool(pictures)) for reason, n, pictures in facts["unused"])
        found = (numbers[:num], numbers[num:])
        white = None if facts["white"] is None else int(facts["white"])
        notes = tuple(str(note) for note in facts["notes"])
        files = tuple(str(name) for name in facts["files"])
        order = torch.from_numpy(np.load(entry / "order.npy"))
        data = Data(source, train, held_out, info, skipped, contents=found, unused=unused)
        return replace(data, white=white, notes=notes, files=files, order=order)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError, EOFError) as error:
        print(f"The cache of {printable(source)} is damaged ({error}) and is created again.", file=sys.stderr)
        shutil.rmtree(entry, ignore_errors=True)
        return None


def save(key: str, data: Data) -> Data:
    """Writes decoded pictures to the cache. Returns them mapped into memory, or unchanged if writing fails.

    Each process writes under its own name, then renames. So readers see a complete entry or none. The first of several
    writers wins.
    """
    entry, part = home() / key, home() / f"{key}.{os.getpid()}.part"
    try:
        part.mkdir(parents=True)
        write(part, data)
        part.rename(entry)
    except OSError as error:
        if not entry.is_dir():
            print(f"The decoded pictures could not be cached for the next run: {error}.", file=sys.stderr)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return load(key, data.source) or data


def write(folder: Path, data: Data) -> None:
    """An entry's files, the facts last."""
    splits = (data.train, data.held_out)
    assert data.info.mean is not None
    np.save(folder / "mean.npy", data.info.mean.numpy())
    np.save(folder / "contents.npy", torch.cat(data.contents or tuple(contents(s.x) for s in splits)).numpy())
    np.save(folder / "order.npy", (torch.arange(len(data.files)) if data.order is None else data.order).numpy())
    end_to_end(folder / "images.npy", [s.x for s in splits])
    labels = [s.y for s in splits if s.y is not None]
    if labels:
        end_to_end(folder / "labels.npy", labels)
    facts = {
        "num_train": len(data.train),
        "labelled": bool(labels),
        "classes": data.info.classes,
        "text": None if data.train.text is None else [*data.train.text, *(data.held_out.text or ())],
        "skipped": [(s.path, s.reason) for s in data.skipped],
        "unused": [(u.reason, u.num, u.pictures) for u in data.unused],
        "white": data.white,
        "notes": data.notes,
        "files": data.files,
        "checksums": {file.name: checksum_of(file) for file in sorted(folder.glob("*.npy"))},
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def end_to_end(file: Path, parts: Sequence[Tensor]) -> None:
    """Writes tensors one after the other as one array, without another copy of them in memory."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    array = np.lib.format.open_memmap(file, "w+", parts[0].numpy().dtype, shape)
    start = 0
    for part in parts:
        array[start : start + len(part)] = part.numpy()
        start += len(part)
    array.flush()


def rows(x: Tensor, y: Tensor | None, text: tuple[str, ...] | None, part: slice) -> Split:
    return Split(x[part], None if y is None else y[part], None if text is None else text[part])


def check_whole(file: Path, checksum: Sequence[int]) -> None:
    """Raises ValueError unless the file is as it was written."""
    size, crc = checksum
    if file.stat().st_size != size:
        raise ValueError(f"{file.name} has {file.stat().st_size} bytes, not {size}")
    if size <= CHECKED_BYTES and checksum_of(file)[1] != crc:
        raise ValueError(f"{file.name} has changed since it was written")


def checksum_of(file: Path) -> tuple[int, int]:
    """Size and CRC-32."""
    crc = 0
    with file.open("rb") as stream:
        while block := stream.read(2**24):
            crc = zlib.crc32(block, crc)
    return file.stat().st_size, crc
