"""Classifier-free guidance: one network with and without the class. Ho & Salimans 2022, https://arxiv.org/abs/2207.12598"""

from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.machine import rng

NO_CLASS = -1
"""What a network is told in place of a class that it is not to know; `conditioning.ClassEmbedding` has a vector for it."""


def dropped(y: Tensor, share: float) -> Tensor:
    """y (N,) with this share of the classes taken away, drawn for each example."""
    return torch.where(rng.rand(len(y), like=torch.zeros((), device=y.device)) < share, NO_CLASS, y)


def guided(
    network: Callable[[Tensor, Tensor, Tensor | None], Tensor], y: Tensor | None, guidance: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """From (x, t) to u + g (c − u), with c the prediction for class y and u the one for no class.

    network: from (x (N, ...), t (N,), y (N,)) to a tensor shaped as x. y: None for a network without classes.
    guidance: g. 1 is the class's own prediction, 0 the one without a class; both cost one evaluation, any other g two.
    """
    if y is None or guidance == 1:
        return lambda x, t: network(x, t, y)
    nobody = torch.full_like(y, NO_CLASS)
    if guidance == 0:
        return lambda x, t: network(x, t, nobody)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        both = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([y, nobody]))
        told, untold = both.unflatten(0, (2, x.shape[0])).unbind()
        return untold + guidance * (told - untold)

    return predict
