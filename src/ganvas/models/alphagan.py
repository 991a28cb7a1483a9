"""α-GAN: a VAE with critics in place of likelihood and KL."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Lazy, Player, Round, Terms
from ganvas.losses.adversarial import NonSaturating
from ganvas.losses.penalties import Penalty


class AlphaGAN(Autoencoder):
    """Four players. x̂ = G(z_q), z_q ~ q(z|x); x̃ = G(z_p), z_p ~ p(z); D separates images, C separates codes.

        encoder      minimises   λ‖x − x̂‖₁ − log C(z_q)/(1 − C(z_q))
        generator    minimises   λ‖x − x̂‖₁ − log D(x̂)/(1 − D(x̂)) − log D(x̃)/(1 − D(x̃))
        critic D     minimises   −2 log D(x) − log(1 − D(x̂)) − log(1 − D(x̃))
        code critic  minimises   −log C(z_p) − log(1 − C(z_q))

    (algorithm 1). −log D/(1 − D) is minus the score: an estimate of the log density ratio, which is what the variational
    bound needs (section 3). Here D's loss is halved, so that the score on data has weight 1, as in the other models.

    encoder: (x, y) to q(z|x) with `rsample`. generator: (z, y) to x. critic: (x, y) to scores (N,).
    code_critic: (z, y) to scores (N,), high for the prior's codes.
    reconstruction_weight: λ; the norm is a sum over the example's dimensions.
    penalties: gradient penalties of `losses.penalties`; generated examples are x̃. The paper has none.

    References: Rosca et al. 2017, "Variational Approaches for Auto-Encoding Generative Adversarial Networks",
        https://arxiv.org/abs/1706.04987
    """

    def __init__(
        self,
        encoder: nn.Module,
        generator: nn.Module,
        critic: nn.Module,
        code_critic: nn.Module,
        prior: nn.Module,
        reconstruction_weight: float = 1.0,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.generator, self.prior = encoder, generator, prior
        self.critic, self.code_critic = critic, code_critic
        self.reconstruction_weight = reconstruction_weight
        self.loss = NonSaturating()
        self.penalties = tuple(penalties)

    def players(self) -> Sequence[Player]:
        lazy = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        return (
            Player("encoder", [self.encoder], self.encoder_loss, role="encoder"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
            Player("critic", [self.critic], self.critic_loss, lazy=lazy, role="critic"),
            Player("code critic", [self.code_critic], self.code_critic_loss, role="critic"),
        )

    def forward(self, batch: Batch) -> Round:
        z_prior = self.prior().sample((len(batch),))
        return Round(x=batch.x, y=batch.y, z=self.encode(batch.x, batch.y).rsample(), z_prior=z_prior)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def encoder_loss(self, r: Round) -> Terms:
        return {
            "reconstruction": self.distance(r.x, self.generate(r.z, r.y)),
            "code adversarial": -self.code_critic(r.z, r.y).mean(),
        }

    def generator_loss(self, r: Round) -> Terms:
        reconstruction = self.generate(r.z, r.y)
        return {
            "reconstruction": self.distance(r.x, reconstruction),
            "reconstruction adversarial": -self.critic(reconstruction, r.y).mean(),
            "sample adversarial": -self.critic(self.generate(r.z_prior, r.y), r.y).mean(),
        }

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critic(r.x, r.y), self.critic(self.generate(r.z_prior, r.y), r.y)

    def critic_loss(self, r: Round) -> Terms:
        fakes = [self.critic(self.generate(z, r.y), r.y) for z in (r.z, r.z_prior)]
        return {"adversarial": self.loss.critic(self.critic(r.x, r.y), torch.cat(fakes))}

    def code_critic_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(self.code_critic(r.z_prior, r.y), self.code_critic(r.z, r.y))}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: penalty(self.critic, r.x, self.generate(r.z_prior, r.y), r.y)}

    def distance(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """λ‖x − x̂‖₁, mean over the batch."""
        return self.reconstruction_weight * (x - reconstruction).abs().flatten(1).sum(1).mean()
