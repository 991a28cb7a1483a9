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
    """Independent categoricals over entries, one for each position of the grid: recent frequencies of entries.

    It does not model how entries depend on each other, so samples look like patchwork. A prior with context is a separate
    model, fitted later.

    quantizer: with the entries. grid: (h, w). decay: of the moving average over training batches.
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
        """Updates the shares with a batch's indices (N, h, w), over all processes."""
        rows = indices.flatten(1).T  # (h w, N)
        counts = torch.zeros_like(self.shares).flatten(0, 1)
        counts.scatter_add_(1, rows, torch.ones_like(rows, dtype=counts.dtype))
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(counts)
        self.shares.lerp_((counts / counts.sum(1, keepdim=True)).view_as(self.shares), 1 - self.decay)


class CodeGrid(Unchecked):
    """Entries drawn independently at each position. Events are their vectors, (D, h, w).

    shares: (h, w, num_codes), each position's summing to 1. 10⁻⁷ is added to every entry, so none is impossible.
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
    """−log p(z), the code's cost under the prior, in nats: van den Oord et al. 2017, section 3.1, for the current p."""
    return -p.log_prob(q.mean)


def indices_of(quantizer: VectorQuantizer, z: Tensor) -> Tensor:
    """The nearest entries of vectors z (N, D, h, w): (N, h, w) int64."""
    vectors = z.movedim(1, -1)
    return nearest(vectors.reshape(-1, quantizer.code_size).float(), quantizer.codebook).reshape(vectors.shape[:-1])
