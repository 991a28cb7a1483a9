"""Adversarially learned inference: a GAN with an encoder; one critic scores pairs of example and code."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Lazy, Player, Round, Terms
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.losses.penalties import Penalty
from ganvas.models.pairs import pair_penalty


class BiGAN(Autoencoder):
    """min_{G,E} max_D  E_x log D(x, E(x)) + E_z log(1 − D(G(z), z)),  E(x) ~ q(z|x), z ~ p(z).

    At the optimum E and G are each other's inverse (Donahue et al., theorem 2), though no term compares x with G(E(x)).
    Encoder and generator descend one loss, the critic's with its labels swapped: −log(1 − D(x, E(x))) − log D(G(z), z)
    (Donahue et al., section 3.4; Dumoulin et al., algorithm 1).

    encoder: (x, y) to q(z|x) with `rsample` (ALI's stochastic encoder). generator: (z, y) to x.
    critic: (x, z, y) to scores (N,), high for pairs from data.
    loss: a pair of `losses.adversarial`.
    penalties: on the critic's gradient in x and z together, of `losses.penalties`; the papers have none.

    References:
        Donahue et al. 2017, "Adversarial Feature Learning", https://arxiv.org/abs/1605.09782
        Dumoulin et al. 2017, "Adversarially Learned Inference", https://arxiv.org/abs/1606.00704
    """

    def __init__(
        self,
        encoder: nn.Module,
        generator: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.generator, self.critic, self.prior = encoder, generator, critic, prior
        self.loss = loss or NonSaturating()
        self.penalties = tuple(penalties)

    def players(self) -> Sequence[Player]:
        lazy = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        return (
            Player("critic", [self.critic], self.critic_loss, lazy=lazy, role="critic"),
            Player("encoder and generator", [self.encoder, self.generator], self.swapped_loss, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        z = self.prior().sample((len(batch),))
        real = (batch.x, self.encode(batch.x, batch.y).rsample())
        return Round(y=batch.y, real=real, fake=(self.generate(z, batch.y), z))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critic(*r.real, r.y), self.critic(*r.fake, r.y)

    def critic_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(self.critic(*r.real, r.y), self.critic(*r.fake, r.y))}

    def swapped_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(self.critic(*r.fake, r.y), self.critic(*r.real, r.y))}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: pair_penalty(penalty, self.critic, r.real, r.fake, r.y)}
