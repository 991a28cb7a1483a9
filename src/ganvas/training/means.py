"""Running means of named scalars."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class Mean:
    """Running means of named scalars that stay on their device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, group: str, values: Mapping[str, Tensor], taken: Tensor | None = None) -> None:
        """values: without a graph. taken: whether they count, where the device alone knows it; what does not is to be told to
        `forget`."""
        sums, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
        for name, value in values.items():
            value = value if taken is None else torch.where(taken, value, 0.0)
            sums[name] = sums[name] + value if name in sums else value.double()
            counts[name] = counts.get(name, 0) + 1

    def forget(self, group: str, names: Iterable[str]) -> None:
        """What was last added under these names did not count."""
        sums, counts = self.sums[group], self.counts[group]
        for name in names:
            counts[name] -= 1
            if not counts[name]:
                del counts[name], sums[name]
        if not counts:
            del self.counts[group], self.sums[group]

    def to_json(self) -> dict[str, dict[str, tuple[float, int]]]:
        """Sums and counts as numbers that JSON keeps exactly."""
        return {g: {n: (float(s), self.counts[g][n]) for n, s in sums.items()} for g, sums in self.sums.items()}

    def from_json(self, saved: Mapping[str, Mapping[str, tuple[float, int]]]) -> None:
        """The opposite of `to_json`. ValueError for a count below 1."""
        self.sums = {
            group: {name: torch.tensor(float(s), dtype=torch.float64) for name, (s, _) in pairs.items()}
            for group, pairs in saved.items()
        }
        self.counts = {group: {name: int(n) for name, (_, n) in pairs.items()} for group, pairs in saved.items()}
        if not all(n > 0 for counts in self.counts.values() for n in counts.values()):
            raise ValueError("a mean of nothing was saved")

    def peek(self) -> dict[str, dict[str, float]]:
        """The means since the last reading."""
        return {g: {n: float(s) / self.counts[g][n] for n, s in sums.items()} for g, sums in self.sums.items()}

    def read(self) -> dict[str, dict[str, float]]:
        """The means since the last reading, which begin anew."""
        means = self.peek()
        self.sums, self.counts = {}, {}
        return means
