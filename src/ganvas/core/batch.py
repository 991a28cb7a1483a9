"""The data that one step sees."""

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Examples with what is known of them.

    x: images, float in [-1, 1], (N, C, H, W); or points, (N, D).
    y: class numbers, (N,) int64; -1 where an example has no label.
    text: one caption an example.
    """

    x: Tensor
    y: Tensor | None = None
    text: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def replace(self, **changes: object) -> "Batch":
        return replace(self, **changes)  # type: ignore[arg-type]
