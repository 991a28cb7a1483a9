"""Adaptive discriminator augmentation: a view whose strength follows how much the critic has overfitted."""

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.machine import distributed, rng
from ganvas.machine.precision import full, unmixed
from ganvas.nn.filtered import Fir
from ganvas.nn.grid import sampled

SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
"""The low-pass filter of Daubechies' least asymmetric wavelet with 6 vanishing moments. It is orthogonal."""

PAD = len(SYM6) // 4


class Ada(nn.Module):
    """Twelve augmentations in a fixed order, each of an image with probability p: (x, images seen) to x.

    Blits: mirroring, quarter turns, shifts by whole pixels. Geometry: scale, rotation, stretching, rotation, shift. Colour:
    brightness, contrast, inverted luma, hue, saturation; a grey image keeps of it what is the same for all channels. All are
    differentiable in x. An image with blits alone is only rearranged; an image without any is returned bit for bit.

    p starts at 0 and moves by a fixed step every `every` steps: up if E sign(D(x)) over real images is above `target`, else
    down. A critic that has learnt its real images by heart ranks all of them above 0.
    images: how many it takes from p = 0 to 1. The authors have 500,000, and 100,000 for transfer; 100,000 suits our budgets.
    most: the largest p. The authors have none, but find that above 0.8 the generator learns the augmentations too.

    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", https://arxiv.org/abs/2006.06676
    """

    p: Tensor
    signs: Tensor
    count: Tensor
    steps: Tensor

    def __init__(self, target: float = 0.6, images: int = 100_000, every: int = 4, most: float = 0.8) -> None:
        super().__init__()
        self.target, self.images, self.every, self.most = target, images, every, most
        self.fir = Fir(SYM6)
        for name in ("p", "signs", "count", "steps"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor, images_seen: int) -> Tensor:
        with unmixed(x):
            return self.coloured(self.moved(full(x)))

    def follow(self, scores: Tensor) -> None:
        """Moves p. scores: of real images, which the critic has just seen, (N,) or of patches (N, M). No gradients."""
        signs = scores.sign().reshape(len(scores), -1).mean(1)
        seen = [signs.sum(), torch.full_like(self.count, len(scores))]
        distributed.average(seen)
        processes = dist.get_world_size() if dist.is_initialized() else 1
        self.signs += seen[0]
        self.count += seen[1]
        self.steps += 1
        due = self.steps % self.every == 0
        step = (self.signs / self.count - self.target).sign() * self.count * processes / self.images
        self.p.copy_(torch.where(due, (self.p + step).clamp(0, self.most), self.p))
        for buffer in (self.signs, self.count):
            buffer.mul_(~due)

    def maybe(self, values: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """Each example's values (N, ...) with probability p, else the neutral value."""
        chance = rng.rand(len(values), *[1] * (values.dim() - 1), like=values)
        return torch.where(chance < (self.p if p is None else p), values, neutral)

    def moved(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) after blits and geometry. Outside of the image, its mirror image is seen."""
        num, _, height, width = x.shape
        one = x.new_ones(num)
        flip = self.maybe((rng.rand(num, like=x) * 2).floor(), 0)
        turns = self.maybe((rng.rand(num, like=x) * 4).floor(), 0)
        shift = self.maybe((rng.rand(num, 2, like=x) * 2 - 1) / 8, 0)
        blit = scaling(1 - 2 * flip, one) @ rotation(turns * math.pi / 2)
        blit = blit @ translation(-(shift[:, 0] * width).round(), -(shift[:, 1] * height).round())
        scale = self.maybe((0.2 * rng.randn(num, like=x)).exp2(), 1)
        half = 1 - (1 - self.p).clamp(0, 1).sqrt()  # so that one of two rotations, or both, comes with probability p
        before = self.maybe((rng.rand(num, like=x) * 2 - 1) * math.pi, 0, half)
        stretch = self.maybe((0.2 * rng.randn(num, like=x)).exp2(), 1)
        after = self.maybe((rng.rand(num, like=x) * 2 - 1) * math.pi, 0, half)
        fraction = self.maybe(rng.randn(num, 2, like=x) / 8, 0)
        general = scaling(1 / scale, 1 / scale) @ rotation(before) @ scaling(1 / stretch, stretch) @ rotation(after)
        general = general @ translation(-fraction[:, 0] * width, -fraction[:, 1] * height)
        is_general = (scale != 1) | (before != 0) | (stretch != 1) | (after != 0) | (fraction != 0).any(1)
        is_blit = (flip != 0) | (turns != 0) | (shift != 0).any(1)
        return self.warped(rearranged(x, blit, is_blit), x, blit @ general, is_general)

    def warped(self, other: Tensor, x: Tensor, matrix: Tensor, chosen: Tensor) -> Tensor:
        """The chosen (N,) examples of x, seen through `matrix`, and those of `other` for the rest."""
        if x.device.type != "cpu":  # no look at values: the device would have to be waited for
            sides = (x.shape[3] - 1, x.shape[2] - 1)
            return torch.where(chosen[:, None, None, None], self.resampled(x, matrix, sides * 2), other)
        rows = chosen.nonzero().squeeze(1)
        if not len(rows):
            return other
        return other.index_copy(0, rows, self.resampled(x[rows], matrix[rows], reach(x, matrix[rows])))

    def resampled(self, x: Tensor, matrix: Tensor, margin: Sequence[int]) -> Tensor:
        """x seen through `matrix`, which takes a point of the output to one of x, in pixels from the centre.

        margin: mirrored pixels to the left, top, right and bottom that can be seen.
        """
        num, channels, height, width = x.shape
        left, top, right, bottom = margin
        x = self.fir.up(F.pad(x, (left, right, top, bottom), mode="reflect"))
        one = x.new_ones(num)
        matrix = translation(one * (left - right) / 2, one * (top - bottom) / 2) @ matrix
        # In fine pixels. The filter of even length has moved the image by half of one.
        matrix = translation(-one / 2, -one / 2) @ scaling(2 * one, 2 * one) @ matrix
        matrix = matrix @ scaling(one / 2, one / 2) @ translation(one / 2, one / 2)
        size = (2 * (height + 2 * PAD), 2 * (width + 2 * PAD))
        matrix = (
            scaling(2 * one / x.shape[3], 2 * one / x.shape[2]) @ matrix @ scaling(one * size[1] / 2, one * size[0] / 2)
        )
        grid = F.affine_grid(matrix[:, :2].to(x.dtype), [num, channels, *size], align_corners=False)
        return self.fir.down(sampled(x, grid)[:, :, 1:-1, 1:-1], padding=0)

    def coloured(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) with the colour of each example changed by one affine map."""
        num, channels = x.shape[:2]
        if channels not in (1, 3):
            raise GanvasError(f"ADA is for images of 1 or 3 channels, and these have {channels}.", "Leave ADA out.")
        bright = self.maybe(0.2 * rng.randn(num, like=x), 0)
        contrast = self.maybe((0.5 * rng.randn(num, like=x)).exp2(), 1)
        inverted = self.maybe((rng.rand(num, like=x) * 2).floor(), 0)
        chosen = (bright != 0) | (contrast != 1) | (inverted != 0)
        grey = x.new_full((3, 3), 1 / 3)  # the projection on the luma axis
        eye = torch.eye(3, dtype=x.dtype, device=x.device)
        colour = (eye - 2 * grey * inverted[:, None, None]) * contrast[:, None, None]
        offset = colour @ x.new_ones(3) * bright[:, None]
        if channels == 3:
            angle = self.maybe((rng.rand(num, like=x) * 2 - 1) * math.pi, 0)
            saturation = self.maybe(rng.randn(num, like=x).exp2(), 1)
            chosen = chosen | (angle != 0) | (saturation != 1)
            further = (grey + (eye - grey) * saturation[:, None, None]) @ hue(angle)
            colour, offset = further @ colour, (further @ offset[..., None]).squeeze(2)
        else:
            colour, offset = colour.sum(2).mean(1)[:, None, None], offset.mean(1, keepdim=True)
        changed = (colour @ x.flatten(2)).view_as(x) + offset[..., None, None]
        return torch.where(chosen[:, None, None, None], changed, x)


def rearranged(x: Tensor, matrix: Tensor, chosen: Tensor) -> Tensor:
    """x (N, C, H, W) at whole pixels of its mirrored plane, for the chosen (N,) examples: nothing is interpolated."""
    _, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    points = torch.stack(
        [columns.expand(height, width), rows[:, None].expand(height, width), x.new_ones(height, width)]
    )
    seen = matrix @ points.flatten(1)
    column = mirrored((seen[:, 0] + (width - 1) / 2).round().long(), width)
    row = mirrored((seen[:, 1] + (height - 1) / 2).round().long(), height)
    source = (row * width + column)[:, None].expand(-1, channels, -1)
    moved = x.flatten(2).gather(2, source).view_as(x)
    return torch.where(chosen[:, None, None, None], moved, x)


def mirrored(index: Tensor, size: int) -> Tensor:
    """The index of a pixel in a row that goes on as its mirror image, without its last pixel twice."""
    index = index.remainder(max(2 * size - 2, 1))
    return torch.minimum(index, (2 * size - 2 - index).abs())


def reach(x: Tensor, matrix: Tensor) -> list[int]:
    """How many mirrored pixels left, top, right and bottom of x are seen through the matrices (N, 3, 3)."""
    height, width = x.shape[2:]
    right, bottom = (width - 1) / 2, (height - 1) / 2
    corners = x.new_tensor([[-right, -bottom, 1], [right, -bottom, 1], [right, bottom, 1], [-right, bottom, 1]]).T
    seen = (matrix @ corners)[:, :2]
    low, high = (-seen).amax((0, 2)), seen.amax((0, 2))
    centre = x.new_tensor([right, bottom])
    margin = torch.cat([low - centre, high - centre]) + 2 * PAD
    most = x.new_tensor([width - 1, height - 1] * 2)
    return [int(m) for m in torch.minimum(margin.clamp_min(0), most).ceil().tolist()]


def matrices(*entries: Sequence[Tensor]) -> Tensor:
    """(N, 3, 3) of rows of numbers (N,)."""
    return torch.stack([torch.stack(list(row), dim=-1) for row in entries], dim=-2)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrices((x, zero, zero), (zero, y, zero), (zero, zero, one))


def translation(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrices((one, zero, x), (zero, one, y), (zero, zero, one))


def rotation(angle: Tensor) -> Tensor:
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    c, s = angle.cos(), angle.sin()
    return matrices((c, -s, zero), (s, c, zero), (zero, zero, one))


def hue(angle: Tensor) -> Tensor:
    """Rotations (N, 3, 3) of colours around the grey axis (1, 1, 1) / √3. Rodrigues' formula."""
    c, s = angle.cos(), angle.sin() / math.sqrt(3)
    third = (1 - c) / 3
    a, b, d = third + c, third - s, third + s
    return matrices((a, b, d), (d, a, b), (b, d, a))
