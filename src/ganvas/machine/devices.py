"""Where tensors live."""

import warnings

import torch

from ganvas.errors import GanvasError, option
from ganvas.machine import facts
from ganvas.machine.precision import Precision


def resolve_device(device: str) -> str:
    """The named device, or for "auto" the best one. Raises GanvasError if the device does not exist."""
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise GanvasError(f"There is no device {device!r}.", "Use cpu, cuda, cuda:0, mps or auto.") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        raise GanvasError(
            f"This machine has no device {device!r}.", f"Use {option('device', 'cpu')}, or auto for the best device."
        )
    return device


def check_precision(precision: Precision, device: str) -> None:
    """Raises GanvasError if `device` cannot compute in `precision`. Warns if it would only be slower.

    Every processor can compute in bf16 by conversion. Only some have bf16 instructions.
    """
    if precision == "float32":
        return
    kind = torch.device(device).type
    if kind == "mps" or (kind == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)):
        raise GanvasError(f"The device {device!r} has no bf16 arithmetic.", f"Leave {option('precision', 'bf16')} out.")
    if kind == "cpu" and not facts.has_bf16():
        warnings.warn("This processor has no bf16 arithmetic: bf16 works, but is slower than float32.", stacklevel=2)
