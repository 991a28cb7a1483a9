"""The data that one step sees."""

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Examples with their labels and captions.

    x: images, float in [-1, 1], (N, C, H, W); or points, (N, D).
    y: class numbers, (N,) int64; -1 for an example without a label.
    text: one caption per example.
    """

    x: Tensor
    y: Tensor | None = None
    text: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def replace(self, **changes: object) -> "Batch":
        return replace(self, **changes)  # type: ignore[arg-type]
