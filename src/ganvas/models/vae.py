"""Auto-encoding variational Bayes: encoder and decoder maximise a lower bound on log p(x)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Player, Round, Terms
from ganvas.core.schedules import Schedule, as_schedule


class VAE(LatentVariableModel):
    """−ELBO = E_q(z|x) [−log p(x|z)] + β KL(q(z|x) ‖ p(z)).

    encoder: (x (N, ...), y) to q(z|x). decoder: (z (N, L), y) to p(x|z).
    beta: 1 is the ELBO, more is β-VAE; a number or a schedule of images seen (warm-up).
    free_bits: nats of rate without cost, divided evenly over the code's dimensions, for the batch's mean rate of each.
        Kingma et al. 2016, appendix C.8.

    Terms, in nats per example: distortion −log p(x|z), rate β KL.

    References:
        Kingma & Welling 2014, "Auto-Encoding Variational Bayes", https://arxiv.org/abs/1312.6114
        Higgins et al. 2017, "β-VAE", https://openreview.net/forum?id=Sy2fzU9gl
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: nn.Module,
        beta: float | Schedule = 1.0,
        free_bits: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.beta = as_schedule(beta)
        self.free_bits = free_bits

    def players(self) -> Sequence[Player]:
        return (
            Player("autoencoder", [self.encoder, self.decoder, self.prior], self.negative_elbo, role="autoencoder"),
        )

    def forward(self, batch: Batch) -> Round:
        q = self.encode(batch.x, batch.y)
        z = q.rsample()
        return Round(x=batch.x, q=q, z=z, p=self.decode(z, batch.y))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z, y)

    def negative_elbo(self, r: Round) -> Terms:
        return {"distortion": -r.p.log_prob(r.x).mean(), "rate": self.beta(self.clock.images) * self.rate(r.q, r.z)}

    def rate(self, q: Distribution, z: Tensor) -> Tensor:
        """KL(q ‖ p), mean over the batch, z ~ q. With free bits, each dimension counts at least its share of them."""
        if self.free_bits == 0:
            return divergence(q, self.prior(), z).mean()
        each = kl_per_dimension(q, self.prior()).mean(0)
        return each.clamp_min(self.free_bits / each.numel()).sum()


def divergence(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    """KL(q ‖ p) for each example, (N,) nats: in closed form if known, else estimated from one sample z ~ q."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return q.log_prob(z) - p.log_prob(z)


def kl_per_dimension(q: Distribution, p: Distribution) -> Tensor:
    """KL of each code dimension, (N, L), for diagonal normals q (N, L) and p (L,). In nats."""
    ratio = torch.log(q.variance / p.variance)
    return 0.5 * (ratio.exp() + (q.mean - p.mean).square() / p.variance - 1 - ratio)
