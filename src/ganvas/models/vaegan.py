"""Autoencoding beyond pixels: a VAE whose error is measured by a GAN's discriminator, which learns to see as it is fooled."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.batch import Batch
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.model import Autoencoder, FeatureCritic, Player, Round, Terms
from ganvas.schedules import Schedule, as_schedule


class VAEGAN(Autoencoder):
    """Three players of one forward. x̂ = G(z), z ~ q(z|x); x̃ = G(z_p), z_p ~ p(z); D_l a hidden layer of D.

        encoder          minimises   β KL(q(z|x) ‖ p(z)) + ½‖D_l(x) − D_l(x̂)‖²
        decoder          minimises   γ ½‖D_l(x) − D_l(x̂)‖² + (1 − γ) [fool D with x̂ and x̃]
        discriminator    minimises   [tell x from x̂ and x̃]

    (algorithm 1; the squared distance is −log N(D_l(x); D_l(x̂), I) up to a constant, eq. 7). As in the authors' program
    the real half and the generated half weigh the same in D's loss, and γ weighs against 1 − γ.

    encoder: (x, y) to q(z|x). decoder: (z, y) to x.
    critic: with features(x, y) and head(h, y). Its features need a scale of their own (batch normalisation, as in the
        paper): the rate competes with distances between them.
    gamma: how much the decoder minds reconstruction against fooling the discriminator.
    pixel_weight: of ½‖x − x̂‖² beside the feature distance in the encoder's and decoder's loss; 0 is the paper.

    Terms, in nats per example: rate, feature distance (and pixel distance), adversarial.

    References: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric",
        https://arxiv.org/abs/1512.09300; program: andersbll/autoencoding_beyond_pixels
    """

    simultaneous = True

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        beta: float | Schedule = 1.0,
        gamma: float = 1e-2,
        pixel_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.critic, self.prior = encoder, decoder, critic, prior
        self.loss = loss or NonSaturating()
        self.beta = as_schedule(beta)
        self.gamma, self.pixel_weight = gamma, pixel_weight

    def players(self) -> Sequence[Player]:
        return (
            Player("encoder", [self.encoder], self.encoder_loss),
            Player("decoder", [self.decoder], self.decoder_loss),
            Player("discriminator", [self.critic], self.discriminator_loss),
        )

    def forward(self, batch: Batch) -> Round:
        x, y, n = batch.x, batch.y, len(batch)
        q = self.encode(x, y)
        # What fooling D asks of the codes never reaches the encoder: it has a player of its own, whose loss has no such term.
        reconstruction = self.decoder(q.rsample(), y)
        sample = self.decoder(self.prior().sample((n,)), y)
        h, score = self.look(torch.cat([x, reconstruction, sample]), None if y is None else y.repeat(3))
        real, fake = (
            score[:n].repeat(2),
            score[n:],
        )  # as many real scores as generated ones, so that losses can pair them
        return Round(x=x, reconstruction=reconstruction, q=q, h=h[:n], h_hat=h[n : 2 * n], real=real, fake=fake)

    def look(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """D_l(x) and D's score, from one pass."""
        critic = cast(FeatureCritic, self.critic)
        h = critic.features(x, y)
        return h, critic.head(h, y)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z, y)

    def encoder_loss(self, r: Round) -> Terms:
        return {"rate": self.beta(self.images_seen) * kl_divergence(r.q, self.prior()).mean(), **self.distance(r)}

    def decoder_loss(self, r: Round) -> Terms:
        weighted = {name: self.gamma * value for name, value in self.distance(r).items()}
        return {**weighted, "adversarial": (1 - self.gamma) * self.loss.generator(r.real, r.fake)}

    def discriminator_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(r.real, r.fake)}

    def distance(self, r: Round) -> Terms:
        terms = {"feature distance": half_square(r.h - r.h_hat)}
        if self.pixel_weight > 0:
            terms["pixel distance"] = self.pixel_weight * half_square(r.x - r.reconstruction)
        return terms


def half_square(difference: Tensor) -> Tensor:
    """½‖·‖² summed over dimensions, averaged over the batch."""
    return 0.5 * difference.flatten(1).square().sum(1).mean()
