"""What one field of an example is: it draws, writes and describes its examples."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganvas.data.domains.drawing import image_grid, points_picture, to_uint8
from ganvas.data.domains.modes import Modes
from ganvas.errors import GanvasError

FAR = 1e3
"""Examples are compared as if NaN, infinity and larger values were this far away; data lie in [-1, 1]."""

SIDE = 16
"""Images are compared after they were averaged down to this side."""


class Domain(ABC):
    """What an example is. shape: of one example, as networks see it.

    kind: its name. spatial: whether an example has channels, height and width, as convolutions need.
    num_shown: so many examples show what a distribution looks like.
    """

    kind: ClassVar[str]
    shape: tuple[int, ...]

    @property
    def num_shown(self) -> int:
        return 64

    @property
    @final
    def spatial(self) -> bool:
        return len(self.shape) == 3

    @property
    @abstractmethod
    def in_rows(self) -> bool:
        """Whether examples are drawn one by one, in rows."""

    @abstractmethod
    def picture(self, x: Tensor, columns: int | None = None) -> Image.Image:
        """A picture of examples x (N, *shape). columns: examples in a row."""

    @abstractmethod
    def arrays(self, x: Tensor) -> Mapping[str, np.ndarray[Any, Any]]:
        """Examples x (N, *shape) as named arrays for a file."""

    @abstractmethod
    def words(self) -> str:
        """A description, such as "28x28 grey images"."""

    def view(self, x: Tensor) -> Tensor:
        """Examples x (N, *shape) for distances: (N, F), finite."""
        return x.float().nan_to_num(FAR, FAR, -FAR).clamp(-FAR, FAR).flatten(1)

    def pixels(self, x: Tensor) -> Tensor:
        """Examples x (N, *shape) as images (N, C, H, W) in [-1, 1]. GanvasError if they are none."""
        raise GanvasError(f"{self.words().capitalize()} are no pictures.")

    def beside(self, x: Tensor, reconstruction: Tensor, columns: int) -> Tensor:
        """Rows of `columns` originals, each above the row of their reconstructions."""
        return reconstruction


@final
@dataclass(frozen=True)
class Images(Domain):
    """Images (C, H, W) in [-1, 1]; at rest uint8."""

    shape: tuple[int, ...]
    kind: ClassVar[str] = "images"

    @property
    def in_rows(self) -> bool:
        return True

    def picture(self, x: Tensor, columns: int | None = None) -> Image.Image:
        image = image_grid(x, columns)
        return image.convert("L") if x.shape[1] == 1 else image

    def arrays(self, x: Tensor) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"images": to_uint8(x).permute(0, 2, 3, 1).contiguous().numpy()}

    def words(self) -> str:
        channels, height, width = self.shape
        return f"{width}x{height} {({1: 'grey', 3: 'colour'}).get(channels, 'transparent')} images"

    def view(self, x: Tensor) -> Tensor:
        """Averaged down to `SIDE`: faults of a model show at low resolution."""
        x = x.float().nan_to_num(FAR, FAR, -FAR).clamp(-FAR, FAR)
        return (F.adaptive_avg_pool2d(x, SIDE) if x.shape[-1] > SIDE else x).flatten(1)

    def pixels(self, x: Tensor) -> Tensor:
        return x

    def beside(self, x: Tensor, reconstruction: Tensor, columns: int) -> Tensor:
        columns = min(columns, len(x))
        blank = x.new_ones((-len(x) % columns, *x.shape[1:]))  # fill the last row with white
        x, reconstruction = torch.cat([x, blank]), torch.cat([reconstruction, blank])
        rows = [row for pair in zip(x.split(columns), reconstruction.split(columns), strict=True) for row in pair]
        return torch.cat(rows)


@final
@dataclass(frozen=True)
class Points(Domain):
    """Points (D,). modes: of a mixture, drawn with its samples."""

    shape: tuple[int, ...]
    modes: Modes | None = None
    kind: ClassVar[str] = "points"

    @property
    def num_shown(self) -> int:
        return 2_500

    @property
    def in_rows(self) -> bool:
        return False

    def picture(self, x: Tensor, columns: int | None = None) -> Image.Image:
        if self.shape[0] < 2:
            raise GanvasError(f"There is no picture of examples of the shape {self.shape}.")
        return points_picture(x, self.modes)

    def arrays(self, x: Tensor) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"points": x.numpy()}

    def words(self) -> str:
        return f"points of {self.shape[0]} numbers"
