"""p(z) over grids of codebook entries."""

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributions import register_kl

from ganvas.machine import rng
from ganvas.nn.quantize import VectorQuantizer, nearest
from ganvas.probability.distributions import Certain, Size, Unchecked


class CodePrior(nn.Module):
    """At each position of the grid, how often each entry was used of late: independent categoricals over entries.

    It knows where an entry is common and not what goes together, so its samples are no better than patchwork; a prior
    with context is a model of its own, fitted afterwards.

    quantizer: whose entries are meant. grid: (h, w). decay: of the average over training batches.
    """

    shares: Tensor

    def __init__(self, quantizer: nn.Module, grid: tuple[int, int], decay: float = 0.99) -> None:
        super().__init__()
        self.quantizer, self.grid, self.decay = quantizer, grid, decay
        num_codes = cast(VectorQuantizer, quantizer).num_codes
        self.register_buffer("shares", torch.full((*grid, num_codes), 1 / num_codes))

    def forward(self) -> "CodeGrid":
        return CodeGrid(cast(VectorQuantizer, self.quantizer), self.shares)

    @torch.no_grad()
    def follow(self, indices: Tensor) -> None:
        """Moves the shares towards those of a batch's indices (N, h, w), of all processes together."""
        rows = indices.flatten(1).T  # (h w, N)
        counts = torch.zeros_like(self.shares).flatten(0, 1)
        counts.scatter_add_(1, rows, torch.ones_like(rows, dtype=counts.dtype))
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(counts)
        self.shares.lerp_((counts / counts.sum(1, keepdim=True)).view_as(self.shares), 1 - self.decay)


class CodeGrid(Unchecked):
    """Entries drawn at each position on its own. Events are their vectors, (D, h, w).

    shares: (h, w, num_codes), each position's summing to 1. Every entry is given 10⁻⁷ more, so that none is impossible.
    """

    def __init__(self, quantizer: VectorQuantizer, shares: Tensor) -> None:
        self.quantizer, self.shares = quantizer, (shares + 1e-7) / (1 + 1e-7 * quantizer.num_codes)
        super().__init__(torch.Size(), torch.Size([quantizer.code_size, *shares.shape[:2]]))

    @property
    def mean(self) -> Tensor:
        return torch.einsum("hwk,kd->dhw", self.shares, self.quantizer.codebook)

    @property
    def variance(self) -> Tensor:
        square = torch.einsum("hwk,kd->dhw", self.shares, self.quantizer.codebook.square())
        return square - self.mean.square()

    def sample(self, sample_shape: Size = ()) -> Tensor:
        num = torch.Size(sample_shape).numel()
        height, width, _ = self.shares.shape
        uniform = rng.rand(num, height, width, 1, like=self.shares)
        indices = (self.shares.cumsum(-1) < uniform).sum(-1).clamp_max(self.quantizer.num_codes - 1)
        return self.quantizer.codes(indices).reshape(*sample_shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log of the probability of the nearest entries. value: (..., D, h, w)."""
        indices = indices_of(self.quantizer, value.reshape(-1, *self.event_shape)).flatten(1)
        log_shares = self.shares.flatten(0, 1).log()
        positions = torch.arange(len(log_shares), device=log_shares.device)
        return log_shares[positions, indices].sum(1).reshape(value.shape[:-3])


@register_kl(Certain, CodeGrid)
def _kl_certain(q: Certain, p: CodeGrid) -> Tensor:  # pyright: ignore[reportUnusedFunction]
    """−log p(z), what the code costs under the prior: van den Oord et al. 2017, section 3.1, for p as it is. In nats."""
    return -p.log_prob(q.mean)


def indices_of(quantizer: VectorQuantizer, z: Tensor) -> Tensor:
    """The nearest entries of vectors z (N, D, h, w): (N, h, w) int64."""
    vectors = z.movedim(1, -1)
    return nearest(vectors.reshape(-1, quantizer.code_size).float(), quantizer.codebook).reshape(vectors.shape[:-1])
