"""Convolutions as matrix products, if few positions share a large kernel: at the coarse end of image networks.

There oneDNN's gradient of the kernel is slow. It also multiplies the zeros of padding: almost half of all numbers for
4x4 kernels on a 3x3 map. Everywhere else oneDNN is faster and is used. The limits below were found on one core of an AMD EPYC
of family 25.

A convolution of stride s and padding p sums, for an output at i, kernel tap a times input at s·i + a − p. A transposed one
exchanges input and output. Below, `points` has the coarse positions and `image` the fine ones. Kernels are (points'
channels, image's channels, height, width) for both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

POSITIONS = 2_048
"""The maximum number of positions, over a whole batch, for a kernel's gradient by products."""

SHARE = 32
"""The minimum pairs of channels of a kernel per position; with fewer, preparing the factors costs too much."""

PAIRS = 1 << 15
"""The minimum pairs of channels in all."""

WORTH_IT = 1_000_000
"""The minimum multiply-adds for a product on a map of one position."""

Tap = tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]


@dataclass(frozen=True)
class Geometry:
    """How taps, points and pixels overlap along height and width. count: number of images in the batch."""

    count: int
    pairs: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    points: tuple[int, int]
    image: tuple[int, int]

    @classmethod
    def of(
        cls,
        x: Tensor,
        weight: Tensor,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
    ) -> Self | None:
        """None for unsupported cases: groups, dilation, other dimensions than two, other types than float32."""
        types = {x.dtype, weight.dtype}
        if x.dim() != 4 or groups != 1 or types != {torch.float32} or any(d != 1 for d in dilation):
            return None
        count, size, kernel = len(x), x.shape[2:], weight.shape[2:]
        axes = zip(size, kernel, stride, padding, output_padding, strict=True)
        if transposed:
            other = [(n - 1) * s - 2 * p + k + more for n, k, s, p, more in axes]
        else:
            other = [(n + 2 * p - k) // s + 1 for n, k, s, p, _ in axes]
        points, image = (size, other) if transposed else (other, size)
        if not count or min(*points, *image) < 1:
            return None
        pairs = weight.shape[0] * weight.shape[1]
        return cls(count, pairs, *((a[0], a[1]) for a in (kernel, stride, padding, points, image)))

    @property
    def one_point(self) -> bool:
        """Whether the coarse map has one position, and a product is faster."""
        rows, columns = self.reach
        return self.points == (1, 1) and self.count * self.pairs * rows * columns >= max(WORTH_IT, 1)

    @property
    def few_points(self) -> bool:
        """Whether products give the kernel's gradient faster."""
        positions = self.count * self.points[0] * self.points[1]
        return positions <= POSITIONS and self.pairs >= max(PAIRS, SHARE * positions)

    @property
    def reach(self) -> tuple[int, int]:
        """For one point: the number of taps that overlap with pixels, along each axis."""
        met = [max(0, min(k - p, n)) for k, p, n in zip(self.kernel, self.padding, self.image, strict=True)]
        return met[0], met[1]

    def pixel_rows(self, image: Tensor) -> Iterator[Tensor]:
        """For one point: rows of the pixels that it overlaps with, (N, C, H, W) to views (N, columns · C)."""
        rows, columns = self.reach
        return (_last(image)[:, row, :columns].flatten(1) for row in range(rows))

    def tap_rows(self, kernel: Tensor) -> Iterator[Tensor]:
        """The taps that overlap with them, (P, C, h, w) to (P, columns · C): views, if channels are last in memory."""
        rows, columns = self.reach
        top, left = self.padding
        return (_last(kernel)[:, top + row, left : left + columns].flatten(1) for row in range(rows))

    def taps(self) -> Iterator[Tap]:
        """Each tap that overlaps with the image, with its points and its pixels."""
        for a, rows, pixel_rows in self._axis(0):
            for b, columns, pixel_columns in self._axis(1):
                yield (a, b), (rows, columns), (pixel_rows, pixel_columns)

    def _axis(self, axis: int) -> Iterator[tuple[int, slice, slice]]:
        stride, padding = self.stride[axis], self.padding[axis]
        for tap in range(self.kernel[axis]):
            first = max(0, -((tap - padding) // stride))
            last = min(self.points[axis] - 1, (self.image[axis] - 1 + padding - tap) // stride)
            if last >= first:
                pixel = first * stride + tap - padding
                yield tap, slice(first, last + 1), slice(pixel, pixel + (last - first) * stride + 1, stride)


def gathered(image: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """Each image's one point: (N, C, H, W) and (P, C, h, w) to (N, P, 1, 1)."""
    out = image.new_zeros(len(image), len(weight))
    for pixels, taps in zip(g.pixel_rows(image), g.tap_rows(weight), strict=True):
        out.addmm_(pixels, taps.T)
    return out[:, :, None, None]


def spread(points: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """The one point's contribution to each image, transpose of `gathered`: (N, P, 1, 1) and (P, C, h, w) to (N, C, H, W)."""
    image = _empty(len(points), weight.shape[1], g.image)
    if g.reach != g.image:
        image.zero_()
    for pixels, taps in zip(g.pixel_rows(image), g.tap_rows(weight), strict=True):
        torch.mm(points.flatten(1), taps, out=pixels)
    return image


def kernel_gradient(points: Tensor, image: Tensor, g: Geometry) -> Tensor:
    """Σ over positions of points times pixels: (N, P, h', w') and (N, C, H, W) to (P, C, h, w)."""
    gradient = _empty(points.shape[1], image.shape[1], g.kernel)
    if g.points == (1, 1):
        if g.reach != g.kernel:
            gradient.zero_()
        for pixels, taps in zip(g.pixel_rows(image), g.tap_rows(gradient), strict=True):
            torch.mm(points.flatten(1).T, pixels, out=taps)
        return gradient
    points, image, taps = _last(points), _last(image), _last(gradient)
    met = list(g.taps())
    if len(met) < g.kernel[0] * g.kernel[1]:
        gradient.zero_()
    for (a, b), (rows, columns), (pixel_rows, pixel_columns) in met:
        pixels = image[:, pixel_rows, pixel_columns].flatten(0, 2)
        taps[:, a, b] = points[:, rows, columns].flatten(0, 2).T @ pixels
    return gradient


def _empty(first: int, channels: int, size: tuple[int, int]) -> Tensor:
    return torch.empty(first, channels, *size, memory_format=torch.channels_last)


def _last(x: Tensor) -> Tensor:
    """A view with channels last."""
    return x.permute(0, 2, 3, 1)


class Convolutions:
    """The operators `convolution` and `convolution_backward` on the CPU. usual: torch's own kernels of both."""

    def __init__(self, usual: Any, usual_backward: Any) -> None:
        self.usual, self.usual_backward = usual, usual_backward

    def forward(self, keys: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
        g = Geometry.of(x, weight, *how)
        if g is None or not g.one_point:
            return self.usual.call_boxed(keys, x, weight, bias, *how)
        transposed = how[3]
        out = spread(x, weight, g) if transposed else gathered(x, weight, g)
        return out if bias is None else out + bias.view(-1, 1, 1)

    def backward(
        self, keys: Any, slope: Tensor, x: Tensor, weight: Tensor, bias_sizes: Sequence[int] | None, *how: Any
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        how, wanted = how[:-1], how[-1]
        g = Geometry.of(x, weight, *how)
        transposed = how[3]
        of_x = of_weight = of_bias = None
        if g and g.one_point and wanted[0]:
            of_x = gathered(slope, weight, g) if transposed else spread(slope, weight, g)
        if g and g.few_points and wanted[1]:
            of_weight = kernel_gradient(*((x, slope) if transposed else (slope, x)), g)
            if not weight.is_contiguous(memory_format=torch.channels_last):
                of_weight = of_weight.contiguous()
        ours = [of_x is not None, of_weight is not None, of_weight is not None or not wanted[1]]
        if ours[2] and wanted[2]:  # oneDNN would also compute the kernel's gradient
            of_bias = slope.sum((0, *range(2, slope.dim())))
        left = [asked and not had for asked, had in zip(wanted, ours, strict=True)]
        if not any(left):
            return of_x, of_weight, of_bias
        rest = self.usual_backward.call_boxed(keys, slope, x, weight, bias_sizes, *how, left)
        return (
            rest[0] if left[0] else of_x,
            rest[1] if left[1] else of_weight,
            rest[2] if left[2] else of_bias,
        )
