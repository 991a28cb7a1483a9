"""Where tensors live."""

import torch

from ganvas.errors import GanvasError


def resolve_device(device: str) -> str:
    """The device that a user named, or for "auto" the best there is. Raises GanvasError when there is no such device."""
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
            f"This machine has no device {device!r}.", "Use --device cpu, or auto to take the best there is."
        )
    return device
