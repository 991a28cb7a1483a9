"""`idx:DIR`: MNIST's four files, and what is distributed in the same form."""

import gzip
import io
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from torch import Tensor

from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.labels import numbered
from ganvas.data.sources.depth import Depth, depth_of_numbers
from ganvas.data.sources.forms import Form, Stored, on_disk
from ganvas.data.sources.points import no_tables
from ganvas.data.sources.splits import keep_rows
from ganvas.errors import GanvasError, command
from ganvas.machine.memory import must_fit

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_NAME = re.compile(
    r"(?:(?P<set>[a-z0-9_-]+?)-)?(?P<split>train|t10k|test)-(?P<kind>images|labels)[-.]idx\d-(?:ubyte|int)(?:\.gz)?"
)
"""A name of IDX files: MNIST's have no set, those of EMNIST and QMNIST begin with it."""

KINDS = {8: "u1", 12: ">i4"}
"""The kinds of numbers by the third byte of a file."""

QMNIST = 8
"""Numbers of each of QMNIST's labels, of which the first is the class. Yadav & Bottou 2019."""

_MAPPING = re.compile(r"(?P<set>[a-z0-9_-]+)-mapping\.txt")


@dataclass(frozen=True)
class _Set:
    """The files of one data set. name: "" for MNIST's own. mapping: EMNIST's file of the classes' letters."""

    name: str
    files: dict[tuple[str, str], Stored]
    mapping: Stored | None = None

    @property
    def whole(self) -> bool:
        return len(self.files) == 4

    @property
    def missing(self) -> str:
        """MNIST's name of the first file that is missing."""
        prefix = f"{self.name}-" if self.name else ""
        kinds = (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels"))
        return prefix + next(name for kind, name in zip(kinds, _FILES, strict=True) if kind not in self.files)


def idx(directory: str, options: ImageOptions, limit: int | None = None) -> Data:
    """The train files for training and the t10k or test files held out; images uint8 (N, 1, H, W), the classes numbered.

    directory: the folder; one that holds several sets, as EMNIST's does, is followed by the set: emnist/emnist-letters.
    The files may end in .gz. EMNIST's pictures, which are stored on their side, are turned. LeCun, Cortes & Burges, "The
    MNIST database of handwritten digits". Raises GanvasError when a file is missing or damaged.
    """
    folder, wanted = Path(directory).expanduser(), None
    if not folder.is_dir() and folder.parent.is_dir():
        folder, wanted = folder.parent, folder.name
    names = ", ".join(_FILES)
    if not folder.is_dir():
        raise GanvasError(f"There is no folder {folder}.", f"`idx:` reads a folder that holds {names}.")
    sets = _sets([on_disk(path, path.name) for path in sorted(folder.iterdir()) if path.is_file()])
    if wanted is not None and wanted not in sets:
        raise GanvasError(f"There is no folder {folder / wanted}.", f"`idx:` reads a folder that holds {names}.")
    if wanted is None and len(sets) > 1 and "" not in sets:
        first = command("data", f"idx:{folder / next(iter(sets))}")
        raise GanvasError(f"{folder} holds several sets: {', '.join(sets)}.", f"Name one: {first}")
    chosen = sets.get(wanted or "") or next(iter(sets.values()), _Set("", {}))
    return _read_set(f"idx:{directory}", folder, chosen, options, limit)


def _sets(files: Sequence[Stored]) -> dict[str, _Set]:
    """The sets among files, by their names."""
    found: dict[str, _Set] = {}
    for file in files:
        if match := _NAME.fullmatch(file.last):
            split = "train" if match["split"] == "train" else "test"
            known = found.setdefault(match["set"] or "", _Set(match["set"] or "", {}))
            known.files.setdefault((split, match["kind"]), file)
    for file in files:
        if (match := _MAPPING.fullmatch(file.last)) and match["set"] in found:
            found[match["set"]] = replace(found[match["set"]], mapping=file)
    return found


def idx_files(files: Sequence[Stored]) -> list[Stored]:
    """The files of the sets in a folder; of a file that is named alone, the file."""
    return [f for f in files if _NAME.fullmatch(f.last) or _MAPPING.fullmatch(f.last)] if _sets(files) else []


def idx_form(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """A folder or archive that holds a set of IDX files, or one such file with the others beside it."""
    no_tables(source, options)
    if root.is_file() and files[0].read is None:  # one file, not an archive
        wanted = next(iter(_sets(files).values()), _Set("", {})).name
        files = [on_disk(path, path.name) for path in sorted(root.parent.iterdir()) if path.is_file()]
        sets = {name: found for name, found in _sets(files).items() if name == wanted}
    else:
        sets = _sets(files)
    if len(sets) > 1:
        hint = f"Name a file of the set: {next(iter(sets.values())).files.popitem()[1].name}"
        raise GanvasError(f"{source} holds several sets: {', '.join(name or 'MNIST' for name in sets)}.", hint)
    return _read_set(source, root, next(iter(sets.values())), options, limit)


def _read_set(source: str, folder: Path, chosen: _Set, options: ImageOptions, limit: int | None) -> Data:
    if not chosen.whole:
        missing = chosen.missing
        raise GanvasError(f"{folder} lacks {missing} (or {missing}.gz).", f"`idx:` reads {', '.join(_FILES)}.")
    kinds = (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels"))
    parts = [read_idx(chosen.files[kind]) for kind in kinds]
    parts[1], parts[3] = (y[:, 0] if y.dim() == 2 and y.shape[1] == QMNIST else y for y in (parts[1], parts[3]))
    notes: list[str] = []
    if chosen.name.startswith("emnist"):
        parts[0], parts[2] = (x.swapaxes(1, 2) if x.dim() == 3 else x for x in (parts[0], parts[2]))
        notes.append("EMNIST's pictures are stored on their side, and were turned.")
    depth = Depth()
    if options.split_by != "name":  # version 0.1.0 told no white
        high = max(int(parts[i].max()) for i in (0, 2))
        depth = depth_of_numbers(options.white, high, [np.dtype(np.uint8)])
        parts[0], parts[2] = (scaled(folder, parts[i], depth.white) for i in (0, 2))
        depth.check_range([parts[0], parts[2]])
    train, held_out = (
        _split(folder, images, labels, options, limit)
        for images, labels in ((parts[0], parts[1]), (parts[2], parts[3]))
    )
    assert train.y is not None and held_out.y is not None
    labels, classes = numbered([train.y, held_out.y])
    if options.split_by == "name":  # version 0.1.0 had a class for every number up to the largest
        labels, classes = [train.y, held_out.y], [str(i) for i in range(int(max(parts[1].max(), parts[3].max())) + 1)]
    train, held_out = replace(train, y=labels[0]), replace(held_out, y=labels[1])
    letters = _letters(chosen.mapping)
    data = gather(source, train, held_out, classes=[letters.get(name, name) for name in classes])
    return replace(data, white=depth.white, notes=(*notes, *depth.notes))


def _letters(mapping: Stored | None) -> dict[str, str]:
    """EMNIST's classes: the letters by the labels. A line holds a label, and the codes of one or more characters."""
    found: dict[str, str] = {}
    for line in [] if mapping is None else mapping.content().decode("ascii", "replace").split("\n"):
        numbers = line.split()
        if len(numbers) >= 2 and all(number.isdigit() and int(number) < 128 for number in numbers):
            found[numbers[0]] = "/".join(chr(int(number)) for number in numbers[1:])
    return found


def scaled(folder: Path, images: Tensor, white: int | None) -> Tensor:
    """Images uint8 whose white is `white`, with white at 255. GanvasError for larger values."""
    if white is None or white >= 255:
        return images
    if (high := int(images.max())) > white:
        raise GanvasError(f"The images in {folder} have values up to {high}, above the white {white}.")
    return images.mul(255 / white).round().to(torch.uint8)


def read_idx(file: Stored) -> Tensor:
    """The array in an IDX file of bytes, uint8, or of 32-bit numbers. GanvasError for other files, or incomplete ones."""
    path = file.path
    try:
        stored = io.BytesIO(file.content()) if file.read else path.open("rb")
        with cast(IO[bytes], gzip.GzipFile(fileobj=stored) if file.last.endswith(".gz") else stored) as stream:
            return _read(path, stream, file.size)
    except (OSError, EOFError, zlib.error) as error:
        raise GanvasError(f"{path} cannot be read: {error}.", "Is the download complete?") from error


def _read(path: Path, stream: IO[bytes], stored: int) -> Tensor:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in KINDS or not 1 <= magic[3] <= 4:
        raise GanvasError(f"{path} is not an IDX file of unsigned bytes.", "Such a file starts with the bytes 0, 0, 8.")
    kind = np.dtype(KINDS[magic[2]])
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise GanvasError(f"{path} ends within its header.", "Is the download complete?")
    shape = [int(n) for n in np.frombuffer(header, dtype=">u4")]
    size = math.prod(shape) * kind.itemsize
    if not size:
        raise GanvasError(f"{path} is empty: its header says {'x'.join(map(str, shape))}.")
    # Deflate shrinks at most to 1/1032: a header that claims more is damaged, and gets no memory.
    possible = size <= 1032 * stored
    if possible:
        must_fit(2 * size, f"{path}")
    content = stream.read(size + 1) if possible else b""
    if len(content) != size:
        found = "more" if len(content) > size else "less"
        raise GanvasError(
            f"{path} is damaged: its header says {'x'.join(map(str, shape))} bytes, and it holds {found}.",
            "Is the download complete?",
        )
    array = np.frombuffer(content, dtype=kind).reshape(shape)
    return torch.from_numpy(array.astype(np.uint8 if kind.itemsize == 1 else np.int32))


def _split(folder: Path, images: Tensor, labels: Tensor, options: ImageOptions, limit: int | None) -> Split:
    if images.dim() != 3 or labels.dim() != 1 or len(images) != len(labels):
        raise GanvasError(
            f"The files in {folder} do not belong together: images {tuple(images.shape)}, labels {tuple(labels.shape)}."
        )
    rows = keep_rows(len(images), limit)
    return adapt(Split(images[rows][:, None], labels[rows].long()), replace(options, white=None))


IDX_FORM = Form(idx_files, idx_form)
