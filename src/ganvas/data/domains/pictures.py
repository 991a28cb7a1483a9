"""Output files: grids, pairs of rows, folders, films, arrays."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.data import DataInfo, picture, to_uint8
from ganvas.errors import GanvasError

PAIR_COLUMNS = 16


def beside(x: Tensor, reconstruction: Tensor, columns: int = PAIR_COLUMNS) -> Tensor:
    """Rows of `columns` originals, each above the row of their reconstructions. Points stay as they are: one set."""
    if x.dim() != 4:
        return reconstruction
    columns = min(columns, len(x))
    blank = x.new_ones((-len(x) % columns, *x.shape[1:]))  # fill the last row with white
    x, reconstruction = torch.cat([x, blank]), torch.cat([reconstruction, blank])
    rows = [row for pair in zip(x.split(columns), reconstruction.split(columns), strict=True) for row in pair]
    return torch.cat(rows)


def save_picture(x: Tensor, out: Path, info: DataInfo, columns: int | None = None) -> Path:
    if out.suffix.lower() not in Image.registered_extensions():
        raise GanvasError(f"{out} has no suffix of a picture format.", "For example: --out grid.png")
    with writing(out):
        image = picture(x, columns=columns, info=info)
        grey = x.dim() == 4 and x.shape[1] == 1
        # Compression level 4 takes half the time of the usual 6; the file is a thirtieth larger.
        (image.convert("L") if grey else image).save(out, compress_level=4)
    return out


def save_folder(x: Tensor, out: Path) -> Path:
    with writing(out / "0"):
        for number, image in enumerate(to_arrays(x)):
            Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(out / f"{number:06d}.png")
    return out


def save_arrays(out: Path, **arrays: np.ndarray[Any, Any]) -> Path:
    if out.suffix != ".npz":
        raise GanvasError(f"{out} should end in .npz.", "For example: --out codes.npz")
    with writing(out):
        np.savez_compressed(out, **arrays)  # pyright: ignore[reportArgumentType]
    return out


def to_arrays(x: Tensor) -> np.ndarray[Any, Any]:
    """Images as uint8 (N, H, W, C); points as they are."""
    return to_uint8(x).permute(0, 2, 3, 1).contiguous().numpy() if x.dim() == 4 else x.numpy()


def save_film(x: Tensor, out: Path, info: DataInfo) -> Path:
    """The pictures forwards and backwards, as an endless GIF."""
    frames = [picture(frame.unsqueeze(0), info=info) for frame in (*x, *x.flip(0)[1:-1])]
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
