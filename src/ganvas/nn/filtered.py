"""Resampling by 2 with a low-pass filter, so that no frequency is mistaken for another (aliasing)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Fir(nn.Module):
    """A filter over rows and columns, the same for each channel. Pixels beyond the border are 0.

    taps: along one axis, an even number, scaled here to a sum of 1. [1, 3, 3, 1] is StyleGAN2's.

    Each method is one convolution with a group a channel, which oneDNN computes fast if channels are last in memory.

    Karras et al. 2020, appendix B, https://arxiv.org/abs/1912.04958; Zhang 2019, https://arxiv.org/abs/1904.11486
    """

    def __init__(self, taps: Sequence[float] = (1, 3, 3, 1)) -> None:
        super().__init__()
        line = torch.tensor(taps, dtype=torch.float32)
        line = line / line.sum()
        self.register_buffer("kernel", (line[:, None] * line)[None, None], persistent=False)

    def of(self, h: Tensor, gain: float = 1.0) -> Tensor:
        """The kernel for each channel of h, (C, 1, k, k)."""
        kernel = self.get_buffer("kernel").to(h.dtype)
        return (kernel * gain if gain != 1 else kernel).expand(h.shape[1], 1, -1, -1)

    def blur(self, h: Tensor, padding: int, gain: float = 1.0) -> Tensor:
        """h filtered. (N, C, H, W) to (N, C, H + 2 padding + 1 − k, ...)."""
        return F.conv2d(h, self.of(h, gain), padding=padding, groups=h.shape[1])

    def up(self, h: Tensor) -> Tensor:
        """h with a row and a column of zeros after each, filtered, times 4. (N, C, H, W) to (N, C, 2H, 2W)."""
        kernel = self.of(h, 4.0)
        return F.conv_transpose2d(h, kernel, stride=2, padding=kernel.shape[2] // 2 - 1, groups=h.shape[1])

    def down(self, h: Tensor, padding: int | None = None) -> Tensor:
        """Every second row and column of h, filtered backwards: the transpose of `up`, over 4.

        padding: by default that by which (N, C, H, W) becomes (N, C, H // 2, W // 2).
        """
        kernel = self.of(h)
        padding = kernel.shape[2] // 2 - 1 if padding is None else padding
        return F.conv2d(h, kernel, stride=2, padding=padding, groups=h.shape[1])
