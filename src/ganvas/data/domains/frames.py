"""Files of several pictures: animations, and pages of a TIFF file."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PIL import Image

from ganvas.data.domains.image_files import ImageOptions, Pixels, convert, opened, prepared

SEVERAL = frozenset(("GIF", "PNG", "WEBP", "AVIF", "TIFF"))
"""Formats whose further pictures are of the same kind. Those of MPO are a preview or a depth map, those of ICO other sizes,
and those of PSD layers."""

REDUCED = 254
"""TIFF's tag whose lowest bit says that a page shows another one at a lower resolution."""


def has_several(image: Image.Image) -> bool:
    """Whether an opened file has more than one picture."""
    return image.format in SEVERAL and bool(getattr(image, "is_animated", False))


def num_frames(file: Path | IO[bytes]) -> int:
    """How many pictures a file has."""
    with opened(file) as image:
        return max(1, sum(1 for _ in places(image))) if has_several(image) else 1


def frames(file: Path | IO[bytes], options: ImageOptions, deep_peaks: list[float], animated: list[int]) -> list[Pixels]:
    """The pictures of a file, in order, each uint8 (C, H, W): all if `options` say so, else the first.

    animated: takes the number of pictures of a file that has several. Raises whatever Pillow does on a damaged one.
    """
    with opened(file) as image:
        several = has_several(image)
        if not (several and options.frames):
            found = [convert(prepared(image, options), options, deep_peaks)]
        else:
            found: list[Pixels] = []
            for place in list(places(image)) or [0]:
                image.seek(place)
                found.append(convert(prepared(image.copy(), options), options, deep_peaks))
    if several:
        animated.append(len(found))
    return found


def places(image: Image.Image) -> Iterator[int]:
    """The numbers of a file's pictures. The picture that is shown instead of an animated PNG is none of its frames, and a
    page of a TIFF file that shows another one at a lower resolution is no picture of its own."""
    first = 1 if image.format == "PNG" and getattr(image, "default_image", False) else 0
    for place in range(first, getattr(image, "n_frames", 1)):
        if image.format == "TIFF":
            image.seek(place)
            if int(getattr(image, "tag_v2", {}).get(REDUCED, 0)) & 1:
                continue
        yield place
