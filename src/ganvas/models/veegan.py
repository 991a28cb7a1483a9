"""VEEGAN: a GAN with a network from data to noise, which reveals dropped modes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Lazy, Player, Round, Terms
from ganvas.losses.adversarial import NonSaturating
from ganvas.losses.penalties import Penalty
from ganvas.models.pairs import pair_penalty
from ganvas.probability.distributions import DiagonalNormal


class VEEGAN(Autoencoder):
    """x_g = G(z), z ~ p(z); z_g ~ p_θ(z|x) = N(F(x), ½I), F the reconstructor. D(z, x) estimates
    log q(x|z) p(z) / p_θ(z|x) p(x).

        critic         minimises   −log σ(D(z, x_g)) − log(1 − σ(D(z_g, x)))
        generator      minimises   D(z, x_g) + d(z, x_g)
        reconstructor  minimises   d(z, x_g) = ‖z − F(x_g)‖²

    (algorithm 1). d is −log p_θ(z|x_g) up to a constant, which fixes the variance. Without a variance, a critic could
    separate the pairs by z alone if several codes give one example. Errors are measured between codes only, not examples.
    F minimises d only: the gradient of KL(q(x|z) p(z) ‖ p_θ(z|x) p(x)) in θ is that of −E log p_θ(z|x_g).

    Here the critic's score is −D, high for pairs from data, as in BiGAN.

    generator: (z, y) to x. reconstructor: (x, y) to z (N, L). critic: (x, z, y) to scores (N,).
    penalties: on the critic's gradient in x and z together, of `losses.penalties`; the paper has none.

    Terms: adversarial; code distortion d, summed over the code's dimensions.

    References: Srivastava et al. 2017, "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning",
        https://arxiv.org/abs/1705.07761
    """

    log_variance: Tensor

    def __init__(
        self,
        generator: nn.Module,
        reconstructor: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__()
        self.generator, self.reconstructor, self.critic, self.prior = generator, reconstructor, critic, prior
        self.register_buffer("log_variance", torch.tensor(0.5).log(), persistent=False)
        self.loss = NonSaturating()
        self.penalties = tuple(penalties)

    def players(self) -> Sequence[Player]:
        lazy = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        return (
            Player("critic", [self.critic], self.critic_loss, lazy=lazy, role="critic"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
            Player("reconstructor", [self.reconstructor], self.reconstructor_loss, role="encoder"),
        )

    def forward(self, batch: Batch) -> Round:
        z = self.prior().sample((len(batch),))
        return Round(x=batch.x, y=batch.y, z=z, fake=self.generate(z, batch.y))

    def real_pair(self, r: Round) -> tuple[Tensor, Tensor]:
        """x with z_g ~ p_θ(z|x)."""
        return r.x, self.encode(r.x, r.y).rsample()

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return DiagonalNormal(self.reconstructor(x, y), self.log_variance)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critic(*self.real_pair(r), r.y), self.critic(r.fake, r.z, r.y)

    def critic_loss(self, r: Round) -> Terms:
        real, fake = self.critic(*self.real_pair(r), r.y), self.critic(r.fake, r.z, r.y)
        return {"adversarial": self.loss.critic(real, fake)}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: pair_penalty(penalty, self.critic, self.real_pair(r), (r.fake, r.z), r.y)}

    def generator_loss(self, r: Round) -> Terms:
        return {"adversarial": -self.critic(r.fake, r.z, r.y).mean(), "code distortion": self.code_distortion(r)}

    def reconstructor_loss(self, r: Round) -> Terms:
        return {"code distortion": self.code_distortion(r)}

    def code_distortion(self, r: Round) -> Tensor:
        """d(z, x_g), mean over the batch."""
        return (r.z - self.reconstructor(r.fake, r.y)).square().sum(1).mean()
