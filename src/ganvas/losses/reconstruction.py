"""Reconstruction losses: −log N(x; x̂, σ²I) for several σ, in nats per example.

Each takes two tensors (N, ...), sums over dimensions and averages over the batch; constants are left out.
"""

import torch
from torch import Tensor

from ganvas.machine.precision import full


def unit_scale(x: Tensor, x_hat: Tensor) -> Tensor:
    """σ = 1: ½‖x − x̂‖²."""
    return 0.5 * full(x - x_hat).flatten(1).square().sum(1).mean()


def optimal_scale(x: Tensor, x_hat: Tensor) -> Tensor:
    """σ of maximum likelihood for the batch: D/2 log(mean squared error), D dimensions. Rybkin et al. 2021, eq. 5.

    The gradient does not depend on the unit of x.
    """
    dimensions = x[0].numel()
    return 0.5 * dimensions * torch.log(full(x - x_hat).square().mean() + 1e-6)
