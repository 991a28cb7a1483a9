"""Files of pictures, decoded on all cores."""

import math
import os
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TypeVar

import torch

from ganvas.data.dataset import Skipped
from ganvas.data.domains.frames import frames, num_frames
from ganvas.data.domains.image_files import ImageOptions, check_memory, check_one_size, measure, reason, stack
from ganvas.data.sources import cache
from ganvas.data.sources.listing import File, skip

T = TypeVar("T")

PIECE = 2_048
"""Number of files decoded between two updates of the progress bar."""


@dataclass
class Decoded:
    """The files of each split that could be decoded, and the others. pictures: uint8 (n, C, H, W), in pieces.

    deep_peaks: the largest value of each picture of 16 bits. animated: the numbers of pictures taken from each file that
    has several.
    """

    splits: list[list[File]] = field(default_factory=list)
    pictures: list[torch.Tensor] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    deep_peaks: list[float] = field(default_factory=list)
    animated: list[int] = field(default_factory=list)

    def notes(self, options: ImageOptions) -> list[str]:
        """What was done with files that have several pictures."""
        num = len(self.animated)
        files = "1 file has" if num == 1 else f"{num:,} files have"
        if not num:
            return []
        if options.frames:
            return [f"{files} several pictures, {sum(self.animated):,} in all. Those of a file are in one split."]
        return [f"{files} several pictures, as frames or pages. The first was taken; to take all, set frames."]


def decoded(splits: Sequence[Sequence[File]], options: ImageOptions, root: Path) -> Decoded:
    """The pictures of all splits. GanvasError if the pages of files differ in size and `options` set none."""
    found = Decoded()
    with _progress(sum(map(len, splits))) as advance:
        for files in splits:
            good: list[File] = []
            for start in range(0, len(files), PIECE):
                piece = files[start : start + PIECE]
                part, several, bad = _each(
                    piece, lambda f: frames(f.content(), options, found.deep_peaks, found.animated), root
                )
                pictures = [picture for each in several for picture in each]
                if options.frames and options.size is None:
                    check_one_size(str(root), [(p.shape[2], p.shape[1]) for p in pictures])
                for f, each in zip(part, several, strict=True):
                    good += [replace(f, frame=i) for i in range(len(each))] if len(each) > 1 else [f]
                found.pictures += [stack(pictures)] if pictures else []
                found.skipped += bad
                advance(PIECE)
            found.splits.append(good)
    return found


def joined(pieces: list[torch.Tensor], order: torch.Tensor) -> torch.Tensor:
    """Pieces of pictures as one uint8 (N, C, H, W), C the largest number of channels; the pieces are given up on the way.

    order: which rows of the pieces are taken, in the order in which they are wanted, int64 (N,).
    """
    channels = max(piece.shape[1] for piece in pieces)
    whole = torch.empty((len(order), channels, *pieces[0].shape[2:]), dtype=torch.uint8)
    place = torch.full((sum(map(len, pieces)),), -1)
    place[order] = torch.arange(len(order))
    while pieces:
        piece = pieces.pop(0)
        here, place = place[: len(piece)], place[len(piece) :]
        whole[here[here >= 0]] = piece[here >= 0].expand(-1, channels, -1, -1)  # grey spreads over all channels
    return whole


@contextmanager
def _progress(num: int) -> Generator[Callable[[int], None]]:
    """A function to call with the number of decoded pictures; it shows a bar on a terminal if there are many."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=num < cache.PAYS_FROM or not console.is_terminal) as bar:
        task = bar.add_task("reading pictures", total=num)
        yield lambda done: bar.advance(task, done)


def _each(files: Sequence[File], work: Callable[[File], T], root: Path) -> tuple[list[File], list[T], list[Skipped]]:
    """Runs `work` on each file in several threads. Returns successful files, their results, and failed files."""

    def attempt(file: File) -> T | Exception:
        try:
            return work(file)
        except Exception as error:  # a decoder may raise anything for a hostile file
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        outcomes = list(pool.map(attempt, files))
    good = [(f, o) for f, o in zip(files, outcomes, strict=True) if not isinstance(o, Exception)]
    bad = [skip(f.path, root, reason(o)) for f, o in zip(files, outcomes, strict=True) if isinstance(o, Exception)]
    return [f for f, _ in good], [o for _, o in good], bad


def readable(splits: list[list[File]], root: Path, options: ImageOptions) -> tuple[list[list[File]], list[Skipped]]:
    """The files that are to be decoded. GanvasError if their pictures differ in size, or do not fit into memory.

    Without a size, and with frames, it looks into each file first: ten thousand photographs do not fit into memory.
    """
    side, skipped = options.size or 0, list[Skipped]()
    if options.size is None:
        splits, sizes, skipped = _looked_at(splits, root, measure)
        check_one_size(str(root), sizes)
        side = math.ceil(math.sqrt(math.prod(sizes[0]))) if sizes else 0
    num = sum(map(len, splits))
    if options.frames:
        splits, counts, bad = _looked_at(splits, root, num_frames)
        num, skipped = sum(counts), [*skipped, *bad]
    check_memory(num, side, options.channels)
    return splits, skipped


def _looked_at(
    splits: list[list[File]], root: Path, look: Callable[[Path | IO[bytes]], T]
) -> tuple[list[list[File]], list[T], list[Skipped]]:
    """The files that could be looked at, what was seen, and the others."""
    good: list[list[File]] = []
    seen: list[T] = []
    skipped: list[Skipped] = []
    for part in splits:
        kept, results, bad = _each(part, lambda f: look(f.content()), root)
        good.append(kept)
        seen += results
        skipped += bad
    return good, seen, skipped
