"""`glyphs`: letters and digits from the fonts of matplotlib, each drawn with small random changes."""

import math
import string
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.machine.rng import generator

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SIZE = 28
NUM_TRAIN, NUM_HELD_OUT = 320 * len(CHARACTERS), 32 * len(CHARACTERS)

_Affine = tuple[float, float, float, float, float, float]

# A fixed list: new fonts in a newer matplotlib must not change the data.
_FONTS = (
    *(f"DejaVuSans{style}.ttf" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}.ttf" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}.ttf" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}.ttf" for style in ("", "Bol", "Italic", "BolIta")),
    *(f"cm{style}10.ttf" for style in ("r", "b", "ss", "ti", "tt")),
)


def glyphs(options: ImageOptions, limit: int | None = None) -> Data:
    """19,840 training and 1,984 held-out characters, white on black, uint8 (N, 1, 28, 28).

    The 62 classes 0-9, A-Z, a-z are equally frequent; captions are their Unicode names in lower case ("latin small
    letter a"). Capitals of all fonts have equal height and one base line, so "o" and "O" differ. Each example is
    drawn in one of 21 fonts at random, then turned (by up to 10 degrees), scaled (0.85 to 1.1), slanted and moved. The
    held-out examples are other draws from the same characters, fonts and movements. Other sizes than 28 are drawn at
    that size. A limit takes the first of each split, whose order is shuffled.
    """
    size = SIZE if options.size is None else options.size
    train, held_out = (
        adapt(_draw(num, size, name, limit), options)
        for name, num in (("train", NUM_TRAIN), ("held out", NUM_HELD_OUT))
    )
    return gather("glyphs", train, held_out, classes=tuple(CHARACTERS))


def _draw(num: int, size: int, name: str, limit: int | None) -> Split:
    order = torch.randperm(num, generator=generator("glyphs", name, "order"))
    y = (order % len(CHARACTERS))[:limit].clone()
    font = torch.randint(len(_FONTS), (num,), generator=generator("glyphs", name, "font"))
    movements = _movements(num, 2 * size, generator("glyphs", name, "movement"))
    drawn = list(zip(y.tolist(), font.tolist(), movements, strict=False))
    sheets = [_sheet(drawn[i : i + 512], size) for i in range(0, len(drawn), 512)]
    x = torch.from_numpy(np.concatenate(sheets))[:, None]
    return Split(x, y, tuple(unicodedata.name(CHARACTERS[c]).lower() for c in y.tolist()))


def _movements(num: int, side: int, source: torch.Generator) -> list[_Affine]:
    """The affine map from pixel (x, y) of a moved picture to the original: (ax + by + c, dx + ey + f)."""
    angle, scale, slant, right, down = (torch.rand(num, 5, generator=source, dtype=torch.float64) * 2 - 1).unbind(1)
    angle, scale, slant = math.radians(10) * angle, 0.97 * 1.14**scale, 0.12 * slant
    # The inverse of scale * [[cos, -sin], [sin, cos]] [[1, slant], [0, 1]], around the middle.
    cos, sin = angle.cos() / scale, angle.sin() / scale
    a, b, d, e = cos + slant * sin, sin - slant * cos, -sin, cos
    middle = side / 2
    x, y = middle + 0.04 * side * right, middle + 0.03 * side * down
    return [tuple(m) for m in torch.stack([a, b, middle - a * x - b * y, d, e, middle - d * x - e * y], dim=1).tolist()]


def _sheet(drawn: list[tuple[int, int, _Affine]], size: int) -> np.ndarray:
    """Examples of (character, font, movement), uint8 (N, size, size)."""
    side = 2 * size  # moved at twice the size for smooth edges
    sheet = Image.new("L", (side, side * len(drawn)))
    for row, (character, font, movement) in enumerate(drawn):
        still = _still(CHARACTERS[character], font, side)
        moved = still.transform((side, side), Image.Transform.AFFINE, movement, Image.Resampling.BILINEAR)
        sheet.paste(moved, (0, row * side))
    return np.asarray(sheet.reduce(2)).reshape(len(drawn), size, size)


@cache
def _still(character: str, font: int, side: int) -> Image.Image:
    """A character upright in the middle of a square of `side` pixels, capitals 0.52 of it high."""
    face = _face(font, side)
    canvas = Image.new("L", (side, side))
    left, _, right, _ = face.getbbox(character, anchor="ls")
    baseline = round(0.74 * side)
    ImageDraw.Draw(canvas).text(((side - left - right) / 2, baseline), character, fill=255, font=face, anchor="ls")
    return canvas


@cache
def _face(font: int, side: int) -> ImageFont.FreeTypeFont:
    """A font at the size at which its H is 0.52 of `side` high."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / _FONTS[font]
    # Every build of Pillow has the basic layout.
    large = ImageFont.truetype(path, 1000, layout_engine=ImageFont.Layout.BASIC)
    height = -large.getbbox("H", anchor="ls")[1]
    return large.font_variant(size=1000 * 0.52 * side / height)
