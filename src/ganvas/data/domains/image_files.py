"""One picture of any kind to one uint8 array of a known size and number of channels."""

import math
import statistics
import threading
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ganvas.data.dataset import Split
from ganvas.errors import GanvasError, option
from ganvas.machine.memory import must_fit

Pixels = NDArray[np.uint8]
"""One picture, (C, H, W)."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How pictures are converted to one shape.

    size: the side of a square in pixels; None keeps the size.
    crop: for pictures that are not square, if a size is set: "center" scales the shorter side to the size and keeps the
        middle, "none" scales the whole picture to the square.
    channels: 1 grey, 3 RGB, 4 RGB and alpha; None means 1 if every picture is grey, else 3. Without a
        fourth channel, transparent pixels become white.
    white: the value that is white, where it is not the largest of the format: 4095 for files of 16 bits from a scanner
        of 12 bits, 1 for masks of 0 and 1. None tells it from the data. Pictures of 8 bits use it only below 255.
    split_by: what decides which examples are held out, if the source does not say: their content, or their name or row
        number, as in version 0.1.0. Runs that began with that version go on with it.
    label_column, file_column, caption_column: columns of tables about the pictures, or of tables that hold them. None
        takes columns with usual names.
    frames: whether each frame of an animation, and each page of a file, is a picture; otherwise the first alone is.
    """

    size: int | None = None
    crop: Literal["center", "none"] = "center"
    channels: int | None = None
    white: int | None = None
    split_by: Literal["content", "name"] = "content"
    label_column: str | None = None
    file_column: str | None = None
    caption_column: str | None = None
    frames: bool = False

    def __post_init__(self) -> None:
        for name in ("size", "channels", "white"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise GanvasError(f"{option(name)} cannot be {value!r}.", "It takes a whole number.")
        for name in ("label_column", "file_column", "caption_column"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise GanvasError(f"{option(name)} cannot be {value!r}.", "It takes the name of a column.")
        if self.size is not None and self.size < 1:
            raise GanvasError(f"Pictures cannot be {self.size} pixels wide.", f"Use {option('size', 1)} or more.")
        if self.channels is not None and self.channels not in _MODES:
            raise GanvasError(
                f"Pictures cannot have {self.channels} channels.",
                f"Use {option('channels', 1)} (grey), 3 (RGB) or 4 (with alpha).",
            )
        if self.crop not in ("center", "none"):
            raise GanvasError(f"There is no crop {self.crop!r}.", f"Use {option('crop', 'center')} or none.")
        if self.white is not None and self.white < 1:
            raise GanvasError(f"White cannot be {self.white}.", f"Use {option('white', 1)} or more, such as 4095.")
        if self.split_by not in ("content", "name"):
            raise GanvasError(f"Examples are not split by {self.split_by!r}.", "They are split by content, or by name.")


GIANT = 2**24
"""Pictures with more pixels are decoded one at a time: each may need hundreds of megabytes."""

STRIP = 2**20
"""Number of pixels converted at once, if the conversion needs several times their memory."""

_one_giant = threading.Lock()


@contextmanager
def opened(file: Path | IO[bytes]) -> Generator[Image.Image]:
    """A picture whose pixels are not decoded yet. Raises whatever Pillow does, also where it only warns of so many pixels."""
    with Image.open(file) as image:
        num = image.width * image.height
        if num > (Image.MAX_IMAGE_PIXELS or math.inf):
            raise Image.DecompressionBombError
        with _one_giant if num > GIANT else nullcontext():
            yield image


def decode(file: Path | IO[bytes], options: ImageOptions, deep_peaks: list[float] | None = None) -> Pixels:
    """A picture file as uint8 (C, H, W). When `options` leave the channels open, C is 1 for a grey picture, else 3.

    deep_peaks: takes the largest value of a picture of 16 bits.

    Whatever Pillow raises on a file that is not a whole picture passes through: see `reason`.
    """
    with opened(file) as image:
        return convert(prepared(image, options), options, deep_peaks)


def prepared(image: Image.Image, options: ImageOptions) -> Image.Image:
    """An opened picture as it is seen, with white at 255, and reduced if it is huge."""
    if options.size is not None and image.format == "JPEG":
        # Photographs are much larger than training images: the decoder can then skip detail.
        image.draft(None, (2 * options.size, 2 * options.size))  # pyright: ignore[reportArgumentType]
    return _reduced(_masks_scaled(_upright(image), options.white), options.size)


def measure(file: Path | IO[bytes]) -> tuple[int, int]:
    """Width and height of a picture as it is seen, from the file's first bytes."""
    with opened(file) as image:
        width, height = image.size
        sideways = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (height, width) if sideways else (width, height)


def convert(image: Image.Image, options: ImageOptions, deep_peaks: list[float] | None = None) -> Pixels:
    """An opened picture as uint8 (C, H, W)."""
    image = _plain(image, options.white, deep_peaks)
    if options.channels is not None:
        image = _with_mode(image, _MODES[options.channels])
    elif image.mode == "RGBA":
        image = _on_white(image)
    if options.size is not None:
        image = fit(image, (options.size, options.size), options.crop)
    pixels = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
    if options.channels is None and len(pixels) == 3 and (pixels == pixels[:1]).all():
        pixels = pixels[:1]
    return np.ascontiguousarray(pixels)


def fit(image: Image.Image, size: tuple[int, int], crop: Literal["center", "none"] = "center") -> Image.Image:
    """The picture at (width, height), cut to its middle or squeezed."""
    if image.size == size:
        return image
    if crop == "center":
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    return image.resize(size, Image.Resampling.LANCZOS)


def read_image(path: Path | str, shape: Sequence[int], white: int | None = None) -> Tensor:
    """A user's picture as input of a model of images of `shape` (C, H, W): float (C, H, W) in [-1, 1].

    white: see `ImageOptions`.

    Raises GanvasError when the file is absent or is not a picture.
    """
    channels, height, width = shape
    path = Path(path)
    if not path.is_file():
        raise GanvasError(f"There is no file {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(path) as image:
                bright = _masks_scaled(_upright(image), white)
                whole = _with_mode(_plain(_reduced(bright, max(height, width)), white), _MODES[channels])
                pixels = np.array(fit(whole, (width, height)))
    except Exception as error:
        raise GanvasError(f"{path} cannot be read: {reason(error)}.") from error
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1).float().div(127.5).sub(1).contiguous()


def check_memory(num: int, side: int, channels: int | None) -> None:
    """Raises GanvasError if `num` pictures do not fit into memory twice: decoded, and joined."""
    needed = 2 * num * (channels or 3) * side**2
    must_fit(needed, f"{num:,} pictures of {side}x{side}", f"Choose a smaller {option('size')}, or fewer pictures.")


def check_one_size(source: str, sizes: Sequence[tuple[int, int]]) -> None:
    """Raises GanvasError, with a size to choose, unless all (width, height) are the same."""
    kinds = set(sizes)
    if len(kinds) < 2:
        return
    least, most = min(kinds, key=math.prod), max(kinds, key=math.prod)
    usual = statistics.median(min(size) for size in sizes)
    raise GanvasError(
        f"The pictures in {source} have {len(kinds)} different sizes, "
        f"from {least[0]}x{least[1]} to {most[0]}x{most[1]}.",
        f"Convert them to one size, for example with {option('size', next((n for n in (128, 64, 32) if n <= usual), 16))}.",
    )


def stack(pictures: Sequence[Pixels]) -> Tensor:
    """Pictures of one size as uint8 (N, C, H, W), where C is the largest number of channels among them."""
    channels = max(len(p) for p in pictures)
    x = np.empty((len(pictures), channels, *pictures[0].shape[1:]), dtype=np.uint8)
    for row, picture in zip(x, pictures, strict=True):
        row[:] = picture  # a grey picture spreads over all channels
    return torch.from_numpy(x)


def adapt(split: Split, options: ImageOptions) -> Split:
    """A split of images at rest, converted by `options`."""
    n, channels, height, width = split.x.shape
    wanted = options.channels or min(channels, 3)
    side = options.size or height
    if (wanted, side, options.size or width) == (channels, height, width) or not n:
        return split
    check_memory(n, side, wanted)
    options = replace(options, channels=wanted)
    pictures = split.x.permute(0, 2, 3, 1).squeeze(3).contiguous().numpy()
    return replace(split, x=stack([convert(Image.fromarray(p), options) for p in pictures]))


def reason(error: Exception) -> str:
    """Why a picture could not be read, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "not a readable picture"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    with suppress(Exception):  # a broken tag does not make the pixels wrong
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _reduced(image: Image.Image, size: int | None) -> Image.Image:
    """A huge picture, reduced to about four times the size by means over boxes of pixels; others unchanged."""
    factor = min(image.size) // (4 * size) if size else 1
    giant = image.width * image.height > GIANT and image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr")
    if not giant or factor < 2:
        return image
    return image.resize((image.width // factor, image.height // factor), Image.Resampling.BOX)


def _masks_scaled(image: Image.Image, white: int | None) -> Image.Image:
    """A picture of 8 bits whose white is below 255, with white at 255; others unchanged. ValueError for larger values."""
    if white is None or white >= 255 or image.mode not in ("L", "RGB"):
        return image
    brightest = int(np.asarray(image).max())
    if brightest > white:
        raise ValueError(f"its values go up to {brightest}, above the white {white}")
    return image.point([min(255, round(value * 255 / white)) for value in range(256)] * len(image.getbands()))


def _plain(image: Image.Image, white: int | None = None, deep_peaks: list[float] | None = None) -> Image.Image:
    """The picture with 8 bits a channel, as L, RGB or RGBA."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep(image, white, deep_peaks)
    if image.mode == "RGBA" or (image.mode in ("L", "RGB") and not image.has_transparency_data):
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_deep(image: Image.Image, white: int | None, deep_peaks: list[float] | None) -> Image.Image:
    """Grey of 16 bits, or of numbers: Pillow's own conversion would cut everything above 255 to white."""
    grey = Image.new("L", image.size)
    brightest = white or (1.0 if image.mode == "F" else 65535.0)
    peak = 0.0
    for box in _strips(image):
        values = np.asarray(image.crop(box)).astype(np.float64)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= brightest):
            raise ValueError(f"its values are not within 0 to {brightest:g}; set the option white")
        peak = max(peak, float(values.max()))
        grey.paste(Image.fromarray(np.rint(values * (255 / brightest)).astype(np.uint8)), box)
    if deep_peaks is not None and image.mode != "F":
        deep_peaks.append(peak)
    return grey


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of whole rows, of `STRIP` pixels or a row, from the top down."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _with_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "RGBA" and mode != "RGBA":
        image = _on_white(image)
    return image if image.mode == mode else image.convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    opaque = Image.new("RGB", image.size)
    for box in _strips(image):
        strip = image.crop(box)
        white = Image.new("RGBA", strip.size, cast(tuple[int, ...], (255, 255, 255, 255)))
        opaque.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return opaque
