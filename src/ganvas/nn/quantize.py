"""Vector quantisation: replaces a vector by the nearest entry of a learned codebook."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.machine import rng
from ganvas.machine.precision import full, unmixed


@dataclass(frozen=True)
class Quantized:
    """What a quantiser returns for z_e (N, D) or (N, D, H, W).

    z: the codes, with the shape of z_e; its gradient passes to z_e unchanged (straight-through).
    indices: of the entries, (N,) or (N, H, W), int64.
    commitment: ||z_e - sg[e]||², summed over dimensions, (N,).
    codebook: ||sg[z_e] - e||², summed over dimensions, (N,); zero if moving averages update the codebook.
    counts: how often each entry was used, in this process, (num_codes,).
    vectors: the rows of z_e, without a gradient, (M, D); what `VectorQuantizer.follow` learns from.
    """

    z: Tensor
    indices: Tensor
    commitment: Tensor
    codebook: Tensor
    counts: Tensor
    vectors: Tensor

    @property
    def perplexity(self) -> Tensor:
        """exp of the entropy of the counts: the effective number of entries, from 1 to num_codes."""
        return perplexity(self.counts)


class VectorQuantizer(nn.Module, ABC):
    """The common part of both quantisers: nearest entries, k-means initialisation, revival of unused entries.

    z_e: (N, code_size) or (N, code_size, H, W). Computed in float32.

    `follow` moves the codebook after a step; `forward` changes nothing. The first call of `follow` starts the codebook by
    k-means. Later an entry whose averaged use falls below `revive_below` of its equal share is put on an encoder output
    of the batch, chosen at random (the random restarts of Dhariwal et al. 2020). It sees the batches of all processes, in
    the order of their ranks. So the result is what one process computes, if all have equally many vectors.

    `tally` (num_codes,) counts how often each entry was used in training, until `tally_anew`. Averaged use would not do:
    a revived entry is given a share of it before it was used at all.
    """

    codebook: Tensor
    usage: Tensor
    tally: Tensor
    initialised: Tensor

    def __init__(self, num_codes: int, code_size: int, decay: float = 0.99, revive_below: float = 0.1) -> None:
        super().__init__()
        self.num_codes, self.code_size, self.decay, self.revive_below = num_codes, code_size, decay, revive_below
        self.register_buffer("usage", torch.zeros(num_codes))
        self.register_buffer("tally", torch.zeros(num_codes))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))

    @abstractmethod
    def place(self, entries: Tensor, chosen: Tensor) -> None:
        """Sets the `chosen` (K,) entries of the codebook to `entries` (K, D); `usage` is already set."""

    @abstractmethod
    def average(self, sums: Tensor) -> None:
        """Updates the codebook after `usage`. sums: (K, D), the sum of the vectors assigned to each entry."""

    @abstractmethod
    def codebook_term(self, squared: Tensor) -> Tensor:
        """The codebook's own loss, given ||sg[z_e] - e||² (N,)."""

    @final
    def forward(self, z_e: Tensor) -> Quantized:
        with unmixed(z_e):
            vectors = full(z_e.movedim(1, -1))
            flat = vectors.detach().reshape(-1, self.code_size)
            indices = nearest(flat, self.codebook)
            e = F.embedding(indices, self.codebook).reshape(vectors.shape)
            commitment = (vectors - e.detach()).square().flatten(1).sum(1)
            codebook = self.codebook_term((vectors.detach() - e).square().flatten(1).sum(1))
            z = vectors + (e - vectors).detach()
            counts = torch.bincount(indices, minlength=self.num_codes).to(flat.dtype)
        z = z.movedim(-1, 1).to(z_e.dtype)
        return Quantized(z, indices.reshape(vectors.shape[:-1]), commitment, codebook, counts, flat)

    @final
    @torch.no_grad()
    def follow(self, quantized: Quantized) -> None:
        """Moves the codebook towards what `forward` saw in training, or starts it from that."""
        with unmixed(quantized.vectors):
            if self.initialised:
                self._learn(quantized.vectors, quantized.indices.flatten(), quantized.counts.clone())
            else:
                self._start(quantized.vectors)

    @final
    def codes(self, indices: Tensor) -> Tensor:
        """The entries for indices (N,) or (N, H, W): (N, D) or (N, D, H, W)."""
        return F.embedding(indices, self.codebook).movedim(-1, 1)

    @final
    def tallied(self) -> dict[str, Tensor]:
        """The share of used entries and the perplexity of the tally; NaN if the tally is empty."""
        return {"codebook_use": (self.tally > 0).float().mean(), "codebook_perplexity": perplexity(self.tally)}

    @final
    def tally_anew(self) -> None:
        self.tally.zero_()

    def _start(self, flat: Tensor) -> None:
        centres, counts = k_means(_of_all(flat), self.num_codes)
        _from_first(centres)
        _from_first(counts)
        self.usage.copy_(counts)
        self.place(centres, torch.ones_like(counts, dtype=torch.bool))
        self.initialised.fill_(True)

    def _learn(self, flat: Tensor, indices: Tensor, counts: Tensor) -> None:
        sums = torch.zeros_like(self.codebook).index_add_(0, indices, flat)
        candidates = _drawn_from_all(flat, self.num_codes)
        _sum_over_processes(counts, sums, candidates)
        self.tally += counts
        self.usage.lerp_(counts, 1 - self.decay)
        self.average(sums)
        share = counts.sum() / self.num_codes
        dead = self.usage < self.revive_below * share
        # Starting at an equal share gives a revived entry time to attract vectors.
        self.usage.copy_(torch.where(dead, share, self.usage))
        self.place(candidates, dead)


@final
class EMAQuantizer(VectorQuantizer):
    """A codebook updated by moving averages of encoder outputs. van den Oord et al. 2017, appendix A.1.

    N_i <- γ N_i + (1 - γ) n_i,   m_i <- γ m_i + (1 - γ) Σ_j z_ij,   e_i = m_i / N_i        (eq. 6-8)
    """

    sums: Tensor

    def __init__(self, num_codes: int, code_size: int, decay: float = 0.99, revive_below: float = 0.1) -> None:
        super().__init__(num_codes, code_size, decay, revive_below)
        self.register_buffer("codebook", torch.randn(num_codes, code_size))
        self.register_buffer("sums", torch.zeros(num_codes, code_size))

    def place(self, entries: Tensor, chosen: Tensor) -> None:
        self.codebook.copy_(torch.where(chosen[:, None], entries, self.codebook))
        self.sums.copy_(torch.where(chosen[:, None], entries * self.usage[:, None], self.sums))

    def average(self, sums: Tensor) -> None:
        self.sums.lerp_(sums, 1 - self.decay)
        # An unused entry does not move: both averages vanish, and their quotient has no meaning.
        used = self.usage[:, None] > 1e-5
        self.codebook.copy_(torch.where(used, self.sums / self.usage[:, None].clamp(min=1e-5), self.codebook))

    def codebook_term(self, squared: Tensor) -> Tensor:
        return torch.zeros_like(squared)


@final
class GradientQuantizer(VectorQuantizer):
    """A codebook trained by its own term, ||sg[z_e] - e||². van den Oord et al. 2017, eq. 3."""

    def __init__(self, num_codes: int, code_size: int, decay: float = 0.99, revive_below: float = 0.1) -> None:
        super().__init__(num_codes, code_size, decay, revive_below)
        self.codebook = nn.Parameter(torch.randn(num_codes, code_size))

    def place(self, entries: Tensor, chosen: Tensor) -> None:
        self.codebook.copy_(torch.where(chosen[:, None], entries, self.codebook))

    def average(self, sums: Tensor) -> None:
        """Does nothing: the optimiser updates the codebook."""

    def codebook_term(self, squared: Tensor) -> Tensor:
        return squared


def perplexity(counts: Tensor) -> Tensor:
    """exp of the entropy of counts (K,): 1 if only one entry was used, K if all were used equally."""
    return torch.special.entr(counts / counts.sum()).sum().exp()


def nearest(flat: Tensor, codebook: Tensor) -> Tensor:
    """The index of the nearest row of codebook (K, D) for each row of flat (M, D): (M,) int64."""
    with torch.no_grad():
        # ||z - e||² without ||z||², which does not depend on e.
        return (codebook.square().sum(1) - 2 * flat @ codebook.T).argmin(dim=1)


@torch.no_grad()
def k_means(flat: Tensor, k: int, rounds: int = 10) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from a k-means++ start (Arthur & Vassilvitskii 2007). flat: (M, D).

    Returns centres (k, D) and their numbers of rows (k,), scaled to a sum of M. Uses at most 16 k rows.
    """
    rows = flat[rng.permutation(len(flat), flat.device)[: 16 * k]]
    centres = _spread_start(rows, k)
    counts = torch.zeros(k, device=flat.device)
    for _ in range(rounds):
        indices = nearest(rows, centres)
        counts = torch.bincount(indices, minlength=k).to(rows.dtype)
        sums = torch.zeros_like(centres).index_add_(0, indices, rows)
        centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centres)
    return centres, counts * (len(flat) / len(rows))


def _spread_start(rows: Tensor, k: int) -> Tensor:
    """k rows, each drawn with a probability proportional to its squared distance from those before it."""
    chosen = [rows[rng.integers(len(rows), device=rows.device)]]
    distance = (rows - chosen[0]).square().sum(1)
    for _ in range(k - 1):
        # With fewer distinct rows than entries all distances become 0: then any row is valid.
        weights = torch.where(distance.sum() > 0, distance, torch.ones_like(distance))
        chosen.append(rows[rng.index(weights)])
        distance = torch.minimum(distance, (rows - chosen[-1]).square().sum(1))
    return torch.stack(chosen)


def _drawn_from_all(flat: Tensor, num: int) -> Tensor:
    """`num` rows drawn from all processes, (num, D): this process's rows, and 0 for rows of other processes."""
    rank, size = _place()
    drawn = rng.integers(size * len(flat), num, device=flat.device)
    if size == 1:
        return flat[drawn]
    _from_first(drawn)
    own = (drawn // len(flat) == rank)[:, None]
    return torch.where(own, flat[drawn % len(flat)], 0.0)


def _place() -> tuple[int, int]:
    """This process's rank, and the number of processes."""
    together = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if together else (0, 1)


def _of_all(flat: Tensor) -> Tensor:
    """The rows of all processes, in rank order."""
    _, size = _place()
    if size == 1:
        return flat
    parts = [torch.empty_like(flat) for _ in range(size)]
    dist.all_gather(parts, flat.contiguous())
    return torch.cat(parts)


def _sum_over_processes(*values: Tensor) -> None:
    """Replaces each by its sum over all processes, in one message."""
    if _place()[1] == 1:
        return
    message = torch.cat([v.reshape(-1) for v in values])
    dist.all_reduce(message)
    for value, summed in zip(values, message.split([v.numel() for v in values]), strict=True):
        value.copy_(summed.view_as(value))


def _from_first(values: Tensor) -> None:
    if _place()[1] > 1:
        dist.broadcast(values, src=0)
