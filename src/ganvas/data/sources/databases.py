"""LMDB databases whose values are pictures, as LSUN's and those of StyleGAN2's PyTorch versions. Needs the extra `lmdb`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.entering import LARGEST_MEMBER
from ganvas.data.sources.folder import read_folder
from ganvas.data.sources.forms import Form, Stored, split_in
from ganvas.data.sources.listing import File, Listing, skip
from ganvas.errors import GanvasError, needs_extra

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
SIZED = re.compile(r"(\d+)-(\d{5,})")
"""A key with the side in pixels, of a database that holds each picture in several sizes."""


def lmdb_files(files: Sequence[Stored]) -> list[Stored]:
    named = [f for f in files if f.last == "data.mdb" or f.last.endswith(".lmdb")]
    return named + [f for f in files if f.last == "lock.mdb" or f.last.endswith(".lmdb-lock")] if named else []


def lmdb(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """A picture for each value that is one, in the order of keys; no labels.

    Databases in folders whose names say train and val are splits, as LSUN's. Of keys such as 128-00042 one size is
    taken: the smallest that is not smaller than the size that is wanted, else the largest.
    """
    try:
        import lmdb as library  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise needs_extra(f"{source}", "lmdb") from error
    listing = Listing()
    opened: list[Any] = []
    try:
        for file in files:
            if file.last not in ("lock.mdb",) and not file.last.endswith("-lock"):
                if file.read is not None:
                    raise GanvasError(f"{file.path} is a database in an archive.", "Unpack the archive.")
                database = library.open(
                    str(file.path), subdir=False, readonly=True, lock=False, readahead=False, max_spare_txns=16
                )
                opened.append(database)
                folder = file.path.parent.name if file.last == "data.mdb" else file.path.stem
                enter(listing, root, file, database, folder, options)
        return read_folder(source, root, listing, options, limit)
    except library.Error as error:
        raise GanvasError(f"{source} cannot be read as an LMDB: {error}.", "Is the download complete?") from error
    finally:
        for database in opened:
            database.close()


def enter(listing: Listing, root: Path, file: Stored, database: Any, folder: str, options: ImageOptions) -> None:
    stamp = file.path.stat().st_mtime_ns
    split = split_in(folder)
    above = [split] if split else []
    listing.folders |= {tuple(above)} if above else set()
    keys: list[tuple[bytes, int]] = []
    with database.begin(buffers=True) as reading:
        for key, value in reading.cursor():
            if is_picture(bytes(value[:16])):
                keys.append((bytes(key), len(value)))
            else:
                listing.leave("a value that is no picture")
    kept, side = one_size(keys, options.size)
    if side:
        listing.leave(f"a picture in another size than {side}", len(keys) - len(kept), pictures=True)
    for key, size in kept:
        name = "/".join((*above, key.decode("utf-8", "backslashreplace").replace("/", "_")))
        path = root / name
        if size > LARGEST_MEMBER:
            listing.skipped.append(skip(path, root, f"larger than {LARGEST_MEMBER // 2**20} MB"))
        else:
            listing.files.append(File(path, name, (name, size, stamp), read=Value(database, key)))


def one_size(keys: list[tuple[bytes, int]], size: int | None) -> tuple[list[tuple[bytes, int]], int]:
    """The keys of one size, and that size; 0 if keys have none."""
    sizes = [SIZED.fullmatch(key.decode("utf-8", "replace")) for key, _ in keys]
    if not keys or not all(sizes):
        return keys, 0
    sides = [int(match[1]) for match in sizes if match]
    large = [side for side in sides if size and side >= size]
    wanted = min(large) if large else max(sides)
    return [key for key, side in zip(keys, sides, strict=True) if side == wanted], wanted


def is_picture(start: bytes) -> bool:
    return start.startswith(PICTURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[4:8] == b"ftyp"


class Value:
    """Reads one value."""

    def __init__(self, database: Any, key: bytes) -> None:
        self.database, self.key = database, key

    def __call__(self) -> bytes:
        with self.database.begin() as reading:
            value = reading.get(self.key)
        if value is None:
            raise ValueError("the value is gone")
        return value


LMDB_FORM = Form(lmdb_files, lmdb)
