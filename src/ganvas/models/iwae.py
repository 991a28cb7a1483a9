"""Importance weighted autoencoders: a VAE with a tighter bound, from k codes for each example."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Player, Round, Terms
from ganvas.errors import GanvasError
from ganvas.probability.distributions import DiagonalNormal

Estimator = Callable[[Tensor, DiagonalNormal, Tensor], Tensor]
"""From log p(x, z) (k, N), q(z|x) and codes z ~ q (k, N, L) to log 1/k Σᵢ wᵢ, (N,), wᵢ = p(x, zᵢ) / q(zᵢ|x).

Estimators have the same value, but different gradients in q's parameters φ."""


class IWAE(LatentVariableModel):
    """−L_k = −E log 1/k Σᵢ wᵢ,  wᵢ = p(x|zᵢ) p(zᵢ) / q(zᵢ|x),  zᵢ ~ q(z|x), i = 1 … k  (eq. 8).

    L_1 is the ELBO; L_k ≤ L_{k+1} ≤ log p(x) (theorem 1).

    encoder: (x (N, ...), y) to q(z|x), a diagonal normal. decoder: (z (N, L), y) to p(x|z).
    k: codes for each example. estimator: of the gradient; by default the paper's own.

    Terms, in nats per example: bound −L_k.

    References:
        Burda et al. 2016, "Importance Weighted Autoencoders", https://arxiv.org/abs/1509.00519
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: nn.Module,
        k: int = 5,
        estimator: Estimator | None = None,
    ) -> None:
        super().__init__()
        if k < 1:
            raise GanvasError(
                f"The number of codes for each example must be at least 1, not {k}.", "Choose k of 1 or more."
            )
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.k = k
        self.estimator = estimator or reparameterised

    def players(self) -> Sequence[Player]:
        return (
            Player("autoencoder", [self.encoder, self.decoder, self.prior], self.negative_bound, role="autoencoder"),
        )

    def forward(self, batch: Batch) -> Round:
        q = self.encode(batch.x, batch.y)
        z = q.rsample((self.k,))
        return Round(q=q, z=z, log_joint=self.log_joint(batch.x, z, batch.y))

    def encode(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        return self.encoder(x, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z, y)

    def log_joint(self, x: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
        """log p(x|z) + log p(z), (k, N), for codes z (k, N, L) of examples x (N, ...)."""
        k, n = z.shape[:2]
        p = self.decode(z.flatten(0, 1), None if y is None else y.repeat(k))
        log_likelihood = p.log_prob(x.expand(k, *x.shape).flatten(0, 1)).unflatten(0, (k, n))
        return log_likelihood + self.prior().log_prob(z)

    def negative_bound(self, r: Round) -> Terms:
        return {"bound": -self.estimator(r.log_joint, r.q, r.z).mean()}


def reparameterised(log_joint: Tensor, q: DiagonalNormal, z: Tensor) -> Tensor:
    """The gradient of the bound itself. Burda et al. 2016, eq. 13."""
    return log_mean_exp(log_joint - q.log_prob(z))


def sticking_the_landing(log_joint: Tensor, q: DiagonalNormal, z: Tensor) -> Tensor:
    """Without the score ∂ log q(z|x)/∂φ at fixed z: less variance, and none if q is the true posterior.

    Unbiased for k = 1. For k > 1 the score's mean is not 0, so leaving it out gives a bias in φ (Tucker et al. 2019,
    section 3.3). Roeder et al. 2017, "Sticking the Landing", https://arxiv.org/abs/1703.09194
    """
    return log_mean_exp(log_joint - constant(q).log_prob(z))


def doubly_reparameterised(log_joint: Tensor, q: DiagonalNormal, z: Tensor) -> Tensor:
    """∇_φ = Σᵢ (wᵢ / Σⱼ wⱼ)² ∂log wᵢ/∂zᵢ ∂zᵢ/∂φ, unbiased for every k; the decoder's gradient is the bound's own.

    Tucker et al. 2019, "Doubly Reparameterized Gradient Estimators", eq. 8, https://arxiv.org/abs/1810.04152
    """
    log_w = log_joint - constant(q).log_prob(z)
    share = log_w.detach().softmax(0).unsqueeze(-1)
    if z.requires_grad:
        # The log of the mean gives one factor wᵢ / Σⱼ wⱼ to z; this is the second one, on the path from z to φ.
        z.register_hook(lambda g: share * g)
    return log_mean_exp(log_w)


def constant(q: DiagonalNormal) -> DiagonalNormal:
    """q with a stop-gradient on its parameters."""
    return DiagonalNormal(q.loc.detach(), q.log_variance.detach())


def log_mean_exp(log_w: Tensor) -> Tensor:
    """log 1/k Σᵢ wᵢ over the first dimension."""
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))
