"""An autoregressive prior over the tokens of a frozen VQ model: the second stage that makes its samples coherent."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.errors import GanvasError
from ganvas.probability.priors import Normal


class Autoregressive(Protocol):
    """A network of `networks.causal`: logits of each token from those before it, all at once or step by step."""

    def __call__(self, tokens: Tensor, y: Tensor | None = None) -> Tensor: ...

    def start(self, num: int, y: Tensor | None = None) -> Tensor: ...

    def embedded(self, token: Tensor) -> Tensor: ...

    def step(self, h: Tensor, place: int, memory: Any) -> tuple[Tensor, Any]: ...


class TokenPrior(FromCodes):
    """−log p(t | y) = −Σ_i log p(t_i | t_<i, y) over a grid of tokens, row by row.

    network: (tokens (N, places), y (N,)) to logits (N, places, K). grid: (h, w).
    A code is normal noise (h, w). A token is the quantile of its distribution at Φ(z): a code determines its sample.

    Terms, in nats per example: nll.

    References: van den Oord et al. 2017, "Neural Discrete Representation Learning", section 3.3, with a transformer as in
        Esser et al. 2021, "Taming Transformers", section 3.2, https://arxiv.org/abs/2012.09841
    """

    def __init__(self, network: Any, grid: Sequence[int]) -> None:
        super().__init__()
        self.network, self.prior = network, Normal(grid)
        self.sampling()

    def players(self) -> Sequence[Player]:
        return (Player("prior", [self.network], self.loss, role="density"),)

    def forward(self, batch: Batch) -> Round:
        tokens = batch.x.flatten(1)
        return Round(tokens=tokens, logits=self.network(tokens, batch.y))

    def loss(self, r: Round) -> Terms:
        return {"nll": F.cross_entropy(r.logits.flatten(0, 1), r.tokens.flatten(), reduction="sum") / len(r.tokens)}

    def sampling(self, *, truncation: float = 1.0, temperature: float = 1.0) -> None:
        """See `Model.sampling`.

        Args:
            truncation: each token is one of the most likely that together have this probability (nucleus, top-p).
            temperature: below 1 likely tokens become more likely; above 1 less.
        """
        if not 0 < truncation <= 1:
            raise GanvasError(f"A truncation of {truncation} is not possible.", "Use above 0 to 1 (none), such as 0.9.")
        if not temperature > 0:
            raise GanvasError(f"A temperature of {temperature} is not possible.", "Use above 0, such as 0.9.")
        self.nucleus, self.temperature = truncation, temperature

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Tokens (N, h, w) for codes z (N, h, w)."""
        network: Autoregressive = self.network
        quantiles = (0.5 * (1 + torch.erf(z.float() / 2**0.5))).flatten(1)
        h, memory, tokens = network.start(z.shape[0], y), None, list[Tensor]()
        for place in range(quantiles.shape[1]):
            logits, memory = network.step(h, place, memory)
            tokens.append(self.chosen(logits, quantiles[:, place]))
            h = network.embedded(tokens[-1])
        return torch.stack(tokens, 1).unflatten(1, z.shape[1:])

    def chosen(self, logits: Tensor, quantile: Tensor) -> Tensor:
        """The tokens (N,) at these quantiles (N,) of the distributions with these logits (N, K)."""
        p = (logits.float() / self.temperature).softmax(1)
        if self.nucleus < 1:
            p = in_nucleus(p, self.nucleus)
        return (p.cumsum(1) < quantile.unsqueeze(1) * p.sum(1, keepdim=True)).sum(1).clamp_max(p.shape[1] - 1)


def in_nucleus(p: Tensor, share: float) -> Tensor:
    """Probabilities (N, K), 0 but for the most likely ones that together have `share`. Holtzman et al. 2020, eq. 2."""
    ordered, order = p.sort(1, descending=True)
    kept = torch.where(ordered.cumsum(1) - ordered < share, ordered, 0.0)
    return torch.zeros_like(p).scatter(1, order, kept)
