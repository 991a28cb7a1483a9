"""FactorVAE: a VAE with a critic of shuffled codes, which keeps q(z) close to the product of its marginals."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Player, Round, Terms
from ganvas.losses.adversarial import NonSaturating
from ganvas.machine import rng


class FactorVAE(LatentVariableModel):
    """−ELBO + γ TC(z),  TC(z) = KL(q(z) ‖ Π_j q(z_j)) ≈ E_q log D(z) / (1 − D(z)).

        autoencoder    minimises   −log p(x|z) + KL(q(z|x) ‖ p(z)) + γ log D(z)/(1 − D(z)),   z ~ q(z|x)
        discriminator  minimises   ½ [−log D(z) − log(1 − D(z'))],   z' = permute_dims of codes of the other half

    (eq. 2-3, algorithm 2). Each batch is split: the autoencoder uses the first half, and shuffled codes come from the
    second. So D's two kinds of codes are independent.

    encoder: (x, y) to q(z|x). decoder: (z, y) to p(x|z). critic: z (N, L) to scores (N,), log D/(1 − D).
    gamma: weight of the total correlation.

    Terms, in nats per example: distortion, rate, total correlation (times γ).

    References: Kim & Mnih 2018, "Disentangling by Factorising", https://arxiv.org/abs/1802.05983
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, critic: nn.Module, prior: nn.Module, gamma: float = 10.0
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.critic, self.prior = encoder, decoder, critic, prior
        self.gamma = gamma
        self.loss = NonSaturating()

    def players(self) -> Sequence[Player]:
        return (
            Player("autoencoder", [self.encoder, self.decoder], self.autoencoder_loss, role="autoencoder"),
            Player("discriminator", [self.critic], self.discriminator_loss, role="critic"),
        )

    def forward(self, batch: Batch) -> Round:
        n = len(batch)
        # In an odd batch the middle example is in both halves; a batch of one is both halves.
        first, second = slice((n + 1) // 2), slice(n // 2, n)
        y = (None, None) if batch.y is None else (batch.y[first], batch.y[second])
        q = self.encode(batch.x[first], y[0])
        return Round(x=batch.x[first], y=y[0], q=q, z=q.rsample(), other=(batch.x[second], y[1]))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z, y)

    def autoencoder_loss(self, r: Round) -> Terms:
        return {
            "distortion": -self.decode(r.z, r.y).log_prob(r.x).mean(),
            "rate": kl_divergence(r.q, self.prior()).mean(),
            "total correlation": self.gamma * self.critic(r.z).mean(),
        }

    def discriminator_loss(self, r: Round) -> Terms:
        shuffled = permute_dims(self.encode(*r.other).rsample())
        return {"adversarial": 0.5 * self.loss.critic(self.critic(r.z), self.critic(shuffled))}


def permute_dims(z: Tensor) -> Tensor:
    """Each dimension of z (N, L) shuffled independently over the batch: draws from Π_j q(z_j). Kim & Mnih 2018, alg. 1."""
    return z.gather(0, rng.rand(*z.shape, like=z).argsort(dim=0))
