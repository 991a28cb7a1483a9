"""A zip archive of pictures, read without unpacking. What could harm is refused or skipped, with the reason."""

import functools
import itertools
import stat
import struct
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.beside import settle
from ganvas.data.sources.entering import LARGEST_MEMBER, Entering, inner_name
from ganvas.data.sources.folder import read_folder
from ganvas.data.sources.listing import Listing, Member
from ganvas.errors import GanvasError

LOCAL_HEADER = struct.Struct("<26xHH")
"""What stands before a member: the lengths of its name and of the extra field are the last of it."""

DEFLATE_RATIO = 1_032
"""Deflate shrinks at most to 1/1032: an entry that claims more is not what it says."""


def archive(source: str, options: ImageOptions, limit: int | None = None) -> Data:
    """The pictures in a zip archive, laid out as `folder` reads them, decoded on all cores.

    A folder that holds all others is the archive's own. StyleGAN's dataset.json gives labels. Members that are
    links, encrypted, too large, or named by a path out of the archive are skipped; archives within it are not read.
    Raises GanvasError if the file is no complete archive, if its entries overlap, or as `folder` does.
    """
    root = Path(source).expanduser().resolve()
    try:
        with zipfile.ZipFile(root) as opened, root.open("rb") as stream:
            listing = members(opened, Reader(stream), root)
            return read_folder(source, root, listing, options, limit)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, zlib.error, ValueError, struct.error) as error:
        reason = str(error) or type(error).__name__
        raise GanvasError(
            f"{source} cannot be read as a zip archive: {reason}.", "Is the download complete?"
        ) from error


class Reader:
    """Reads members from several threads at once: `zipfile` takes longer for a small picture than its decoder."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.lock = stream, threading.Lock()

    def __call__(self, info: zipfile.ZipInfo) -> bytes:
        """A member's bytes. Raises BadZipFile or zlib.error unless it is as the directory says."""
        with self.lock:
            self.stream.seek(info.header_offset)
            header = self.stream.read(LOCAL_HEADER.size)
            if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\3\4":
                raise zipfile.BadZipFile("its header is damaged")
            self.stream.seek(sum(LOCAL_HEADER.unpack(header)), 1)
            stored = self.stream.read(info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            stored = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, info.file_size + 1)
        if len(stored) != info.file_size or zlib.crc32(stored) != info.CRC:
            raise zipfile.BadZipFile("it is damaged: its size or its CRC-32 is wrong")
        return stored


def members(opened: zipfile.ZipFile, read: Reader, root: Path) -> Listing:
    """Every file in the archive. Each is in `files`, `metadata`, `skipped` or `unused`, in the order of names."""
    infos = opened.infolist()
    check_honest(root, infos)
    size = root.stat().st_size
    found = Entering(root)
    for info, name in sorted(((info, inner_name(info.filename)) for info in infos), key=lambda pair: pair[1]):
        if name.endswith("/"):
            found.folder(name)
        else:
            found.file(name, Member(info.file_size, info.CRC, functools.partial(read, info), unfit(info, size)))
    settle(found.listing)
    return found.listing


def unfit(info: zipfile.ZipInfo, size: int) -> str | None:
    """Why a member is not opened. size: of the archive, in bytes."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link, which is not followed"
    if kind not in (0, stat.S_IFREG):
        return "not a regular file"
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "compressed by another method than deflate"
    if info.file_size > LARGEST_MEMBER:
        return f"larger than {LARGEST_MEMBER // 2**20} MB"
    damaged = info.header_offset + info.compress_size > size
    if damaged or info.file_size > DEFLATE_RATIO * max(info.compress_size, 1):
        return "its size is not possible: the archive is damaged, or a bomb"
    return None if info.file_size else "the file is empty"


def check_honest(root: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Raises GanvasError when members share bytes of the archive, as those of bombs do."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, after in itertools.pairwise(ordered):
        if info.header_offset + 30 + info.compress_size > after.header_offset:
            raise GanvasError(
                f"{root}: the entries {info.filename!r} and {after.filename!r} share bytes, as in a bomb.",
                "It is not read.",
            )
