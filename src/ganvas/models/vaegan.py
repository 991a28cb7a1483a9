"""Autoencoding beyond pixels: a VAE with its reconstruction error in features of a GAN's discriminator."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, FeatureCritic, Lazy, Player, Round, Terms
from ganvas.core.order import Simultaneous
from ganvas.core.schedules import Schedule, as_schedule
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.losses.penalties import Penalty
from ganvas.losses.reconstruction import unit_scale


class VAEGAN(Autoencoder):
    """Three players, one forward. x̂ = G(z), z ~ q(z|x); x̃ = G(z_p), z_p ~ p(z); D_l a hidden layer of D.

        encoder          minimises   β KL(q(z|x) ‖ p(z)) − log p(D_l(x) | z)
        decoder          minimises   −γ log p(D_l(x) | z) + (1 − γ) [fool D with x̂ and x̃]
        discriminator    minimises   [tell x from x̂ and x̃]

    with p(D_l(x) | z) = N(D_l(x); D_l(x̂), σ²I) (algorithm 1 and eq. 7). As in the authors' program, real and
    generated examples have equal weight in D's loss, and the weights are γ and 1 − γ.

    encoder: (x, y) to q(z|x). decoder: (z, y) to x. critic: with features(x, y) and head(h, y).
    distance: −log p(h | ĥ) of features (N, F), up to a constant; `unit_scale` is the paper's σ = 1, `optimal_scale` the σ
        that fits best, for critics with features of no fixed scale.
    gamma: γ, the weight of reconstruction in the decoder's loss.
    penalties: on the discriminator's gradient.

    Terms, in nats per example: rate, feature distance, adversarial.

    References: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric",
        https://arxiv.org/abs/1512.09300; program: andersbll/autoencoding_beyond_pixels
    """

    order = Simultaneous()

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        distance: Callable[[Tensor, Tensor], Tensor] = unit_scale,
        beta: float | Schedule = 1.0,
        gamma: float = 1e-2,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.critic, self.prior = encoder, decoder, critic, prior
        self.loss = loss or NonSaturating()
        self.distance, self.beta, self.gamma = distance, as_schedule(beta), gamma
        self.penalties = tuple(penalties)

    def players(self) -> Sequence[Player]:
        lazy = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        return (
            Player("encoder", [self.encoder], self.encoder_loss, role="encoder"),
            Player("decoder", [self.decoder], self.decoder_loss, role="decoder"),
            Player("discriminator", [self.critic], self.discriminator_loss, lazy=lazy, role="critic"),
        )

    def forward(self, batch: Batch) -> Round:
        x, y, n = batch.x, batch.y, len(batch)
        q = self.encode(x, y)
        # One pass for x̂ and x̃, so that a batch normalisation treats both equally. The encoder's loss has no adversarial
        # term, so fooling D does not move the encoder.
        z = torch.cat([q.rsample(), self.prior().sample((n,))])
        fake = self.decoder(z, repeated(y, 2))
        critic = cast(FeatureCritic, self.critic)
        h = critic.features(torch.cat([x, fake]), repeated(y, 3))
        score = critic.head(h, repeated(y, 3))
        real = score[:n].repeat(2)  # equally many real and generated scores, for paired losses
        return Round(x=x, y=y, q=q, fake=fake, h=h[:n], h_hat=h[n : 2 * n], real=real, scored_fake=score[n:])

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z, y)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return r.real, r.scored_fake

    def encoder_loss(self, r: Round) -> Terms:
        rate = self.beta(self.clock.images) * kl_divergence(r.q, self.prior()).mean()
        return {"rate": rate, "feature distance": self.distance(r.h, r.h_hat)}

    def decoder_loss(self, r: Round) -> Terms:
        return {
            "feature distance": self.gamma * self.distance(r.h, r.h_hat),
            "adversarial": (1 - self.gamma) * self.loss.generator(r.real, r.scored_fake),
        }

    def discriminator_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(r.real, r.scored_fake)}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: penalty(self.critic, r.x, r.fake[len(r.x) :], r.y)}


def repeated(y: Tensor | None, times: int) -> Tensor | None:
    return None if y is None else y.repeat(times)
