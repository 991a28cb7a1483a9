"""StyleGAN2's convolutions, whose weights are scaled by a style for each example.

Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 2.2, https://arxiv.org/abs/1912.04958
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.machine.precision import full, unmixed
from ganvas.nn.equalised import ROOT2, EqualisedLinear
from ganvas.nn.excitation import NoiseInjection
from ganvas.nn.filtered import Fir


class ModulatedConv2d(nn.Module):
    """A convolution with weights s_i w_oik for the style s of each example, "demodulated" to length 1 for each output o.

    Weights that differ between examples would need a convolution for each. So the input is multiplied by s, and the output
    by d_o = 1 / √(Σ_i s_i² Σ_k w_oik² + 1e-8), which is the same and needs one matrix product for d.

    up: whether to double the size: a transposed convolution of stride 2, then the filter [1, 3, 3, 1].
    demodulate: else the weights have the equalised scale 1 / √(fan in). gain: of the output.

    h: (N, in, H, W); w: (N, latent), from which the style is an affine map; shift: (out,), added to the output.
    Returns (N, out, H', W').
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        latent: int,
        up: bool = False,
        demodulate: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(latent, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.fir = Fir() if up else None
        self.padding, self.demodulate, self.gain = kernel // 2, demodulate, gain
        self.scale = gain / math.sqrt(in_channels * kernel**2)

    def forward(self, h: Tensor, w: Tensor, shift: Tensor) -> Tensor:
        style: Tensor = self.affine(w)
        if not self.demodulate:
            return self.convolved(h, style * self.scale) + per_channel(shift)
        h = self.convolved(h, style)
        return torch.addcmul(per_channel(shift).to(h.dtype), h, per_channel(self.demodulation(style)).to(h.dtype))

    def convolved(self, h: Tensor, style: Tensor) -> Tensor:
        """The convolution of h times the style (N, in)."""
        h = h * per_channel(style)
        if self.fir is None:
            return F.conv2d(h, self.weight, padding=self.padding)
        return self.fir.blur(F.conv_transpose2d(h, self.weight.transpose(0, 1), stride=2), padding=1, gain=4.0)

    def demodulation(self, style: Tensor) -> Tensor:
        """gain · d of a style (N, in), (N, out). In float32, because squares of half precision overflow."""
        with unmixed(style):
            squares = full(self.weight).square().sum((2, 3))
            return self.gain * (full(style).square() @ squares.T + 1e-8).rsqrt()


class StyledLayer(nn.Module):
    """√2 · leaky(conv(h, w) + noise + bias): modulated, then one noise picture an example, then bias and leaky ReLU of 0.2.

    side: of the output. number: of the layer among those of one side, for its fixed noise.
    h: (N, in, H, W), w: (N, latent). Returns (N, out, side, side).
    """

    def __init__(
        self, in_channels: int, out_channels: int, side: int, latent: int, up: bool = False, number: int = 0
    ) -> None:
        super().__init__()
        # √2 leaky(a) = leaky(√2 a): three cheap factors, instead of one more pass over all pixels.
        self.convolution = ModulatedConv2d(in_channels, out_channels, 3, latent, up, gain=ROOT2)
        self.noise = NoiseInjection(side, number)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        h = self.convolution(h, w, self.bias * ROOT2)
        return F.leaky_relu_(h.add_(self.noise.noise(h) * ROOT2), 0.2)


class ToPixels(nn.Module):
    """A modulated 1x1 convolution without demodulation, and a bias. h: (N, in, H, W), w: (N, latent) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, latent: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(in_channels, out_channels, 1, latent, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        return self.convolution(h, w, self.bias)


def per_channel(values: Tensor) -> Tensor:
    """(N, C) or (C,) as factors of maps (N, C, H, W)."""
    return values[..., None, None]
