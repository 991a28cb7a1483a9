"""Self-attention between the pixels of a feature map."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """h + γ·attention(h), with γ learned from 0. h: (N, C, H, W). Returns a tensor shaped as h.

    Zhang et al. 2019, eq. 1-3. As in the authors' code, keys and values are max-pooled to a quarter of the positions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        small, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = nn.Conv2d(channels, small, 1, bias=False)
        self.key = nn.Conv2d(channels, small, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.output = nn.Conv2d(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        q = self.query(h).flatten(2)
        k = F.max_pool2d(self.key(h), 2).flatten(2)
        v = F.max_pool2d(self.value(h), 2).flatten(2)
        # Not fused: fused kernels have no second derivative, and gradient penalties need one.
        weights = torch.einsum("ncq,nck->nqk", q, k).softmax(dim=2)
        attended = torch.einsum("nck,nqk->ncq", v, weights).unflatten(2, h.shape[2:])
        return h + self.gamma * self.output(attended)
