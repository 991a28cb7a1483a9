"""Tensors as pictures: images in a grid, or points in the plane."""

import functools
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.data.domains.modes import Modes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.collections import PathCollection

_GUTTER = 2
_GUTTER_GREY = 208
_SMALL = 64
"""Images are enlarged by the largest whole factor that keeps them within this many pixels."""


def to_uint8(x: Tensor) -> Tensor:
    """From [-1, 1] to 0..255, any shape, on the CPU. Values outside are clipped; NaN is black."""
    x = torch.nan_to_num(x.detach().float().cpu(), nan=-1.0)
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def image_grid(x: Tensor, columns: int | None = None) -> Image.Image:
    """Images x, (N, C, H, W) in [-1, 1], in rows of `columns` (about as many as rows when None).

    Small images are enlarged without smoothing, and alpha is shown on white.
    """
    assert x.dim() == 4 and len(x) and x.shape[1] in (1, 3, 4), x.shape
    num, _, height, width = x.shape
    columns = min(columns or math.ceil(math.sqrt(num)), num)
    pixels = to_uint8(x if x.shape[1] != 4 else on_white(x)).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    zoom = max(1, _SMALL // max(height, width))
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    step_y, step_x = height * zoom + _GUTTER, width * zoom + _GUTTER
    rows = math.ceil(num / columns)
    canvas = np.full((rows * step_y + _GUTTER, columns * step_x + _GUTTER, 3), _GUTTER_GREY, dtype=np.uint8)
    for i, image in enumerate(pixels):
        top, left = _GUTTER + i // columns * step_y, _GUTTER + i % columns * step_x
        canvas[top : top + height * zoom, left : left + width * zoom] = image
    return Image.fromarray(canvas)


def on_white(x: Tensor) -> Tensor:
    """RGBA images (N, 4, H, W) in [-1, 1] laid on white, (N, 3, H, W)."""
    alpha = ((x[:, 3:] + 1) / 2).clamp(0, 1)
    return alpha * x[:, :3] + (1 - alpha)


def points_picture(x: Tensor, modes: Modes | None = None, size: int = 480) -> Image.Image:
    """Points x, (N, D), by their first two coordinates; a mixture's modes are circled."""
    dots = x.detach().float().cpu()[:, :2].numpy()
    alpha = min(1.0, max(0.08, 400 / max(1, len(dots))))
    with _drawing:
        if modes is None:
            stage = _Stage(size)
            stage.scatter(dots, alpha)
            stage.canvas.draw()
        else:
            stage, empty = _empty(modes, size)
            stage.canvas.restore_region(empty)
            scattered = stage.scatter(dots, alpha)
            stage.axes.draw_artist(scattered)
            scattered.remove()
        return Image.fromarray(np.asarray(stage.canvas.buffer_rgba())).convert("RGB")


_drawing = threading.Lock()
"""A lock for stages shared between threads."""


class _Stage:
    """Axes of a plane, without points."""

    def __init__(self, size: int, modes: Modes | None = None) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(size / 100, size / 100), dpi=100, layout="constrained")
        self.canvas, self.axes = FigureCanvasAgg(figure), figure.add_subplot()
        self.axes.set_aspect("equal")
        self.axes.tick_params(labelsize=8)
        self.axes.grid(color="0.92")
        self.axes.set_axisbelow(True)
        if modes is not None:
            _draw_modes(self.axes, modes)

    def scatter(self, dots: "np.ndarray[Any, Any]", alpha: float) -> "PathCollection":
        return self.axes.scatter(dots[:, 0], dots[:, 1], s=5, alpha=alpha, linewidths=0, color="tab:blue")


@functools.lru_cache(maxsize=4)
def _empty(modes: Modes, size: int) -> "tuple[_Stage, RendererAgg]":
    """The stage with the modes, and its pixels. The modes set its limits. Everything except the points is slow to draw and
    the same in all of a run's pictures, so it is kept."""
    stage = _Stage(size, modes)
    stage.canvas.draw()
    return stage, stage.canvas.copy_from_bbox(stage.axes.figure.bbox)


def _draw_modes(axes: "Axes", modes: Modes) -> None:
    from matplotlib.patches import Circle

    centres = np.array(modes.centres)
    # Three sigmas, or a visible size: a ring's modes are a hundredth of its radius.
    span = float(np.ptp(centres))
    for centre in centres:
        radius = max(3 * modes.sigma, span / 50)
        axes.add_patch(Circle((centre[0], centre[1]), radius, fill=False, color="tab:red", alpha=0.6, linewidth=1))
    low, high = centres.min(0) - 0.15 * span, centres.max(0) + 0.15 * span
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
