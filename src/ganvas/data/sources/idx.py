"""`idx:DIR`: MNIST's four files, and what is distributed in the same form."""

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from torch import Tensor

from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.labels import numbered
from ganvas.data.sources.depth import Depth, depth_of_numbers
from ganvas.data.sources.splits import keep_rows
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(directory: str, options: ImageOptions, limit: int | None = None) -> Data:
    """The train files for training and the t10k files held out; images uint8 (N, 1, H, W), the classes numbered.

    The files may end in .gz. LeCun, Cortes & Burges, "The MNIST database of handwritten digits". Raises GanvasError
    when a file is missing or damaged.
    """
    folder = Path(directory).expanduser()
    if not folder.is_dir():
        raise GanvasError(f"There is no folder {folder}.", f"`idx:` reads a folder that holds {', '.join(_FILES)}.")
    parts = [read_idx(_find(folder, name)) for name in _FILES]
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
    data = gather(f"idx:{directory}", train, held_out, classes=classes)
    return replace(data, white=depth.white, notes=tuple(depth.notes))


def scaled(folder: Path, images: Tensor, white: int | None) -> Tensor:
    """Images uint8 whose white is `white`, with white at 255. GanvasError for larger values."""
    if white is None or white >= 255:
        return images
    if (high := int(images.max())) > white:
        raise GanvasError(f"The images in {folder} have values up to {high}, above the white {white}.")
    return images.mul(255 / white).round().to(torch.uint8)


def read_idx(path: Path) -> Tensor:
    """The array in an IDX file of unsigned bytes. Raises GanvasError for other files, or an incomplete one."""
    try:
        with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as stream:
            return _read(path, stream)
    except (OSError, EOFError, zlib.error) as error:
        raise GanvasError(f"{path} cannot be read: {error}.", "Is the download complete?") from error


def _read(path: Path, stream: IO[bytes]) -> Tensor:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
        raise GanvasError(f"{path} is not an IDX file of unsigned bytes.", "Such a file starts with the bytes 0, 0, 8.")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise GanvasError(f"{path} ends within its header.", "Is the download complete?")
    shape = [int(n) for n in np.frombuffer(header, dtype=">u4")]
    size = math.prod(shape)
    if not size:
        raise GanvasError(f"{path} is empty: its header says {'x'.join(map(str, shape))}.")
    # Deflate shrinks at most to 1/1032: a header that claims more is damaged, and gets no memory.
    possible = size <= 1032 * path.stat().st_size
    if possible:
        must_fit(2 * size, f"{path}")
    content = stream.read(size + 1) if possible else b""
    if len(content) != size:
        found = "more" if len(content) > size else "less"
        raise GanvasError(
            f"{path} is damaged: its header says {'x'.join(map(str, shape))} bytes, and it holds {found}.",
            "Is the download complete?",
        )
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).reshape(shape).copy())


def _find(folder: Path, name: str) -> Path:
    candidates = [folder / name, folder / f"{name}.gz"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise GanvasError(f"{folder} lacks {name} (or {name}.gz).", f"`idx:` reads {', '.join(_FILES)}.")


def _split(folder: Path, images: Tensor, labels: Tensor, options: ImageOptions, limit: int | None) -> Split:
    if images.dim() != 3 or labels.dim() != 1 or len(images) != len(labels):
        raise GanvasError(
            f"The files in {folder} do not belong together: images {tuple(images.shape)}, labels {tuple(labels.shape)}."
        )
    rows = keep_rows(len(images), limit)
    return adapt(Split(images[rows][:, None], labels[rows].long()), replace(options, white=None))
