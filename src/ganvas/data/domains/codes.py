"""Codes of a frozen run: a second stage learns them, and they are drawn, written and scored as what they decode to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, final

import numpy as np
from PIL import Image
from torch import Tensor

from ganvas.data.domains.domain import Domain


class Stage(Protocol):
    """The first of two stages, as a domain of codes needs it."""

    def decode(self, x: Tensor) -> Tensor:
        """Examples (N, ...) for codes (N, *shape)."""
        ...


@final
@dataclass(frozen=True)
class Codes(Domain):
    """Codes (L,) or (D, h, w), standardised; or tokens (h, w), numbers from 0 to num_tokens - 1.

    first: the domain of the examples that were encoded. stage: what decodes.
    num_tokens: entries of the codebook; 0 for codes that are no tokens.
    """

    shape: tuple[int, ...]
    first: Domain
    stage: Stage = field(compare=False, repr=False)
    num_tokens: int = 0
    kind: ClassVar[str] = "codes"

    @property
    def in_rows(self) -> bool:
        return self.first.in_rows

    @property
    def num_shown(self) -> int:
        return self.first.num_shown

    def decode(self, x: Tensor) -> Tensor:
        """Examples of `first` for codes (N, *shape)."""
        return self.stage.decode(x)

    def picture(self, x: Tensor, columns: int | None = None) -> Image.Image:
        return self.first.picture(self.decode(x), columns)

    def arrays(self, x: Tensor) -> Mapping[str, np.ndarray[Any, Any]]:
        return self.first.arrays(self.decode(x))

    def pixels(self, x: Tensor) -> Tensor:
        return self.first.pixels(self.decode(x))

    def view(self, x: Tensor) -> Tensor:
        """Tokens are compared as what they decode to: their numbers have no distances."""
        return self.first.view(self.decode(x)) if self.num_tokens else super().view(x)

    def words(self) -> str:
        size = "x".join(map(str, self.shape))
        what = f"tokens of {self.num_tokens} entries" if self.num_tokens else "codes"
        return f"{size} {what} for {self.first.words()}"
