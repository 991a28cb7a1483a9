"""Running means of named scalars."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class Mean:
    """Running means of named scalars. They stay on their device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, group: str, values: Mapping[str, Tensor], taken: Tensor | None = None) -> None:
        """Adds values without a graph. taken: a flag on the device; values that do not count must later be passed to
        `forget`."""
        sums, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
        for name, value in values.items():
            value = value if taken is None else torch.where(taken, value, 0.0)
            sums[name] = sums[name] + value if name in sums else value.double()
            counts[name] = counts.get(name, 0) + 1

    def forget(self, group: str, names: Iterable[str]) -> None:
        """Removes the values last added under these names."""
        sums, counts = self.sums[group], self.counts[group]
        for name in names:
            counts[name] -= 1
            if not counts[name]:
                del counts[name], sums[name]
        if not counts:
            del self.counts[group], self.sums[group]

    def to_json(self) -> dict[str, dict[str, tuple[float, int]]]:
        """Sums and counts as numbers that JSON stores exactly."""
        return {g: {n: (float(s), self.counts[g][n]) for n, s in sums.items()} for g, sums in self.sums.items()}

    def from_json(self, saved: Mapping[str, Mapping[str, tuple[float, int]]]) -> None:
        """Restores what `to_json` returned. Raises ValueError for a count below 1."""
        self.sums = {
            group: {name: torch.tensor(float(s), dtype=torch.float64) for name, (s, _) in pairs.items()}
            for group, pairs in saved.items()
        }
        self.counts = {group: {name: int(n) for name, (_, n) in pairs.items()} for group, pairs in saved.items()}
        if not all(n > 0 for counts in self.counts.values() for n in counts.values()):
            raise ValueError("a saved mean has no values")

    def peek(self) -> dict[str, dict[str, float]]:
        """The means since the last `read`."""
        return {g: {n: float(s) / self.counts[g][n] for n, s in sums.items()} for g, sums in self.sums.items()}

    def read(self) -> dict[str, dict[str, float]]:
        """Returns the means since the last `read`, and resets them."""
        means = self.peek()
        self.sums, self.counts = {}, {}
        return means
