"""The kernel distance of two sets of features."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.features import finite
from ganvas.metrics.metric import Metric, Reading
from ganvas.metrics.needs import Need

ENTRIES = 1 << 23
"""Kernel values held at once: 64 MiB in float64."""


def kernel_distance(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """KID: the unbiased squared MMD under (x·y/F + 1)³ over all pairs, and its standard error.

    real, fake: (N, F), (M, F), at least 2 each. Bińkowski et al. average over random subsets of 1,000. All pairs have
    the same expectation at the same cost, a smaller variance, and nothing drawn.

    The error is the standard deviation over redraws of both sets. A U-statistic's variance has a linear and a quadratic
    part, L + D. The jackknife, from the row means of the kernel, gives L + 2D; the centred kernel's squares give D.
    If both sets have one distribution, L is 0 and D is all there is.

    References:
        Binkowski et al. 2018, "Demystifying MMD GANs", section 4
        Sutherland & Deka 2019, "Unbiased estimators for the variance of MMD estimators"
    """
    if min(len(real), len(fake)) < 2:
        raise GanvasError(
            f"KID needs at least 2 examples of each kind; there are {len(real)} real and {len(fake)} generated",
            "Draw more samples.",
        )
    x, y = finite(real).double(), finite(fake).double()
    xx, yy, xy = _Kernel.of(x, x, alone=True), _Kernel.of(y, y, alone=True), _Kernel.of(x, y)
    value = xx.rows.mean() + yy.rows.mean() - 2 * xy.rows.mean()
    linear = 4 * ((xx.rows - xy.rows).var() / len(x) + (yy.rows - xy.columns).var() / len(y))
    quadratic = 2 * xx.spread / len(x) ** 2 + 2 * yy.spread / len(y) ** 2 + 4 * xy.spread / (len(x) * len(y))
    return value.item(), torch.maximum(linear - quadratic, quadratic).sqrt().item()


@dataclass(frozen=True)
class _Kernel:
    """Of the kernel of two sets: means of rows (N,) and columns (M,), and the variance without both.

    For a set and itself, pairs of a point and itself are left out.
    """

    rows: Tensor
    columns: Tensor
    spread: Tensor

    @classmethod
    def of(cls, a: Tensor, b: Tensor, alone: bool = False) -> "_Kernel":
        """alone: whether b is the set a itself."""
        rows: list[Tensor] = []
        columns = torch.zeros(len(b), dtype=a.dtype)
        squares = torch.zeros((), dtype=a.dtype)
        size = max(1, ENTRIES // len(b))
        for start in range(0, len(a), size):
            kernel = (a[start : start + size] @ b.T).div_(a.shape[1]).add_(1).pow_(3)
            if alone:
                kernel.diagonal(start).zero_()
            rows.append(kernel.sum(1))
            if not alone:  # else they are the sums of rows
                columns += kernel.sum(0)
            squares += kernel.flatten().dot(kernel.flatten())
        others = len(b) - alone
        by_row = torch.cat(rows) / others
        by_column = by_row if alone else columns / len(a)
        mean = by_row.mean()
        spread = squares / (len(a) * others) - by_row.square().mean() - by_column.square().mean() + mean.square()
        return cls(by_row, by_column, spread.clamp_min(0))


def _kid(c: EvaluationContext) -> Reading:
    value = kernel_distance(c.reference_features, c.sample_features)
    return Reading({"kid": value}, len(c.samples), len(c.x), c.features, {"estimator": "all pairs"})


KID = Metric(
    "kid",
    summary="unbiased kernel distance of samples and held-out data in features",
    needs=(Need.SAMPLES, Need.FEATURES),
    better="lower",
    paper="Binkowski et al. 2018, arXiv:1801.01401",
    measure=_kid,
    has_floor=True,
)
