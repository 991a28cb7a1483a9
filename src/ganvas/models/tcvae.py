"""β-TCVAE: a VAE with a decomposed rate and a weight on its total correlation."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Player, Round, Terms
from ganvas.core.schedules import Schedule, as_schedule
from ganvas.probability.distributions import DiagonalNormal


class MinibatchWeights(ABC):
    """An estimator of the aggregate posterior q(z) = 1/N Σ_n q(z|n) from a batch: Σ_j W_ij q(z_i|x_j) for z_i ~ q(z|x_i).

    num_train: N, the examples of the training data.
    """

    @abstractmethod
    def log_weights(self, batch_size: int) -> Tensor:
        """log W, (B, B)."""


@dataclass(frozen=True)
class MinibatchWeighted(MinibatchWeights):
    """W = 1 / (N B): a lower bound of E log q(z), by about log N for each density. Chen et al. 2018, eq. 3."""

    num_train: int

    def log_weights(self, batch_size: int) -> Tensor:
        return torch.full((batch_size, batch_size), -math.log(self.num_train * batch_size))


@dataclass(frozen=True)
class MinibatchStratified(MinibatchWeights):
    """Unbiased for q(z). With M = B − 1: 1 / N for x_i itself, (N − M) / (N M) for one other, 1 / M for the rest.

    Chen et al. 2018, appendix C.2. (The authors' program puts the first two into the first two columns instead of the
    diagonal and its neighbour.)
    """

    num_train: int

    def log_weights(self, batch_size: int) -> Tensor:
        n, m = self.num_train, batch_size - 1
        if m == 0:
            return torch.zeros(1, 1)  # one example has no others
        weights = torch.full((batch_size, batch_size), 1 / m)
        i = torch.arange(batch_size)
        weights[i, i] = 1 / n
        weights[i, (i + 1) % batch_size] = max(n - m, 0) / (n * m)
        return weights.log()


class TCVAE(LatentVariableModel):
    """−E log p(x|z) + α I_q(z; n) + β KL(q(z) ‖ Π_d q(z_d)) + γ Σ_d KL(q(z_d) ‖ p(z_d))  (eq. 4).

    With α = β = γ = 1 the three sum to the VAE's rate, and this is the ELBO.

    encoder: (x (N, ...), y) to q(z|x), a diagonal normal. decoder: (z (N, L), y) to p(x|z).
    prior: a diagonal normal over codes.
    weights: the estimator of q(z) and q(z_d) from the batch.
    alpha, beta, gamma: weights of the mutual information, the total correlation and the dimension-wise rate; beta is a
        number or a schedule of images seen.

    Terms, in nats per example: distortion, mutual information, total correlation, dimension-wise rate.

    References: Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", https://arxiv.org/abs/1802.04942;
        program: rtqichen/beta-tcvae
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: nn.Module,
        weights: MinibatchWeights,
        beta: float | Schedule = 6.0,
        alpha: float = 1.0,
        gamma: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.weights = weights
        self.alpha, self.beta, self.gamma = alpha, as_schedule(beta), gamma

    def players(self) -> Sequence[Player]:
        return (Player("autoencoder", [self.encoder, self.decoder, self.prior], self.loss, role="autoencoder"),)

    def forward(self, batch: Batch) -> Round:
        q = self.encode(batch.x, batch.y)
        z = q.rsample()
        return Round(x=batch.x, q=q, z=z, p=self.decode(z, batch.y))

    def encode(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        return self.encoder(x, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z, y)

    def loss(self, r: Round) -> Terms:
        log_q_joint, log_q_product = self.aggregate(r.q, r.z)
        return {
            "distortion": -r.p.log_prob(r.x).mean(),
            "mutual information": self.alpha * (r.q.log_prob(r.z) - log_q_joint).mean(),
            "total correlation": self.beta(self.clock.images) * (log_q_joint - log_q_product).mean(),
            "dimension-wise rate": self.gamma * (log_q_product - self.prior().log_prob(r.z)).mean(),
        }

    def aggregate(self, q: DiagonalNormal, z: Tensor) -> tuple[Tensor, Tensor]:
        """log q(z) and log Π_d q(z_d) of each code, (N,) each, estimated from the batch."""
        log_weights = self.weights.log_weights(len(z)).to(z)
        each = log_normal(z.unsqueeze(1), q.loc, q.log_variance)  # (i, j, d): log q(z_id | x_j)
        joint = (log_weights + each.sum(2)).logsumexp(1)
        product = (log_weights.unsqueeze(2) + each).logsumexp(1).sum(1)
        return joint, product


def log_normal(value: Tensor, loc: Tensor, log_variance: Tensor) -> Tensor:
    """log N(value; loc, exp log_variance), elementwise."""
    square = (value - loc).square() * (-log_variance).exp()
    return -0.5 * (square + log_variance + math.log(2 * math.pi))
