"""`sprites`: white shapes on black with known factors, after the design of dSprites."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.sources.splits import divided, keep_rows
from ganvas.machine.rng import generator

SHAPES = ("square", "ellipse", "heart")
FACTORS = {"shape": 3, "scale": 6, "orientation": 20, "x": 12, "y": 12}
"""The factors and their numbers of values; all combinations are 51,840 images."""

SIZE = 32
MARGIN = 10
"""Pixels between the canvas' edge and the outermost centre; the centres are one pixel apart."""

_SCALES = np.linspace(0.5, 1.0, FACTORS["scale"])
_ANGLES = math.tau * np.arange(FACTORS["orientation"]) / FACTORS["orientation"]


def sprites(options: ImageOptions, limit: int | None = None) -> Data:
    """All combinations of shape, scale, orientation, x and y, uint8 (N, 1, 32, 32); a tenth is held out, by content.

    Labels are the shapes; `factors` are (shape, scale, orientation, x, y), each counted from 0. Orientations cover the
    whole turn, so a square looks the same at every fifth and an ellipse at every tenth; equal pictures stand in one
    split. A size that is a multiple of
    32 is drawn at that size, any other is scaled from the next one.

    The design is Matthey et al. 2017, "dSprites", on a coarser grid.
    """
    detail = 1 if options.size is None else -(-options.size // SIZE)
    sizes = list(FACTORS.values())
    num = math.prod(sizes)
    if options.split_by == "content":
        whole = adapt(_drawn(torch.arange(num), sizes, detail), options)
        (train, held_out), numbers, _ = divided(whole, limit)
        return gather("sprites", train, held_out, classes=SHAPES, factors=FACTORS, contents=numbers)
    order = torch.randperm(num, generator=generator("sprites", "split"))
    splits: list[Split] = []
    for rows in (order[num // 10 :].sort().values, order[: num // 10].sort().values):
        rows = rows[keep_rows(len(rows), limit)]
        splits.append(adapt(_drawn(rows, sizes, detail), options))
    return gather("sprites", *splits, classes=SHAPES, factors=FACTORS)


def _drawn(rows: torch.Tensor, sizes: list[int], detail: int) -> Split:
    """The combinations of these numbers, (N,)."""
    factors = torch.stack(torch.unravel_index(rows, sizes), dim=1)
    return Split(_draw(factors, detail), factors[:, 0].clone(), None, factors)


def _draw(factors: torch.Tensor, detail: int) -> torch.Tensor:
    """The images of `factors` (N, 5), uint8 (N, 1, S, S) for S = 32 * detail."""
    size, reach = SIZE * detail, SIZE - MARGIN
    # Moving a shape by whole pixels is looking at one larger drawing of it through another window.
    drawings = np.stack([_drawing(s, r, a, reach, detail) for s in SHAPES for r in _SCALES for a in _ANGLES])
    windows = np.lib.stride_tricks.sliding_window_view(drawings, (size, size), axis=(1, 2))[:, ::detail, ::detail]
    shape, scale, orientation, x, y = factors.numpy().T
    which = (shape * len(_SCALES) + scale) * len(_ANGLES) + orientation
    images = windows[which, FACTORS["y"] - 1 - y, FACTORS["x"] - 1 - x]
    return torch.from_numpy(images)[:, None]


def _drawing(shape: str, scale: float, angle: float, reach: int, detail: int) -> NDArray[np.uint8]:
    """One shape centred on a canvas that reaches `reach` coarse pixels (less a little) to every side."""
    num = (2 * reach - 1) * detail
    # Middles of pixels in coarse units; for detail 1 the shape's centre is the middle of a pixel.
    along = (np.arange(num) + 0.5) / detail - (reach - 0.5)
    right, down = np.meshgrid(along / scale, along / scale)
    u = math.cos(angle) * right - math.sin(angle) * down
    v = math.sin(angle) * right + math.cos(angle) * down
    return np.where(_inside(shape, u, v), 255, 0).astype(np.uint8)


def _inside(shape: str, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (u to the right, v down, in pixels from the centre) a shape of scale 1 covers."""
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) < 6.45
    if shape == "ellipse":
        return (u / 9.2) ** 2 + (v / 5.2) ** 2 < 1
    x, y = u / 7.5, 0.24 - v / 7.5
    return x**2 + (1.2 * y - np.sqrt(np.abs(x))) ** 2 < 1
