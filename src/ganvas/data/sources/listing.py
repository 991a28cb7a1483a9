"""What a walk through a folder or an archive finds: pictures, files about them, and everything else."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ganvas.data.dataset import Skipped, Unused
from ganvas.data.sources.metadata import About, read_file
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit


@dataclass(frozen=True)
class Member:
    """A file in an archive. size: its bytes. stamp: another number if its content is another one.

    read: its bytes; raises what a damaged archive raises. unfit: why it is not to be read.
    """

    size: int
    stamp: int
    read: Callable[[], bytes] = field(compare=False, repr=False)
    unfit: str | None = None


@dataclass(frozen=True)
class File:
    """A picture, on disk or in an archive.

    key: its path below the root, the same on every machine. folder: the one it lies in, if a class.
    stamp: its path below the root as it is written there, its size, and when it was last changed, or its checksum.
    read: reads one in an archive. frame: which of the file's pictures it is, if it has several.
    """

    path: Path
    key: str
    stamp: tuple[str, int, int]
    folder: str | None = None
    about: About | None = None
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)
    frame: int | None = None

    @property
    def name(self) -> str:
        """The file's name, and which of its pictures it is, if it has several."""
        return self.stamp[0] if self.frame is None else f"{self.stamp[0]}#{self.frame}"

    def content(self) -> Path | IO[bytes]:
        """What a decoder opens. Raises what a damaged archive raises."""
        return self.path if self.read is None else io.BytesIO(self.read())


@dataclass
class Listing:
    """What a walk through a folder or an archive found.

    unused: files by the reason why they are not even tried. notes: what was assumed, in words for the user.
    members: of an archive. tables: files that may be tables about the pictures; columns: of a table that holds the pictures
    themselves. class_names: of labels that are numbers. plain: folders that are no classes.
    candidates: files that may stand beside a picture, with their paths below the root; beside: those that do, by the
    picture's path.
    """

    files: list[File] = field(default_factory=list)
    metadata: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unused: Counter[tuple[str, bool]] = field(default_factory=Counter)
    folders: set[tuple[str, ...]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    members: dict[Path, Member] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)
    candidates: list[tuple[Path, str]] = field(default_factory=list)
    beside: dict[Path, list[Path]] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    columns: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    def read(self, path: Path) -> bytes:
        """A file's bytes. Raises GanvasError if it cannot be read."""
        member = self.members.get(path)
        if member is None:
            return read_file(path)
        must_fit(8 * member.size, f"{path}")
        try:
            return member.read()
        except Exception as error:  # zipfile, tarfile and zlib each raise their own
            raise GanvasError(f"{path} cannot be read: {error}.", "Is the download complete?") from error

    def stamp(self, path: Path) -> tuple[str, int, int]:
        """What tells that a file has changed."""
        if member := self.members.get(path):
            return str(path), member.size, member.stamp
        facts = path.stat()
        return str(path), facts.st_size, facts.st_mtime_ns

    def stamps(self) -> list[tuple[str, int, int]]:
        """What tells that metadata have changed."""
        beside = {path for paths in self.beside.values() for path in paths}
        return [self.stamp(path) for path in (*self.metadata, *self.tables, *sorted(beside))]

    def note_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def leave(self, reason: str, num: int = 1, *, pictures: bool = False) -> None:
        """Counts files that are not used."""
        if num:
            self.unused[reason, pictures] += num

    @property
    def others(self) -> int:
        """How many files there are of other kinds than pictures and metadata."""
        return sum(num for (reason, _), num in self.unused.items() if reason.startswith("of another kind"))

    def left(self) -> list[Unused]:
        return [Unused(reason, num, pictures) for (reason, pictures), num in sorted(self.unused.items())]


def skip(path: Path, root: Path, why: str) -> Skipped:
    """With the path below the folder, in characters that can be printed."""
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    return Skipped(printable(str(inner)), why)


def printable(name: str) -> str:
    """A file's name in characters that can be printed."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in name)
