"""Folders and archives without pictures: the forms in which arrays and archives of pictures are distributed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganvas.data.dataset import Data, Unused
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.layout import left_out
from ganvas.data.sources.listing import Listing


@dataclass(frozen=True)
class Stored:
    """A file that may hold many pictures. name: its path below the folder or archive. size: its bytes.

    read: its content; None for a file on disk, which is read from its path.
    """

    name: str
    path: Path
    size: int
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def last(self) -> str:
        """The last part of the name in small letters."""
        return self.name.rpartition("/")[2].lower()


@dataclass(frozen=True)
class Form:
    """A form of distribution. claims: the files that belong to it, empty if it is another one. read: makes them data."""

    claims: Callable[[Sequence[Stored]], list[Stored]]
    read: Callable[[str, Path, list[Stored], ImageOptions, int | None], Data]


def stored_in(root: Path, listing: Listing) -> list[Stored]:
    """All files of an archive, or of a folder, but for hidden ones, in the order of names."""
    if listing.members:
        found = [
            Stored(path.relative_to(root).as_posix(), path, member.size, member.read)
            for path, member in listing.members.items()
        ]
    else:
        found = [
            Stored(path.relative_to(root).as_posix(), path, path.stat().st_size)
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink()
        ]
    return sorted((s for s in found if not any(map(left_out, s.name.split("/")))), key=lambda s: s.name)


def read_form(source: str, root: Path, listing: Listing, options: ImageOptions, limit: int | None) -> Data | None:
    """The data of a folder or archive without pictures, if it has a known form. Its other files are counted as unused."""
    there = stored_in(root, listing)
    for form in forms(in_archive=bool(listing.members)):
        claimed = form.claims(there)
        if claimed:
            data = form.read(source, root, claimed, options, limit)
            names = {s.name for s in claimed}
            kinds = Counter(Path(s.name).suffix.lower() or "no extension" for s in there if s.name not in names)
            others = [Unused(f"of another kind ({kind})", num) for kind, num in sorted(kinds.items())]
            return replace(data, unused=(*data.unused, *others))
    return None


def forms(*, in_archive: bool) -> tuple[Form, ...]:
    from ganvas.data.sources.tar import SHARDS

    return () if in_archive else (SHARDS,)
