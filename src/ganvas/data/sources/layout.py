"""How a folder of pictures is laid out: which folders are splits, which are classes, and what becomes of every file."""

import functools
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ganvas.data.sources.beside import KINDS as BESIDE
from ganvas.data.sources.beside import settle
from ganvas.data.sources.listing import File, Listing, skip
from ganvas.data.sources.metadata import LABELS, NAMES, is_labels, normal
from ganvas.data.sources.plugins import PLUGINS, missing
from ganvas.data.sources.tables import LARGEST, is_table

EXTENSIONS = frozenset(
    f".{kind}"
    for kind in (
        *("png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
        *("tga", "jp2", "avif", "ico", "psd"),
    )
)
UNREAD_PICTURES = frozenset(
    f".{kind}" for kind in ("svg", "exr", "hdr", "cr2", "cr3", "nef", "arw", "dng", "raf", "orf")
)
UNREAD_METADATA = ("metadata.parquet", "metadata.json")
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

_NUMBERED = re.compile(r"(?:img)?(\d{5,})")
_BUCKET = re.compile(r"\d{5}")


def walk(root: Path) -> Listing:
    """Every file below `root`, in the order of names. Each file is in `files`, `metadata`, `skipped` or `unused`."""
    found = Listing()

    def unreadable(error: OSError) -> None:
        found.skipped.append(skip(Path(error.filename), root, error.strerror or str(error)))

    for place, folders, names in os.walk(root, onerror=unreadable):
        here = Path(place)
        parts = here.relative_to(root).parts
        why = next(filter(None, map(left_out, parts)), None)
        if why:
            found.leave(why, len(names))
            continue
        for name in [n for n in folders if (here / n).is_symlink()]:
            found.skipped.append(skip(here / name, root, "a link to a folder, which is not followed"))
        folders[:] = sorted(n for n in folders if not (here / n).is_symlink())
        found.folders |= {(*parts, name) for name in folders if not left_out(name)}
        for name in sorted(names):
            path = here / name
            classify(found, path, root, "/".join((*parts, name)), functools.partial(_facts, path, root))
    settle(found)
    return found


def left_out(name: str) -> str | None:
    """Why a folder is not looked into."""
    return "hidden" if name[0] == "." else SYSTEM_FOLDERS.get(name)


Facts = tuple[int, int] | str
"""A file's size, and when it was last changed or its checksum; or the reason not to open it."""


def classify(found: Listing, path: Path, root: Path, name: str, facts_of: Callable[[], Facts]) -> None:
    """Puts a file where it belongs. name: the path below the root. facts_of: is asked for pictures and metadata."""
    kind = path.suffix.lower()
    if path.name[0] == ".":
        found.leave("hidden")
    elif path.name in (*NAMES, LABELS):
        if path in found.members and isinstance(facts := facts_of(), str):
            found.skipped.append(skip(path, root, facts))
        elif path.name == LABELS and not is_labels(path, found.read(path)):
            found.leave("of another kind (dataset.json without labels)")
        else:
            found.metadata.append(path)
    elif path.name in UNREAD_METADATA:
        found.skipped.append(skip(path, root, f"only {' and '.join(reversed(NAMES))} are read"))
    elif is_table(path.name):
        facts = facts_of()
        if isinstance(facts, str):
            found.skipped.append(skip(path, root, facts))
        elif facts[0] > LARGEST:
            found.leave(f"a table above {LARGEST // 2**20} MB ({path.name})")
        else:
            found.tables.append(path)
    elif kind in BESIDE:
        if isinstance(facts := facts_of(), str):
            found.leave(f"of another kind ({kind})")
        else:
            found.candidates.append((path, name))
    elif why := missing(kind):
        found.skipped.append(skip(path, root, why))
    elif kind in UNREAD_PICTURES:
        found.skipped.append(skip(path, root, f"{kind[1:].upper()} pictures are not read: convert them to PNG or JPEG"))
    elif kind not in EXTENSIONS and kind not in PLUGINS:
        found.leave(f"of another kind ({kind or 'no extension'})")
    elif isinstance(facts := facts_of(), str):
        found.skipped.append(skip(path, root, facts))
    else:
        member = found.members.get(path)
        found.files.append(File(path, normal(name), (name, *facts), read=None if member is None else member.read))


def _facts(path: Path, root: Path) -> Facts:
    """Of a file on disk."""
    try:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            if not path.resolve(strict=True).is_relative_to(root):
                return "a link that leads out of the folder"
            facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # opening a pipe would block
            return "not a regular file"
        return (facts.st_size, facts.st_mtime_ns) if facts.st_size else "the file is empty"
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
    labelled = any(path.name == LABELS for path in listing.metadata)
    named = "" if labelled else buckets(listing.files)
    if labelled:
        listing.notes.append(f"Labels are those of {LABELS}; folders are no classes.")
    elif named:
        listing.notes.append(f"The folders {named} only divide the pictures into thousands: they are no classes.")
    plain = labelled or bool(named)
    if not kinds:
        return [[replace(f, folder=None if plain else _class(_folders(f), listing)) for f in listing.files]]
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
            parts[kind].append(replace(f, folder=None if plain else _class(folders[len(base) + 1 :], listing)))
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


def buckets(files: Sequence[File]) -> str:
    """The folders that only number the pictures, in words, if all do so: 00000/img00000000.png as StyleGAN's tool writes
    them, or 01000/01234.png as those of FFHQ; else ""."""
    names: set[str] = set()
    for f in files:
        number, folder = _NUMBERED.fullmatch(f.path.stem), _last(_folders(f)) or ""
        if number is None or not _BUCKET.fullmatch(folder):
            return ""
        index = int(number[1])
        if int(folder) not in (index // 1000, index - index % 1000):
            return ""
        names.add(folder)
    first = sorted(names)
    return ", ".join(first[:2]) + (" ..." if len(first) > 2 else "") if len(first) > 1 else ""


def _folders(f: File) -> tuple[str, ...]:
    return tuple(f.stamp[0].split("/")[:-1])


def _class(folders: Sequence[str], listing: Listing) -> str | None:
    """The folder that may be a picture's class."""
    last = _last(folders)
    return None if last in listing.plain else last


def _last(folders: Sequence[str]) -> str | None:
    return folders[-1] if folders else None
