"""Members of an archive become a listing as a folder's files do. Names that could harm are skipped."""

import re
from pathlib import Path

from ganvas.data.sources.layout import classify, left_out
from ganvas.data.sources.listing import Listing, Member, skip

LARGEST_MEMBER = 2**26
"""Bytes of one file in an archive; larger ones are skipped, because several are in memory at once."""

DRIVE = re.compile("[A-Za-z]:")
"""The first part of an absolute path on Windows."""


class Entering:
    """Takes an archive's members in their order. root: the archive, under which they stand in messages."""

    def __init__(self, root: Path) -> None:
        self.root, self.listing, self.seen = root, Listing(), set[str]()

    def folder(self, name: str) -> None:
        folders = tuple(part for part in name.split("/") if part)
        if not any(map(left_out, folders)):
            self.listing.folders |= {folders[:depth] for depth in range(1, len(folders) + 1)}

    def file(self, name: str, member: Member) -> None:
        """Puts a member into `files`, `metadata`, `skipped` or `unused`. name: its path in the archive."""
        parts, found = tuple(name.split("/")), self.listing
        if any(part in ("", "..") for part in parts) or DRIVE.fullmatch(parts[0]) or "\0" in name:
            found.skipped.append(skip(self.root / "_".join(parts), self.root, "its path leads out of the archive"))
            return
        if why := next(filter(None, map(left_out, parts[:-1])), None):
            found.leave(why)
            return
        path = self.root.joinpath(*parts)
        if name in self.seen:
            found.skipped.append(skip(path, self.root, "a second entry of this name"))
            return
        self.seen.add(name)
        found.folders |= {parts[:depth] for depth in range(1, len(parts))}
        found.members[path] = member
        classify(found, path, self.root, name, lambda: member.unfit or (member.size, member.stamp))


def inner_name(name: str) -> str:
    """A member's path, as Windows programs write it, too, and without a leading "./"."""
    return name.replace("\\", "/").removeprefix("./")
