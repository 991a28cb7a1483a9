"""Files beside a picture that hold its label or its caption, by the conventions of WebDataset."""

import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ganvas.data.sources.columns import Columns
from ganvas.data.sources.listing import File, Listing
from ganvas.data.sources.metadata import About
from ganvas.errors import GanvasError

KINDS = frozenset((".txt", ".caption", ".cls", ".json"))

READ = "a label or caption beside a picture, which was read"

NUMBERS = re.compile(r"[\d\s.,;:eE+-]*")


def settle(found: Listing, *, samples: bool = False) -> None:
    """Decides which of `found.candidates` stand beside a picture of their name; the others are of another kind.

    A name ends at the first dot of its last part, as WebDataset has it, or before its last extension. samples: whether
    pictures that share their name with such a file are one sample, of which one picture is used.
    """
    if not found.candidates:
        return
    by_name: dict[str, list[File]] = {}
    for f in found.files:
        for name in names(f.stamp[0]):
            by_name.setdefault(name, []).append(f)
    shared: set[str] = set()
    for path, name in found.candidates:
        owners = next((by_name[key] for key in names(name) if key in by_name), [])
        if owners:
            found.leave(READ)
            shared.add(names(name)[-1])
        else:
            found.leave(f"of another kind ({path.suffix.lower()})")
        for owner in owners:
            found.beside.setdefault(owner.path, []).append(path)
    found.candidates.clear()
    if samples:
        one_picture_each(found, shared)


def names(inner: str) -> list[str]:
    """The names by which a file's path belongs to others: without its last extension, and without all of them."""
    folder, slash, last = inner.rpartition("/")
    return [
        f"{folder}{slash}{name}" for name in dict.fromkeys((last.rpartition(".")[0], last.partition(".")[0])) if name
    ]


def one_picture_each(found: Listing, shared: set[str]) -> None:
    """Keeps one picture of each sample: that whose extension most samples have. shared: names of samples."""
    groups: dict[str, list[File]] = {}
    for f in found.files:
        if (name := names(f.stamp[0])[-1]) in shared:
            groups.setdefault(name, []).append(f)
    usual = Counter(extension(f) for group in groups.values() for f in group)
    left: set[Path] = set()
    for group in groups.values():
        first = min(group, key=lambda f: (-usual[extension(f)], "." in extension(f), extension(f)))
        for f in group:
            if f is not first:
                found.leave(f"a further picture of a sample (.{extension(f)})", pictures=True)
                left.add(f.path)
    found.files = [f for f in found.files if f.path not in left]


def extension(f: File) -> str:
    """All of a name behind its first dot."""
    return f.path.name.partition(".")[2].lower()


def about_beside(found: Listing, f: File, columns: Columns) -> About | None:
    """What the files beside a picture say of it."""
    label, text = None, None
    for path in sorted(found.beside.get(f.path, ())):
        content = found.read(path).decode("utf-8-sig", "replace").strip()
        if path.suffix.lower() == ".json":
            row = as_object(content)
            own_label, own_text = columns.label_in(row), columns.caption_in(row)
            label = own_label if label is None else label
            text = own_text if text is None else text
        elif path.suffix.lower() == ".cls":
            label = int(content) if re.fullmatch(r"-?\d{1,9}", content) else content or None
        elif NUMBERS.fullmatch(content):
            found.note_once("Files beside the pictures that hold only numbers (.txt) are no captions.")
        else:
            text = content
    return (
        None
        if label is None and text is None
        else About(f"the files beside {PurePosixPath(f.stamp[0]).name}", text, label)
    )


def as_object(content: str) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        row = json.loads(content)
    except (ValueError, RecursionError, GanvasError):
        return {}
    return cast(dict[str, Any], row) if isinstance(row, dict) else {}
