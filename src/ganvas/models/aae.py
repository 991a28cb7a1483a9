"""Adversarial autoencoders: a critic, not a divergence, matches an autoencoder's codes to the prior."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Lazy, Player, Round, Terms
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.losses.penalties import Penalty


class AAE(LatentVariableModel):
    """Two phases; the encoder moves in both. z = E(x) ~ q(z|x); z_p ~ p(z); D separates codes.

        autoencoder (E and the decoder)  minimises   −log p(x|z)
        critic                           minimises   −log D(z_p) − log(1 − D(z))
        encoder                          minimises   −log D(z)

    (section 2). Only samples of the prior are needed, so any prior works. Training matches the aggregated posterior to the
    prior, not each q(z|x).

    encoder: (x, y) to q(z|x) with `rsample`: the paper's Gaussian posterior (section 2); no term prevents a small variance.
    decoder: (z, y) to p(x|z). critic: (z (N, L), y) to scores (N,), high for the prior's codes.
    loss: the pair that critic and encoder minimise.
    penalties: gradient penalties of `losses.penalties`; the prior's codes are the real examples. The paper has none.

    Terms: distortion −log p(x|z), in nats per example; adversarial.

    References: Makhzani et al. 2015, "Adversarial Autoencoders", https://arxiv.org/abs/1511.05644
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.critic, self.prior = encoder, decoder, critic, prior
        self.loss = loss or NonSaturating()
        self.penalties = tuple(penalties)

    def players(self) -> Sequence[Player]:
        lazy = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        return (
            Player("autoencoder", [self.encoder, self.decoder], self.reconstruction_loss, role="autoencoder"),
            Player("critic", [self.critic], self.critic_loss, lazy=lazy, role="critic"),
            Player("encoder", [self.encoder], self.encoder_loss, role="encoder"),
        )

    def forward(self, batch: Batch) -> Round:
        z = self.encode(batch.x, batch.y).rsample()
        return Round(x=batch.x, y=batch.y, z=z, z_prior=self.prior().sample((len(batch),)))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z, y)

    def reconstruction_loss(self, r: Round) -> Terms:
        return {"distortion": -self.decode(r.z, r.y).log_prob(r.x).mean()}

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critic(r.z_prior, r.y), self.critic(r.z, r.y)

    def critic_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(self.critic(r.z_prior, r.y), self.critic(r.z, r.y))}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: penalty(self.critic, r.z_prior, r.z, r.y)}

    def encoder_loss(self, r: Round) -> Terms:
        real = self.critic(r.z_prior, r.y) if self.loss.paired else None
        return {"adversarial": self.loss.generator(real, self.critic(r.z, r.y))}
