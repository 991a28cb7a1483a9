"""What a model costs: parameters, multiply-adds, memory."""

import resource
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def num_parameters(module: nn.Module) -> int:
    """Numbers that training can move, each once."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.inference_mode()
def multiply_adds(compute: Callable[[Tensor], object], x: Tensor) -> int:
    """Multiply-adds of `compute(x)` for each of x's N examples: of products and convolutions, nothing else counted."""
    with FlopCounterMode(display=False) as counter:
        compute(x)
    return counter.get_total_flops() // (2 * len(x))


def peak_memory() -> int:
    """The most bytes of memory that this process has held so far, the libraries themselves included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
