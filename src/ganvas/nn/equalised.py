"""Layers with an equalised learning rate: weights are N(0, 1), and scaled by gain / √(fan in) at each call.

So Adam, whose steps do not depend on a gradient's size, moves all layers equally fast. Karras et al. 2018 (ProGAN),
section 4.1, https://arxiv.org/abs/1710.10196
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROOT2 = math.sqrt(2)
"""The gain after which a leaky ReLU of slope 0.2 keeps the mean square of its input, nearly."""


class EqualisedLinear(nn.Module):
    """x (N, in) to (N, out).

    gain: of the output. bias: its initial value; None for no bias. bias_gain: the factor on the bias; default: the gain.
    rate: a factor on the learning rate of weights and bias. Weights start at N(0, 1 / rate²), so the output does not depend
        on it. StyleGAN's mapping has 0.01. Karras et al. 2019, appendix C.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        gain: float = 1.0,
        bias: float | None = 0.0,
        rate: float = 1.0,
        bias_gain: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / rate)
        self.bias = None if bias is None else nn.Parameter(torch.full((out_features,), bias / rate))
        self.scale = gain * rate / math.sqrt(in_features)
        self.bias_scale = (gain if bias_gain is None else bias_gain) * rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, None if self.bias is None else self.bias * self.bias_scale)


class EqualisedConv2d(nn.Module):
    """h (N, in, H, W) to (N, out, H', W'), zeros as padding.

    gain: of the output. bias_gain: the factor on the bias; default: the gain. padding: None keeps the size at stride 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        gain: float = 1.0,
        bias: bool = True,
        stride: int = 1,
        padding: int | None = None,
        bias_gain: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = gain / math.sqrt(in_channels * kernel**2)
        self.bias_scale = gain if bias_gain is None else bias_gain
        self.stride, self.padding = stride, kernel // 2 if padding is None else padding

    def forward(self, h: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.bias_scale
        return F.conv2d(h, self.weight * self.scale, bias, self.stride, self.padding)


def second_moment(z: Tensor) -> Tensor:
    """z (N, C, ...) divided by the root of its mean square over C. Karras et al. 2018, section 4.2 ("pixel norm")."""
    return z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
