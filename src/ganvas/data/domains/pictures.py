"""Output files: grids, pairs of rows, folders, films, arrays."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ganvas.data.dataset import DataInfo
from ganvas.data.domains.domain import Images
from ganvas.errors import GanvasError, option

PAIR_COLUMNS = 16


def save_picture(x: Tensor, out: Path, info: DataInfo, columns: int | None = None) -> Path:
    if out.suffix.lower() not in Image.registered_extensions():
        raise GanvasError(f"{out} has no suffix of a picture format.", f"For example: {option('out', 'grid.png')}")
    with writing(out):
        # Compression level 4 takes half the time of the usual 6; the file is a thirtieth larger.
        info.domain.picture(x, columns).save(out, compress_level=4)
    return out


def save_folder(x: Tensor, out: Path, info: DataInfo) -> Path:
    """One file an example, in a new or empty folder. GanvasError if examples are no pictures."""
    if out.is_dir() and any(out.iterdir()):
        raise GanvasError(
            f"The folder {out} has files already; new ones would be mixed with them.",
            f"Name a new folder: {option('out', 'FOLDER')}",
        )
    images = Images(x.shape[1:]).arrays(info.domain.pixels(x))["images"]
    with writing(out / "0"):
        for number, image in enumerate(images):
            Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(out / f"{number:06d}.png")
    return out


def save_arrays(out: Path, **arrays: np.ndarray[Any, Any]) -> Path:
    if out.suffix != ".npz":
        raise GanvasError(f"{out} should end in .npz.", f"For example: {option('out', 'codes.npz')}")
    with writing(out):
        np.savez_compressed(out, **arrays)  # pyright: ignore[reportArgumentType]
    return out


def save_film(x: Tensor, out: Path, info: DataInfo) -> Path:
    """The pictures forwards and backwards, as an endless GIF."""
    frames = [info.domain.picture(frame.unsqueeze(0)) for frame in (*x, *x.flip(0)[1:-1])]
    factor = max(1, 256 // frames[0].width)
    frames = [f.resize((f.width * factor, f.height * factor), Image.Resampling.NEAREST) for f in frames]
    with writing(out):
        frames[0].save(out, save_all=True, append_images=frames[1:], duration=80, loop=0)
    return out


@contextmanager
def writing(out: Path) -> Generator[None]:
    """Creates the parent folder of `out`. Turns a write error into a GanvasError."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, ValueError) as error:
        raise GanvasError(f"{out} cannot be written: {error}.") from error
