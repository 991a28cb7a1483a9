"""Half precision: where a turn may use it, and where it must end: likelihoods, penalties, quantisers and sums of terms."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor

Precision = Literal["float32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def full(x: Tensor) -> Tensor:
    """x in float32 if it was less; float32 and float64 stay as they are."""
    return x.float() if x.dtype.itemsize < 4 else x


def mixed(precision: Precision, device: str) -> AbstractContextManager[object]:
    """Inside, convolutions and products of matrices are in `precision`; weights stay in float32, and so do gradients."""
    return nullcontext() if precision == "float32" else torch.autocast(device.partition(":")[0], torch.bfloat16)


def unmixed(x: Tensor) -> AbstractContextManager[object]:
    """Inside, everything is in float32 again, on the device of x."""
    return torch.autocast(x.device.type, enabled=False)
