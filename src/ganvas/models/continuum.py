"""From a VAE to a GAN by one number: the weight of the discriminator in the decoder's loss."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Lazy, Player, Round, Terms
from ganvas.core.order import Simultaneous
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.losses.penalties import Penalty
from ganvas.losses.reconstruction import optimal_scale
from ganvas.models.vaegan import repeated


class Continuum(Autoencoder):
    """Three players, one forward. x̂ = G(z), z ~ q(z|x); x̃ = G(z_p), z_p ~ p(z); D dimensions of x; 0 ≤ w ≤ 1.

        encoder          minimises   β KL(q(z|x) ‖ p(z)) − log p(x|z)
        decoder          minimises   −(1 − w) log p(x|z) / D + w [fool the discriminator with x̂ and x̃]
        discriminator    minimises   [tell x from x̂ and x̃]

    w = 0 is the VAE: encoder and decoder minimise the negative ELBO (Adam is invariant to the factor 1/D of the decoder's
    part). The discriminator learns, but has no effect. w = 1 is a GAN: the decoder has no reconstruction term, and the
    encoder only learns to invert it. Between them is a VAE-GAN with an error in pixels.

    A middle w has a meaning because both of the decoder's terms are nats of similar size: of one dimension of x, and of one
    decision real or generated. With p(x|z) = N(x̂, σ²I) and the best-fitting σ, −log p(x|z) / D = ½ log(mean squared error).
    Its gradient in x̂ has length 1/√(D · mean squared error). So has the gradient of a discriminator that separates x̂ from x
    by a step as long as their distance, for any unit and size of x.

    encoder: (x, y) to q(z|x). decoder: (z, y) to x, without batch normalisation: x̂ and x̃ share a pass, and with a norm
        over the batch w = 0 would not be the VAE. critic: (x, y) to scores (N,).
    weight: w. distance: −log p(x|z) of x and x̂, nats per example. penalties: on the discriminator's gradient.

    Terms: rate and distortion of the encoder in nats per example; distortion of the decoder in nats per dimension;
    adversarial in nats per example.

    References: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric",
        https://arxiv.org/abs/1512.09300; Blau & Michaeli 2018, "The Perception-Distortion Tradeoff",
        https://arxiv.org/abs/1711.06077, section 5 weighs distortion against an adversarial term in the same way
    """

    order = Simultaneous()

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        weight: float,
        loss: Adversarial | None = None,
        distance: Callable[[Tensor, Tensor], Tensor] = optimal_scale,
        beta: float = 1.0,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__()
        assert 0 <= weight <= 1, weight
        self.encoder, self.decoder, self.critic, self.prior = encoder, decoder, critic, prior
        self.loss = loss or NonSaturating()
        self.weight, self.distance, self.beta = weight, distance, beta
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
        z = torch.cat([q.rsample(), self.prior().sample((n,))])
        fake = self.decoder(z, repeated(y, 2))
        score = self.critic(torch.cat([x, fake]), repeated(y, 3))
        real = score[:n].repeat(2)  # equally many real and generated scores, for paired losses
        return Round(x=x, y=y, q=q, fake=fake, distortion=self.distance(x, fake[:n]), real=real, scored_fake=score[n:])

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z, y)

    def encoder_loss(self, r: Round) -> Terms:
        return {"rate": self.beta * kl_divergence(r.q, self.prior()).mean(), "distortion": r.distortion}

    def decoder_loss(self, r: Round) -> Terms:
        return {
            "distortion": (1 - self.weight) * r.distortion / r.x[0].numel(),
            "adversarial": self.weight * self.loss.generator(r.real, r.scored_fake),
        }

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return r.real, r.scored_fake

    def discriminator_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(r.real, r.scored_fake)}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: penalty(self.critic, r.x, r.fake[len(r.x) :], r.y)}
