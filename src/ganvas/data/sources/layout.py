"""How a folder of pictures is laid out: which folders are splits, which are classes, and what becomes of every file."""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganvas.data.dataset import Skipped, Unused
from ganvas.data.sources.metadata import NAMES, About, normal, read_metadata

EXTENSIONS = frozenset(
    f".{kind}"
    for kind in (
        *("png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
        *("tga", "jp2", "avif", "ico", "psd"),
    )
)
UNREAD_PICTURES = frozenset(
    f".{kind}" for kind in ("heic", "heif", "jxl", "svg", "exr", "hdr", "cr2", "cr3", "nef", "arw", "dng", "raf", "orf")
)
UNREAD_METADATA = ("metadata.parquet", "metadata.json", "metadata.tsv")
SYSTEM_FOLDERS = {
    "@eaDir": "thumbnails of a network disk (@eaDir)",
    "__MACOSX": "what macOS adds to archives (__MACOSX)",
    "#recycle": "deleted files (#recycle)",
    "$RECYCLE.BIN": "deleted files ($RECYCLE.BIN)",
    "System Volume Information": "the system's own files (System Volume Information)",
}
_FORMS = "(?:set|images|imgs|data|split)?"
_SPLITS = {
    "train": re.compile(f"(?:train|training){_FORMS}"),
    "validation": re.compile(f"(?:validation|valid|val|dev){_FORMS}"),
    "test": re.compile(f"(?:test|testing|eval|evaluation){_FORMS}"),
}


@dataclass(frozen=True)
class File:
    """A picture. key: its path below the root, the same on every machine. folder: the one it lies in, if a class.

    stamp: its path below the root as it is written there, its size, and when it was last changed.
    """

    path: Path
    key: str
    stamp: tuple[str, int, int]
    folder: str | None = None
    about: About | None = None


@dataclass
class Listing:
    """What a walk through the folder found. unused: files by the reason why they are not even tried."""

    files: list[File] = field(default_factory=list)
    metadata: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unused: Counter[tuple[str, bool]] = field(default_factory=Counter)
    folders: set[tuple[str, ...]] = field(default_factory=set)

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


def walk(root: Path) -> Listing:
    """Every file below `root`, in the order of names. Each file is in `files`, `metadata`, `skipped` or `unused`."""
    found = Listing()

    def unreadable(error: OSError) -> None:
        found.skipped.append(skip(Path(error.filename), root, error.strerror or str(error)))

    for place, folders, names in os.walk(root, onerror=unreadable):
        here = Path(place)
        parts = here.relative_to(root).parts
        left_out = next(filter(None, map(_left_out, parts)), None)
        if left_out:
            found.leave(left_out, len(names))
            continue
        for name in [n for n in folders if (here / n).is_symlink()]:
            found.skipped.append(skip(here / name, root, "a link to a folder, which is not followed"))
        folders[:] = sorted(n for n in folders if not (here / n).is_symlink())
        found.folders |= {(*parts, name) for name in folders if not _left_out(name)}
        for name in sorted(names):
            _file(found, here / name, root, "/".join((*parts, name)))
    return found


def _left_out(name: str) -> str | None:
    """Why a folder is not looked into."""
    return "hidden" if name[0] == "." else SYSTEM_FOLDERS.get(name)


def _file(found: Listing, path: Path, root: Path, name: str) -> None:
    """name: the path below the root."""
    kind = path.suffix.lower()
    if path.name[0] == ".":
        found.leave("hidden")
    elif path.name in NAMES:
        found.metadata.append(path)
    elif path.name in UNREAD_METADATA:
        found.skipped.append(skip(path, root, f"only {' and '.join(reversed(NAMES))} are read"))
    elif kind in UNREAD_PICTURES:
        found.skipped.append(skip(path, root, f"{kind[1:].upper()} pictures are not read: convert them to PNG or JPEG"))
    elif kind not in EXTENSIONS:
        found.leave(f"of another kind ({kind or 'no extension'})")
    elif isinstance(facts := _facts(path, root), str):
        found.skipped.append(skip(path, root, facts))
    else:
        found.files.append(File(path, normal(name), (name, facts.st_size, facts.st_mtime_ns)))


def _facts(path: Path, root: Path) -> os.stat_result | str:
    """The file's facts from the system, or the reason not to open it."""
    try:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            if not path.resolve(strict=True).is_relative_to(root):
                return "a link that leads out of the folder"
            facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # opening a pipe would block
            return "not a regular file"
        return facts if facts.st_size else "the file is empty"
    except FileNotFoundError:
        return "a broken link"
    except (OSError, RuntimeError) as error:  # a link to itself; no permission
        return (error.strerror if isinstance(error, OSError) else None) or str(error)


def split_of(name: str) -> str | None:
    """ "train", "validation" or "test", if a folder's name says so in a common form: Train, testing, val_images."""
    plain = re.sub("[ _.-]", "", name.lower())
    return next((split for split, form in _SPLITS.items() if form.fullmatch(plain)), None)


def splits(listing: Listing) -> list[list[File]]:
    """Training and held-out files, if the folder has both; else one list of what may be trained on. Each file knows its
    class's folder; what is left out is counted in `listing.unused`."""
    base, kinds = _base(listing)
    parts: dict[str, list[File]] = {"train": [], "validation": [], "test": []}
    if not kinds:
        return [[replace(f, folder=_last(_folders(f))) for f in listing.files]]
    held_out = next((kind for kind in ("validation", "test") if kind in kinds.values()), None)
    for f in listing.files:
        folders = _folders(f)
        first = folders[len(base)] if folders[: len(base)] == base and len(folders) > len(base) else ""
        kind = kinds.get(first)
        if kind is None:
            listing.leave("pictures beside the folders of the splits", pictures=True)
        elif kind not in ("train", held_out):
            listing.leave(f"a second held-out folder ({first})", pictures=True)
        else:
            parts[kind].append(replace(f, folder=_last(folders[len(base) + 1 :])))
    return [parts["train"], parts[held_out]] if held_out else [parts["train"]]


def _base(listing: Listing) -> tuple[tuple[str, ...], dict[str, str]]:
    """The folder whose folders are the splits, and which split each of these is; none if there are no splits.

    It is the whole, or the one folder that an archive put everything into. A name like "train" is a split's only if the
    other folders with pictures have such names, too, or one of them is a held-out split's: else it is a class's.
    """
    base: tuple[str, ...] = ()
    while True:
        depth = len(base)
        with_pictures = {
            path[depth] for f in listing.files if len(path := _folders(f)) > depth and path[:depth] == base
        }
        loose = any(_folders(f) == base for f in listing.files)
        there = {folder[depth] for folder in listing.folders if len(folder) == depth + 1 and folder[:depth] == base}
        kinds = {name: kind for name in there if (kind := split_of(name))}
        others = with_pictures - kinds.keys()
        if "train" in kinds.values() and (not others or len(set(kinds.values())) > 1):
            return base, kinds
        if loose or len(with_pictures) != 1:
            return (), {}
        base = (*base, *with_pictures)


def _folders(f: File) -> tuple[str, ...]:
    return tuple(f.stamp[0].split("/")[:-1])


def _last(folders: Sequence[str]) -> str | None:
    return folders[-1] if folders else None


def describe(listing: Listing, files: Iterable[File], root: Path) -> tuple[list[File], list[Skipped]]:
    """The files with what the metadata says of them, and rows without a file."""
    rows: dict[str, About] = {}
    for path in sorted(listing.metadata, key=lambda p: (len(p.parts), p)):  # the nearest metadata has priority
        rows |= read_metadata(path)
    known = {normal(f.path) for f in listing.files} | {normal(root / s.path) for s in listing.skipped}
    found = [replace(f, about=rows.get(normal(f.path))) for f in files]
    absent = [(key, about) for key, about in rows.items() if key not in known]
    return found, [skip(Path(key), root, f"named in {about.where}, but not there") for key, about in absent]


def skip(path: Path, root: Path, why: str) -> Skipped:
    """With the path below the folder, in characters that can be printed."""
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    return Skipped(printable(str(inner)), why)


def printable(name: str) -> str:
    """A file's name in characters that can be printed."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in name)
