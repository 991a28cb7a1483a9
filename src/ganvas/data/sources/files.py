"""Pictures that the user lists: files, and folders whose pictures are all taken."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.folder import read_listing
from ganvas.data.sources.layout import walk
from ganvas.data.sources.listing import File, Listing
from ganvas.data.sources.metadata import normal
from ganvas.errors import GanvasError


def files(paths: Sequence[str | Path], options: ImageOptions, limit: int | None = None) -> Data:
    """The pictures in the order of the list, without labels; a folder stands for its pictures in the order of names.

    Raises GanvasError if a file does not exist, or if none is readable.
    """
    listing = Listing()
    for name in map(str, paths):
        path = Path(name).expanduser()
        if path.is_dir():
            inner = walk(path.resolve())
            listing.skipped += inner.skipped
            listing.unused += inner.unused
            listing.leave("metadata, which is not read for listed folders", len(inner.metadata) + len(inner.tables))
            listing.files += [replace(f, stamp=(f"{name}/{f.stamp[0]}", *f.stamp[1:])) for f in inner.files]
        elif path.is_file():
            facts = path.stat()
            listing.files.append(File(path, normal(name), (name, facts.st_size, facts.st_mtime_ns)))
        else:
            raise GanvasError(f"There is no file {name}.")
    source = name_of(paths)
    root = Path.cwd()
    return read_listing(source, root, listing, [listing.files], options, limit)


def name_of(paths: Sequence[str | Path]) -> str:
    """What a list is called in messages."""
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
