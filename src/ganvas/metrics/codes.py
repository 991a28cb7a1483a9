"""Codes and classes of many examples, in batches."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.abilities import Classifies
from ganvas.core.model import Autoencoder
from ganvas.metrics.images import as_float

BATCH = 250


@contextmanager
def evaluating(model: nn.Module) -> Generator[None]:
    """Within this context, the model is in eval mode without gradients. Afterwards each module is restored."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def batches(model: nn.Module, x: Tensor, y: Tensor | None, size: int = BATCH) -> Iterator[tuple[Tensor, Tensor | None]]:
    """x (N, ...) as float, with its labels (N,), `size` at a time, on the model's device."""
    device = device_of(model)
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        yield as_float(x[rows].to(device)), None if y is None else y[rows].to(device)


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's weights; the CPU for a model without weights."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def posteriors(model: Autoencoder, x: Tensor, y: Tensor | None = None) -> list[Distribution]:
    """q(z|x) of all examples, a list of batches. x: (N, ...) uint8 or float in [−1, 1]; y: (N,)."""
    with evaluating(model):
        return [model.encode(*batch) for batch in batches(model, x, y)]


def means(model: Autoencoder, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The codes' means E_q[z], (N, L) float32."""
    return torch.cat([q.mean.flatten(1).float().cpu() for q in posteriors(model, x, y)])


def named(model: Classifies, x: Tensor) -> Tensor:
    """The class that the model names for each example, (N,). x: (N, ...) uint8 or float in [−1, 1]."""
    assert isinstance(model, nn.Module)
    with evaluating(model):
        return torch.cat([model.classify(part).argmax(1).cpu() for part, _ in batches(model, x, None)])
