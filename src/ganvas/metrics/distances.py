"""Pairwise distances of many points in bounded memory."""

from collections.abc import Iterator

import torch
from torch import Tensor

ENTRIES = 1 << 23
"""Distances held at once: 64 MiB in float64."""


def squared_distances(a: Tensor, b: Tensor, dtype: torch.dtype = torch.float64) -> Iterator[tuple[slice, Tensor]]:
    """|aᵢ − bⱼ|², some rows at a time: (rows, (len(rows), M)). a: (N, F), b: (M, F).

    dtype: of all that is computed. In float32 what is below 1e-7 of the points' squared distance from b's mean is noise.
    """
    centre = b.to(dtype).mean(0)  # the expansion |a|² − 2ab + |b|² loses digits far from the origin
    b = b.to(dtype) - centre
    # (−2a, |a|², 1) · (b, 1, |b|²): one product, and no pass over all distances to add the squares.
    right = torch.cat([b, torch.ones(len(b), 1, dtype=b.dtype, device=b.device), b.square().sum(1, keepdim=True)], 1).T
    rows = max(1, ENTRIES // len(b))
    for start in range(0, len(a), rows):
        part = a[start : start + rows].to(dtype) - centre
        left = torch.cat([-2 * part, part.square().sum(1, keepdim=True), torch.ones_like(part[:, :1])], 1)
        yield slice(start, start + len(part)), (left @ right).clamp_min_(0)


def nearest(queries: Tensor, references: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Distances to, and indices of, each query's k nearest references, nearest first: (N, k) each."""
    found = [part.topk(k, dim=1, largest=False, sorted=True) for _, part in squared_distances(queries, references)]
    return torch.cat([f.values for f in found]).sqrt(), torch.cat([f.indices for f in found])
