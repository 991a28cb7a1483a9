"""Gradients of a player's loss in its own parameters, and in nothing else."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganvas.core.model import Terms
from ganvas.machine.precision import full


def gradient(terms: Terms, parameters: Sequence[nn.Parameter], keep: bool = False) -> list[Tensor | None]:
    """The gradient of the terms' sum in these parameters only."""
    return list(torch.autograd.grad(total(terms), parameters, allow_unused=True, retain_graph=keep))


def total(terms: Terms) -> Tensor:
    assert terms, "a loss must have at least one term"
    first, *others = (full(value) for value in terms.values())
    for value in others:
        first = first + value
    return first


def norm_of(tensors: list[Tensor]) -> Tensor:
    """The Euclidean norm of all tensors together; 0 for none."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))  # pyright: ignore[reportPrivateUsage]


def scaled(terms: Terms, factor: int) -> Terms:
    return terms if factor == 1 else {name: factor * value for name, value in terms.items()}


@contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Generator[None]:
    """Within this context, these parameters are in no graph."""
    free = [p for p in parameters if p.requires_grad]
    for p in free:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in free:
            p.requires_grad_(True)
