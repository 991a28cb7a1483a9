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


class Coded(Domain):
    """What the codes of a first stage have in common.

    first: the domain of the examples that were encoded. stage: what decodes.
    """

    first: Domain
    stage: Stage

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


@final
@dataclass(frozen=True)
class Codes(Coded):
    """Codes (L,) or (D, h, w), standardised."""

    shape: tuple[int, ...]
    first: Domain
    stage: Stage = field(compare=False, repr=False)
    kind: ClassVar[str] = "codes"

    def words(self) -> str:
        return f"{'x'.join(map(str, self.shape))} codes for {self.first.words()}"


@final
@dataclass(frozen=True)
class Tokens(Coded):
    """Tokens (h, w): numbers of a codebook's entries, int64 from 0 to num_tokens - 1."""

    shape: tuple[int, ...]
    num_tokens: int
    first: Domain
    stage: Stage = field(compare=False, repr=False)
    kind: ClassVar[str] = "tokens"

    def view(self, x: Tensor) -> Tensor:
        """Tokens are compared as what they decode to: their numbers have no distances."""
        return self.first.view(self.decode(x))

    def words(self) -> str:
        size = "x".join(map(str, self.shape))
        return f"{size} tokens of {self.num_tokens} entries for {self.first.words()}"
