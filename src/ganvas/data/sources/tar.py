"""Tar archives of pictures, and folders of shards, read without unpacking. What could harm is refused or skipped."""

import bz2
import functools
import gzip
import lzma
import re
import shutil
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.beside import settle
from ganvas.data.sources.entering import LARGEST_MEMBER, Entering, inner_name
from ganvas.data.sources.folder import read_folder
from ganvas.data.sources.forms import Form, Stored, split_in
from ganvas.data.sources.listing import Listing, Member
from ganvas.errors import GanvasError
from ganvas.machine.memory import size as in_words
from ganvas.machine.storage import cache_folder

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""What names of tar archives end in, in small letters."""

BLOCK = 512
LARGEST_HEADER = 2**20
"""Bytes that may describe one member: a longer name or attribute is an attack on memory."""

MOST_EXPANDED = 50
"""A compressed archive that grows to more than so many times its size, and to more than `FREELY` bytes, is a bomb."""

FREELY = 2**26

SHARD = re.compile(r"(.*?)(?:^|[-_.])\d+(?:-of-\d+)?", re.IGNORECASE)
"""The name of one of many archives that belong together: 00012, train-000012, val-00001-of-00008."""

DAMAGE = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError, zlib.error, lzma.LZMAError)


def is_tar(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def tar(source: str, options: ImageOptions, limit: int | None = None) -> Data:
    """The pictures in a tar archive, compressed or not, laid out as `folder` reads them.

    Files of WebDataset's form beside a picture (.cls, .txt, .json) are its label and caption; see `beside`. Members that
    are links, too large, or named by a path out of the archive are skipped. A compressed archive is expanded into an
    unnamed temporary file, because it cannot be read at any place. Raises GanvasError for archives that are damaged or
    cut off, or as `folder` does.
    """
    root = Path(source).expanduser().resolve()
    with whole(root) as (stream, read):
        found = Entering(root)
        enter(found, root, stream, read, "")
        settle(found.listing, samples=True)
        return read_folder(source, root, found.listing, options, limit)


def shards(source: str, root: Path, files: Sequence[Stored], options: ImageOptions, limit: int | None = None) -> Data:
    """The pictures in several tar archives of a folder, as those of one.

    Archives whose names count, such as train-000012.tar, are shards; if their names say train and val, these are the
    splits. Archives with other names are classes, as ImageNet's are.
    """
    found, paths = Entering(root), [file.path for file in files]
    counted = len(paths) == 1 or all(SHARD.fullmatch(path.stem) for path in paths)
    for path in paths:
        folders = path.relative_to(root).parts[:-1]
        if counted and not folders and (split := split_in(path.stem)):
            folders = (split,)
        inner = path.name if counted else path.stem
        if counted:
            found.listing.plain.add(inner)
        with whole(path) as (stream, read):
            enter(found, path, stream, read, "/".join((*folders, inner, "")))
    settle(found.listing, samples=True)
    what = "shards" if counted else "classes"
    found.listing.notes.append(f"Read from {len(paths)} tar archives, which were taken as {what}.")
    return read_folder(source, root, found.listing, options, limit)


SHARDS = Form(lambda files: [file for file in files if is_tar(file.name)], shards)


Read = Callable[[int, int], bytes]
"""The bytes of an archive from a place on, as many as are asked for."""


@contextmanager
def whole(path: Path) -> Generator[tuple[IO[bytes], Read]]:
    """An archive as a file that can be read at any place, by several threads. Raises GanvasError for damaged ones."""
    try:
        with path.open("rb") as stored:
            start = stored.read(6)
            stored.seek(0)
            expand = next((f for magic, f in EXPANDERS.items() if start.startswith(magic)), None)
            if start.startswith(b"\x28\xb5\x2f\xfd"):
                raise GanvasError(f"{path} is compressed by Zstandard.", "Expand it first: zstd -d ARCHIVE")
            if expand is None:
                yield stored, functools.partial(read_at, path)
                return
            cache_folder().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=cache_folder()) as expanded, cast(IO[bytes], expand(stored)) as stream:
                copy(path, stream, expanded)
                lock = threading.Lock()

                def read(start: int, size: int) -> bytes:
                    with lock:
                        expanded.seek(start)
                        return expanded.read(size)

                yield expanded, read
    except DAMAGE as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise GanvasError(f"{path} cannot be read as a tar archive: {reason}.", "Is the download complete?") from error


EXPANDERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda stored: gzip.GzipFile(fileobj=stored),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}


def read_at(path: Path, start: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as stored:
        stored.seek(start)
        return stored.read(size)


def copy(path: Path, stream: IO[bytes], expanded: IO[bytes]) -> None:
    """Expands a compressed archive. Raises GanvasError if it grows beyond the disk, or as bombs do."""
    stored, num = path.stat().st_size, 0
    while block := stream.read(2**20):
        num += len(block)
        if num > max(FREELY, MOST_EXPANDED * stored):
            raise GanvasError(
                f"{path} expands to more than {MOST_EXPANDED} times its size, as bombs do.",
                "If you trust it, expand it yourself.",
            )
        if num % 2**26 < 2**20 and (free := shutil.disk_usage(cache_folder()).free) < 2**28:
            raise GanvasError(
                f"{path} expands to more than {in_words(num)}, and {in_words(free)} of disk are left in {cache_folder()}.",
                "Free some space, or set XDG_CACHE_HOME to a folder on a larger disk.",
            )
        expanded.write(block)
    expanded.flush()


def enter(found: Entering, path: Path, stream: IO[bytes], read: Read, prefix: str) -> None:
    """Enters the members of one archive. prefix: what stands before their names, with a slash at its end."""
    stamp, place = path.stat().st_mtime_ns, len(found.listing.files)
    for info in headers(path, stream, found.listing):
        name = inner_name(info.name)
        if info.isdir():
            found.folder(prefix + name)
        else:
            content = functools.partial(exactly, read, info.offset_data, info.size)
            found.file(prefix + name, Member(info.size, stamp ^ info.offset_data, content, unfit(info)))
    found.listing.files[place:] = sorted(found.listing.files[place:], key=lambda f: f.stamp[0])


def exactly(read: Read, start: int, size: int) -> bytes:
    content = read(start, size)
    if len(content) != size:
        raise tarfile.ReadError("the archive was cut off while it was read")
    return content


def unfit(info: tarfile.TarInfo) -> str | None:
    """Why a member is not opened."""
    if info.issym() or info.islnk():
        return "a link, which is not followed"
    if not info.isreg():
        return "not a regular file"
    if info.issparse():
        return "a file with holes, which is not read"
    if info.size > LARGEST_MEMBER:
        return f"larger than {LARGEST_MEMBER // 2**20} MB"
    return None if info.size > 0 else "the file is empty"


class Headers:
    """The archive as tarfile reads it, which takes all memory that a damaged header claims."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.seek, self.tell = stream, stream.seek, stream.tell

    def read(self, num: int) -> bytes:
        if not 0 <= num <= LARGEST_HEADER:
            raise tarfile.ReadError("a header is too long: the archive is damaged, or an attack")
        return self.stream.read(num)


def headers(path: Path, stream: IO[bytes], listing: Listing) -> Iterator[tarfile.TarInfo]:
    """What stands before each member, of all archives that were written one after the other into one file.

    Raises ReadError for damaged archives; `tarfile` ends at the first damaged header without a word.
    """
    start: int | None = 0
    while start is not None:
        stream.seek(start)
        opened = tarfile.TarFile(fileobj=cast(IO[bytes], Headers(stream)), mode="r")
        last = start - 1
        while (info := opened.next()) is not None:
            cast(Any, opened).members = []  # tarfile would keep them all
            if info.size < 0 or opened.offset <= last:
                raise tarfile.ReadError("a header points backwards: the archive is damaged, or an attack")
            last = opened.offset
            yield info
        if start and last < start:
            listing.notes.append(f"{path.name} has more after its end, which is no archive, and was not read.")
            return
        start, ended = after(stream, opened.offset)
        if not ended:
            listing.notes.append(f"{path.name} has no mark at its end: it may have been cut off.")


def after(stream: IO[bytes], place: int) -> tuple[int | None, bool]:
    """Where the next archive begins after the mark at the end of one, and whether there was a mark."""
    stream.seek(place)
    first = stream.read(BLOCK)
    if not first:
        return None, False
    if any(first):
        raise tarfile.ReadError(f"it is damaged at byte {place:,}")
    place += BLOCK
    while block := stream.read(2**20):
        rest = block.lstrip(b"\0")
        place += len(block) - len(rest)
        if rest:
            return place // BLOCK * BLOCK, True
    return None, True
