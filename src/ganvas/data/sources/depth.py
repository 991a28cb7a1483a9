"""Which value is white: told from the data if the user does not say it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from ganvas.data.domains.image_files import ImageOptions

WHITES = (1, 255, 1_023, 4_095, 16_383, 65_535)
"""The largest values of masks, and of pictures with 8, 10, 12, 14 and 16 bits."""

SMALL_RANGE = 64
"""Pictures that use fewer of the 256 values at rest look nearly black, white or grey."""


@dataclass
class Depth:
    """How a source's values became 0 to 255. white: the value that is white, if not the usual one of its format.

    notes: what was assumed, and what looks wrong, in words for the user.
    """

    white: int | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def told(cls, peak: float, bits: int) -> "Depth":
        """From the largest value of all examples, which are stored in 8 or 16 bits."""
        white = next((w for w in WHITES if peak <= w), WHITES[-1])
        if bits == 8 and (peak <= 0 or white == 255):
            return cls()
        if peak <= 0 or white == WHITES[-1]:
            return cls(WHITES[-1])
        note = f"The values go from 0 to {peak:g}, so {white:,} was taken as white. To change it, set white to {2**bits - 1}."
        return cls(white, [note])

    def check_range(self, parts: Sequence[Tensor]) -> None:
        """Notes images uint8 that use a small part of the values. parts: pieces of the source."""
        pieces = [part for part in parts if part.numel()]
        if not pieces:
            return
        low, high = min(int(p.min()) for p in pieces), max(int(p.max()) for p in pieces)
        if high - low < SMALL_RANGE:
            self.notes.append(
                f"The pictures use only the values {low} to {high} of 0 to 255, so they have little contrast."
                " If their white is another value, set the option white."
            )


def from_files(options: ImageOptions, deep_peaks: Sequence[float], pieces: Sequence[Tensor]) -> Depth:
    """The depth of pictures that were decoded without a white. deep_peaks: the largest values of those of 16 bits.

    pieces: all pictures decoded, uint8. Pictures of 8 bits whose values are 0 and 1 are masks.
    """
    if options.white is not None:
        return Depth(options.white)
    if deep_peaks:
        return Depth.told(max(deep_peaks), 16)
    return Depth.told(max((int(p.max()) for p in pieces if p.numel()), default=0), 8)


def depth_of_numbers(white: int | None, peak: float, kinds: Sequence[np.dtype[Any]]) -> Depth:
    """The depth of arrays with these dtypes and this largest value. white: what the user named."""
    if white is not None:
        return Depth(white)
    if any(kind.kind not in "iu" for kind in kinds) or peak > WHITES[-1]:
        return Depth()
    return Depth.told(peak, 16 if peak > 255 or any(kind == np.uint16 for kind in kinds) else 8)
