"""Half precision in a turn. Likelihoods, penalties, quantisers and sums of terms stay in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor

Precision = Literal["float32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def full(x: Tensor) -> Tensor:
    """x in float32 if its precision is lower; float32 and float64 do not change."""
    return x.float() if x.dtype.itemsize < 4 else x


def mixed(precision: Precision, device: str) -> AbstractContextManager[object]:
    """Within this context, convolutions and matrix products use `precision`. Weights and gradients stay in float32."""
    return nullcontext() if precision == "float32" else torch.autocast(device.partition(":")[0], torch.bfloat16)


def unmixed(x: Tensor) -> AbstractContextManager[object]:
    """Within this context, everything is in float32, on the device of x."""
    return torch.autocast(x.device.type, enabled=False)
