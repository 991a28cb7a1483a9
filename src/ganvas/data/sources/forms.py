"""Folders and archives without pictures: the forms in which arrays and archives of pictures are distributed."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganvas.data.dataset import Data, Unused
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.layout import left_out, split_of
from ganvas.data.sources.listing import Listing
from ganvas.data.sources.metadata import read_file
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit


@dataclass(frozen=True)
class Stored:
    """A file that may hold many pictures. name: its path below the folder or archive. size: its bytes.

    stamp: another number if its content is another one. read: its content; None for a file on disk, which is read from its
    path.
    """

    name: str
    path: Path
    size: int
    stamp: int = 0
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def last(self) -> str:
        """The last part of the name in small letters."""
        return self.name.rpartition("/")[2].lower()

    def content(self) -> bytes:
        """All of it. Raises GanvasError if it cannot be read, or does not fit into memory."""
        must_fit(2 * self.size, f"{self.path}")
        if self.read is None:
            return read_file(self.path)
        try:
            return self.read()
        except Exception as error:  # zipfile, tarfile and zlib each raise their own
            raise GanvasError(f"{self.path} cannot be read: {error}.", "Is the download complete?") from error

    def start(self, num: int = 2**20) -> bytes:
        """The first bytes."""
        if self.read is not None:
            return self.content()[:num]
        try:
            with self.path.open("rb") as stream:
                return stream.read(num)
        except OSError as error:
            raise GanvasError(f"{self.path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True)
class Form:
    """A form of distribution. claims: the files that belong to it, empty if it is another one. read: makes them data."""

    claims: Callable[[Sequence[Stored]], list[Stored]]
    read: Callable[[str, Path, list[Stored], ImageOptions, int | None], Data]


def stored_in(root: Path, listing: Listing) -> list[Stored]:
    """All files of an archive, or of a folder, but for hidden ones, in the order of names."""
    if listing.members:
        found = [
            Stored(path.relative_to(root).as_posix(), path, member.size, member.stamp, member.read)
            for path, member in listing.members.items()
        ]
    else:
        found = [
            on_disk(path, path.relative_to(root).as_posix())
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


def read_file_form(source: str, path: Path, options: ImageOptions, limit: int | None) -> Data | None:
    """The data of a file of a known form, with those of the other splits beside it; None for other files."""
    files = [on_disk(path, path.name)]
    for form in forms(in_archive=False):
        if form.claims(files):
            beside = siblings(path)
            data = form.read(source, path, form.claims([*files, *beside]), options, limit)
            names = ", ".join(file.name for file in beside)
            return replace(data, notes=(f"Read with {names} beside it.", *data.notes)) if beside else data
    return None


def on_disk(path: Path, name: str) -> Stored:
    facts = path.stat()
    return Stored(name, path, facts.st_size, facts.st_mtime_ns)


def siblings(path: Path) -> list[Stored]:
    """If a file's name says that it is for training: the one of the same name for validation or test."""
    word = split_in(path.stem)
    if word is None or split_of(word) != "train":
        return []
    for other in ("val", "valid", "validation", "test"):
        beside = path.with_name(path.name.replace(word, other.upper() if word.isupper() else other))
        if beside.is_file() and beside != path:
            return [on_disk(beside, beside.name)]
    return []


def split_in(stem: str) -> str | None:
    """The word of a name that says a split: imagenet-train-000012."""
    return next((word for word in re.split("[-_.]", stem) if split_of(word)), None)


def by_split(source: str, files: Sequence[Stored]) -> dict[str, list[Stored]]:
    """Files by the split that their names say, "" for a file alone. GanvasError for several that say none."""
    found: dict[str, list[Stored]] = {}
    for file in files:
        word = split_in(Path(file.last).stem) or next(filter(split_of, file.name.split("/")[:-1]), None)
        found.setdefault((split_of(word) if word else "") or "", []).append(file)
    if "train" in found:
        found.pop("", None)
    elif len(files) > 1 and set(found) != {"test"}:
        names = ", ".join(file.name for file in files[:6]) + (" ..." if len(files) > 6 else "")
        raise GanvasError(f"{source} holds several files, and their names say no splits: {names}.", "Name one of them.")
    return found


def forms(*, in_archive: bool) -> tuple[Form, ...]:
    """All forms, in the order in which they are tried. Archives and databases within archives are not read."""
    from ganvas.data.sources.binaries import CIFAR10_FORM, CIFAR100_FORM, PICKLED_FORM, STL10_FORM
    from ganvas.data.sources.databases import LMDB_FORM
    from ganvas.data.sources.hdf5 import HDF5_FORM
    from ganvas.data.sources.idx import IDX_FORM
    from ganvas.data.sources.mat import MAT_FORM
    from ganvas.data.sources.parquet import TABLES_FORM
    from ganvas.data.sources.pixel_tables import PIXELS_FORM
    from ganvas.data.sources.tar import SHARDS

    inner = (CIFAR10_FORM, CIFAR100_FORM, STL10_FORM, IDX_FORM, TABLES_FORM, HDF5_FORM, MAT_FORM, PIXELS_FORM)
    return (*inner, PICKLED_FORM) if in_archive else (*inner, SHARDS, LMDB_FORM, PICKLED_FORM)
