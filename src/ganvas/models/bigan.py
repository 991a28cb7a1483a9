"""Adversarially learned inference: one critic sees example and code together, and cannot tell which came first."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.batch import Batch
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.model import Autoencoder, Player, Round, Terms


class BiGAN(Autoencoder):
    """min_{G,E} max_D  E_x log D(x, E(x)) + E_z log(1 − D(G(z), z)),  E(x) ~ q(z|x), z ~ p(z).

    At the optimum E and G are each other's inverse (Donahue et al., theorem 2), though no term compares x with G(E(x)).
    Encoder and generator descend one loss, the critic's with its labels swapped: −log(1 − D(x, E(x))) − log D(G(z), z)
    (Donahue et al., section 3.4; Dumoulin et al., algorithm 1).

    encoder: (x, y) to q(z|x) with `rsample` (ALI's stochastic encoder). generator: (z, y) to x.
    critic: (x, z, y) to scores (N,), high for pairs that began with data.
    loss: a pair of `losses.adversarial`.

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
    ) -> None:
        super().__init__()
        self.encoder, self.generator, self.critic, self.prior = encoder, generator, critic, prior
        self.loss = loss or NonSaturating()

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critic], self.critic_loss),
            Player("encoder and generator", [self.encoder, self.generator], self.swapped_loss),
        )

    def forward(self, batch: Batch) -> Round:
        x, y = batch.x, batch.y
        z = self.prior().sample((len(batch),))
        z_hat = self.encode(x, y).rsample()
        return Round(real=self.critic(x, z_hat, y), fake=self.critic(self.generate(z, y), z, y))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def critic_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(r.real, r.fake)}

    def swapped_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(r.fake, r.real)}
