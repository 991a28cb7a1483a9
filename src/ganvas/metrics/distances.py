"""Pairwise distances of many points, in bounded memory."""

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
    """Distances to, and indices of, each query's k nearest references, nearest first: (N, k) each.

    The distances are computed again from the differences, so that equal points are at distance 0. The expansion that
    `squared_distances` uses leaves rounding errors there, which would break ties at random.
    """
    found = [part.topk(k, dim=1, largest=False).indices for _, part in squared_distances(queries, references)]
    indices = torch.cat(found)
    distances = torch.cat([_apart(*part) for part in _in_parts(queries, references, indices)])
    distances, order = distances.sort(dim=1, stable=True)
    return distances, indices.gather(1, order)


def _in_parts(queries: Tensor, references: Tensor, indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Some queries (n, F) at a time, each with the references (n, k, F) of these indices."""
    rows = max(1, ENTRIES // (indices.shape[1] * queries.shape[1]))
    for part, chosen in zip(queries.split(rows), indices.split(rows), strict=True):
        yield part, references[chosen]


def _apart(queries: Tensor, references: Tensor) -> Tensor:
    """Distances (n, k) between queries (n, F) and their references (n, k, F), float64."""
    return (queries.double().unsqueeze(1) - references.double()).square().sum(2).sqrt()
