"""Images at rest are uint8, 0 to 255; awake they are float32 in [-1, 1]. This is the only place that knows."""

import torch
from torch import Tensor


def awake(x: Tensor) -> Tensor:
    """Examples at rest as networks see them: uint8 images become float32 in [-1, 1]; all else stays as it is."""
    return x.div(127.5).sub_(1) if x.dtype == torch.uint8 else x  # float32: torch divides whole numbers so


def at_rest(x: Tensor) -> Tensor:
    """Images in [-1, 1], of any shape and device, as uint8. Values outside are cut."""
    return x if x.dtype == torch.uint8 else ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
