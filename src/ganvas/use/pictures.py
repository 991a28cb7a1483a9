"""A user's pictures as input of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from ganvas.data import ImageOptions, open_data
from ganvas.data.domains.rest import awake
from ganvas.data.whole import whole
from ganvas.errors import GanvasError


def load_images(
    paths: str | Path | Sequence[str | Path],
    *,
    size: int | None = None,
    crop: Literal["center", "none"] = "center",
    channels: int | None = None,
    white: int | None = None,
) -> Tensor:
    """Pictures as float (N, C, H, W) in [-1, 1], in the order of the list; a folder's in the order of names.

    size, crop, channels, white: see `ImageOptions`. `run.encode(ganvas.load_images(files, size=64))` encodes files.
    Raises GanvasError if a picture cannot be read, or if they differ in size and no size is given.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    if not listed:
        raise GanvasError("The list of files is empty.")
    missing = [path for path in listed if not Path(path).expanduser().exists()]
    if missing:
        raise GanvasError(f"There is no file {missing[0]}.")
    data = open_data(
        [Path(path) for path in listed], ImageOptions(size=size, crop=crop, channels=channels, white=white)
    )
    if data.skipped:
        raise GanvasError(f"{data.skipped[0].path} cannot be read: {data.skipped[0].reason}.")
    return awake(whole(data)[0].x)
