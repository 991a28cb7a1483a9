"""Batch normalisation over the batches of all processes, on any device."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.machine.precision import full

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


class SynchronisedBatchNorm(nn.Module):
    """Batch normalisation with mean and variance over the examples of all processes.

    norm: the ordinary normalisation to replace. Parameters and buffers keep their names, so checkpoints are the same.
    h: (N, C, ...); N may differ between processes. Statistics are in float32; the running variance is unbiased.

    All processes must call it in the same order, and also compute its gradients in the same order. In evaluation mode it
    does not communicate. It has derivatives of every order, of the joint computation of all processes. So gradients
    averaged over processes are those of the mean loss. torch's own works on CUDA only and has no second derivative.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, norm: BatchNorm) -> None:
        super().__init__()
        self.eps, self.momentum = norm.eps, norm.momentum
        for name, parameter in (("weight", norm.weight), ("bias", norm.bias)):
            self.register_parameter(name, parameter)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self.train(norm.training)

    def forward(self, h: Tensor) -> Tensor:
        if not self.training:
            alone = self.running_mean is None
            return F.batch_norm(h, self.running_mean, self.running_var, self.weight, self.bias, alone, 0.0, self.eps)
        x = full(h)
        mean, variance, count = moments_of_all(x)
        self.follow(mean, variance, count)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale
        if self.bias is not None:
            shift = shift + self.bias
        per_channel = (1, -1, *[1] * (x.dim() - 2))
        return torch.addcmul(shift.view(per_channel), x, scale.view(per_channel)).to(h.dtype)

    @torch.no_grad()
    def follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Updates the running statistics like the ordinary one. With momentum None all batches count equally."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.to(mean.dtype) if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (variance * count / (count - 1).clamp_min(1) - self.running_var)


def moments_of_all(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each channel's mean (C,) and biased variance (C,) over all processes, and the number of values per channel, ().

    Σ_r n_r m_r / n and Σ_r n_r (v_r + (m_r − mean)²) / n of the processes' own counts n_r, means m_r and variances v_r,
    which keeps precision for a mean far from 0. Chan et al. 1979. x: (N, C, ...).
    """
    everywhere_else = [0, *range(2, x.dim())]
    count = x.numel() // x.shape[1]
    if count:
        variance, mean = torch.var_mean(x, everywhere_else, correction=0)
    else:  # without values both are NaN
        variance = mean = x.sum(everywhere_else)
    own = torch.cat([x.new_tensor([count]), mean, variance])
    rank, size = dist.get_rank(), dist.get_world_size()
    rows = total(F.pad(own, (rank * len(own), (size - rank - 1) * len(own)))).view(size, -1)
    counts, means, variances = rows[:, :1], *rows[:, 1:].chunk(2, dim=1)
    n = counts.sum()
    shares = counts / n
    mean = (shares * means).sum(0)
    return mean, (shares * (variances + (means - mean).square())).sum(0), n


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        values = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return total(gradient)


def total(values: Tensor) -> Tensor:
    """The sum over all processes. Its gradient is a sum too: the effect of this process's values on all losses."""
    return _Total.apply(values)  # pyright: ignore[reportReturnType]


def batch_norms(module: nn.Module) -> list[str]:
    """The names of torch's batch normalisations in a module, without derived classes."""
    known = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [name for name, part in module.named_modules(remove_duplicate=False) if type(part) in known]


def synchronise(module: nn.Module) -> None:
    """Replaces each batch normalisation in `module` by a `SynchronisedBatchNorm`."""
    made: dict[nn.Module, SynchronisedBatchNorm] = {}
    for name in batch_norms(module):
        path, _, attribute = name.rpartition(".")
        parent = module.get_submodule(path)
        old = getattr(parent, attribute)
        made[old] = made.get(old) or SynchronisedBatchNorm(old)
        setattr(parent, attribute, made[old])
