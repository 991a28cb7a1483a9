"""Adversarial variational Bayes: a critic estimates log q/p, so the posterior needs no density."""

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Player, Round, Terms
from ganvas.losses.adversarial import NonSaturating
from ganvas.machine import rng
from ganvas.probability.distributions import DiagonalNormal


class NoisyEncoder(Protocol):
    """x (N, ...), noise (N, S, noise_size), y (N,) to S codes per example, (N, S, L)."""

    noise_size: int

    def __call__(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor: ...


class AVB(LatentVariableModel):
    """z_q = E(x, ε), ε ~ N(0, I), defines q(z|x); z_p ~ p(z).

        critic T                 minimises   −log σ(T(x, z_q)) − log(1 − σ(T(x, z_p)))
        autoencoder (E, decoder) minimises   T(x, z_q) − log p(x|z_q)

    (algorithm 1). At its optimum T(x, z) = log q(z|x) − log p(z) (proposition 1), whose mean under q is the rate; and
    E ∇T = 0 there (proposition 2), so E needs the gradient through z only, with T frozen.

    encoder: a `NoisyEncoder`. decoder: (z, y) to p(x|z). critic: (x, z, y) to T (N,).
    posterior_samples: draws, with fixed noise, for the mean and variance of q in `encode`. The returned Gaussian replaces q
        if a density is needed. As the proposal of importance sampling it bounds log p(x).

    Terms, in nats per example: distortion −log p(x|z), estimated rate T.

    References: Mescheder et al. 2017, "Adversarial Variational Bayes", https://arxiv.org/abs/1701.04722
    """

    probes: Tensor

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, critic: nn.Module, prior: nn.Module, posterior_samples: int = 32
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.critic, self.prior = encoder, decoder, critic, prior
        self.loss = NonSaturating()
        self.noise_size = cast(NoisyEncoder, encoder).noise_size
        probes = torch.randn(posterior_samples, self.noise_size, generator=rng.generator("posterior samples"))
        self.register_buffer("probes", probes, persistent=False)

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critic], self.critic_loss, role="critic"),
            Player("autoencoder", [self.encoder, self.decoder], self.negative_elbo, role="autoencoder"),
        )

    def forward(self, batch: Batch) -> Round:
        noise = rng.randn(len(batch), 1, self.noise_size, like=batch.x)
        return Round(x=batch.x, y=batch.y, z=self.encoder(batch.x, noise, batch.y).squeeze(1))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        z = self.encoder(x, self.probes.expand(x.shape[0], -1, -1), y)
        return DiagonalNormal(z.mean(1), (z.var(1) + 1e-8).log())  # codes that ignore the noise have zero variance

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z, y)

    def critic_loss(self, r: Round) -> Terms:
        z_prior = self.prior().sample((len(r.x),))
        posterior, prior = self.critic(r.x, r.z, r.y), self.critic(r.x, z_prior, r.y)
        return {"adversarial": self.loss.critic(posterior, prior)}

    def negative_elbo(self, r: Round) -> Terms:
        return {
            "distortion": -self.decode(r.z, r.y).log_prob(r.x).mean(),
            "estimated rate": self.critic(r.x, r.z, r.y).mean(),
        }
