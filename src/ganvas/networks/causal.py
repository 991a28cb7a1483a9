"""A causal transformer: each token's distribution depends on the tokens before it alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError, option
from ganvas.nn.conditioning import ClassEmbedding

Memory = list[tuple[Tensor, Tensor]]
"""Keys and values (N, heads, places, width / heads) of each block, of the places that were seen."""


class CausalTransformer(nn.Module):
    """Logits of each token from those before it, and from the class.

    num_tokens: different tokens, K. length: places. width: a multiple of heads, or GanvasError is raised.
    num_classes: that it is told; 0 for none.

    Called with tokens (N, places) and classes y (N,); returns logits (N, places, K). Those at place i do not depend on
    tokens from i on. `start` and `step` give the same logits one place at a time, in time linear in the places seen.

    References: Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762, with normalisation before
        each part (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3)
    """

    def __init__(
        self, num_tokens: int, length: int, width: int = 128, depth: int = 4, heads: int = 4, num_classes: int = 0
    ) -> None:
        super().__init__()
        if width < heads or width % heads:
            raise GanvasError(
                f"A transformer of width {width} cannot have {heads} heads.",
                f"Use a {option('width')} that {heads} divides.",
            )
        self.tokens = nn.Embedding(num_tokens, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.classes = ClassEmbedding(num_classes, width) if num_classes else None
        self.begin = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(CausalBlock(width, heads) for _ in range(depth))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, num_tokens)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: Tensor, y: Tensor | None = None) -> Tensor:
        h = torch.cat([self.start(tokens.shape[0], y), self.tokens(tokens[:, :-1])], 1) + self.places
        for block in self.blocks:
            h, _ = block(h)
        return self.logits(self.norm(h))

    def start(self, num: int, y: Tensor | None = None) -> Tensor:
        """What stands before the first token, (num, 1, width)."""
        begin = self.begin.expand(num, 1, -1)
        return begin if self.classes is None else begin + self.classes(y).unsqueeze(1)

    def embedded(self, token: Tensor) -> Tensor:
        """Tokens (N,) as inputs of the next step, (N, 1, width)."""
        return self.tokens(token).unsqueeze(1)

    def step(self, h: Tensor, place: int, memory: Memory) -> tuple[Tensor, Memory]:
        """Logits (N, K) at a place, and the memory with it. h: `start` at place 0, later the `embedded` token before it."""
        h, kept = h + self.places[place], Memory()
        for number, block in enumerate(self.blocks):
            h, seen = block(h, memory[number] if memory else None)
            kept.append(seen)
        return self.logits(self.norm(h))[:, 0], kept


class CausalBlock(nn.Module):
    """h + attention(norm(h)) to this place and those before it, then h + dense(norm(h)). h: (N, places, width).

    seen: keys and values of earlier places; then h has one place. Returns the new h, and keys and values with those of h.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Tensor, seen: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = self.query_key_value(self.norm1(h)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if seen is not None:
            k, v = torch.cat([seen[0], k], 2), torch.cat([seen[1], v], 2)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=seen is None and h.shape[1] > 1)
        h = h + self.output(attended.transpose(1, 2).flatten(2))
        return h + self.narrow(F.gelu(self.wide(self.norm2(h)))), (k, v)
