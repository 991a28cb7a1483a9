"""Standard errors of precision, recall, density and coverage, from scores of disjoint halves.

A half of both sets gives four scores, and the other half gives four that are independent of them. Half the expected
squared difference is the variance at half the size, whatever the score; half of that is the variance at the whole size,
since these variances fall as 1/N. It is averaged over `SPLITS` random splits. Drawing with replacement, as the
bootstrap does, would put copies at distance 0 of each other and shrink every ball.

No distance is computed again. In a half, a point's k-th neighbour is one of its `REACH · k` nearest in the whole set.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganvas.machine.rng import generator
from ganvas.metrics.distances import squared_distances

SPLITS = 32
REACH = 5
"""Neighbours kept, in units of k: the chance that fewer than k of them are in the point's half is 1e-3 for k = 5."""

MOST_PAIRS = 5_000_000
"""Pairs of a ball and a point in it that are kept: 120 MB."""


@dataclass(frozen=True)
class Balls:
    """The balls around one set's N points. All distances are squared.

    radii: distance to the k-th neighbour, the point itself not counted, (N,).
    at_radius: what a point at exactly the radius counts for, so that the ball holds k points, (N,).
    neighbours, distances: of the nearest points, the point itself among them, nearest first, (N, K).
    """

    radii: Tensor
    at_radius: Tensor
    neighbours: Tensor
    distances: Tensor

    @property
    def reach(self) -> Tensor:
        """The largest radius that a ball can have in a half, (N,)."""
        return self.distances[:, -1]

    @classmethod
    def of(cls, points: Tensor, k: int, rounding: float) -> "Balls":
        """points: features (N, F). rounding: squared distances closer than this are equal."""
        kept = min(REACH * k + 1, len(points))
        parts: list[tuple[Tensor, ...]] = []
        for _, distances in squared_distances(points, points):
            found = distances.topk(kept, dim=1, largest=False)
            radius = found.values[:, k]
            inside = (found.values < radius[:, None] - rounding).sum(1)
            closed = (found.values <= radius[:, None] + rounding).sum(1)
            for row in (closed == kept).nonzero()[:, 0].tolist():  # more points tie than are kept
                closed[row] = (distances[row] <= radius[row] + rounding).sum()
            parts.append((radius, (k - inside) / (closed - inside), found.indices, found.values))
        return cls(*(torch.cat(each) for each in zip(*parts, strict=True)))

    def radii_in_halves(self, half: Tensor, k: int) -> Tensor:
        """Each point's radius among the points of its own half, (N,). half: which each is in, (N,) bool."""
        together = half[self.neighbours] == half[:, None]
        place = (together.cumsum(1) == k + 1).int().argmax(1)  # 0 if there are too few: then as far as is known
        place = torch.where(place == 0, self.distances.shape[1] - 1, place)
        return self.distances.gather(1, place[:, None])[:, 0]


@dataclass
class Pairs:
    """Real and generated points that may lie in one another's balls: rows, columns and squared distances, in parts."""

    parts: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list[tuple[Tensor, Tensor, Tensor]])
    num: int = 0

    @property
    def overflown(self) -> bool:
        return self.num > MOST_PAIRS

    def add(self, first: int, distances: Tensor, near: Tensor) -> None:
        """The near ones of some rows of the distances; none from the moment on that there are too many."""
        if self.overflown:
            return
        self.num += int(near.count_nonzero())
        if self.overflown:
            self.parts.clear()
            return
        i, j = near.nonzero(as_tuple=True)
        self.parts.append((i + first, j, distances[i, j]))

    def whole(self) -> tuple[Tensor, Tensor, Tensor]:
        i, j, distances = (torch.cat(each) for each in zip(*self.parts, strict=True))
        return i, j, distances


def halves_differ(
    real: Balls, fake: Balls, around_real: Pairs, around_fake: Pairs, k: int, seed: int
) -> tuple[float, float, float, float]:
    """Standard errors of precision, recall, density and coverage."""
    if min(len(real.radii), len(fake.radii)) < 2 * (k + 1):
        return math.nan, math.nan, math.nan, math.nan
    draw = generator(seed, "halves")
    in_real, in_fake = around_real.whole(), around_fake.whole()
    total = torch.zeros(4, dtype=torch.float64)
    for _ in range(SPLITS):
        x, y = (_half(len(balls.radii), draw) for balls in (real, fake))
        real_radii, fake_radii = real.radii_in_halves(x, k), fake.radii_in_halves(y, k)
        i, j = _inside(in_real, x, y, real_radii[in_real[0]])
        precise, packed = _hit(j, len(y)), j.bincount(minlength=len(y)).double() / k
        covered = _hit(i, len(x))
        i, _ = _inside(in_fake, x, y, fake_radii[in_fake[1]])
        recalled = _hit(i, len(x))
        scores = ((precise, y), (recalled, x), (packed, y), (covered, x))
        total += torch.stack([each[half].mean() - each[~half].mean() for each, half in scores]).square()
    a, b, c, d = (total / (4 * SPLITS)).sqrt().tolist()
    return a, b, c, d


def _half(num: int, draw: torch.Generator) -> Tensor:
    half = torch.zeros(num, dtype=torch.bool)
    half[torch.randperm(num, generator=draw)[: num // 2]] = True
    return half


def _inside(pairs: tuple[Tensor, Tensor, Tensor], x: Tensor, y: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs that are in one half, at most at the radius. radii: of each pair's ball."""
    i, j, distances = pairs
    inside = (x[i] == y[j]) & (distances <= radii)
    return i[inside], j[inside]


def _hit(indices: Tensor, num: int) -> Tensor:
    """1 for those of `num` that are among the indices, else 0, float64."""
    hit = torch.zeros(num, dtype=torch.float64)
    hit[indices] = 1
    return hit
