"""A GAN whose players also minimise the length of both gradients, so that training converges."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Lazy, Player, Round, Terms
from ganvas.core.order import Simultaneous
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.machine.precision import full


class ConsensusGAN(FromCodes):
    """L = ½ ‖∇_φ L_D‖² + ½ ‖∇_θ L_G‖²,  φ the critic's parameters, θ the generator's.

        critic       minimises   L_D + γ L
        generator    minimises   L_G + γ L

    simultaneously (algorithm 2). Near an equilibrium with a flat critic, plain gradient descent only circles, and L pulls
    both players inwards. Each player keeps its own loss; the penalty is shared.

    generator: (z (N, L), y) to examples (N, ...). critic: (x, y) to scores (N,); both must have second derivatives.
    loss: the pair L_D, L_G. gamma: γ.

    With several processes L uses each process's own gradients, so it is larger by their differences.

    Terms: adversarial; consensus (γ L).

    References: Mescheder et al. 2017, "The Numerics of GANs", https://arxiv.org/abs/1705.10461
    """

    order = Simultaneous()
    takes_second_derivatives = True

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        gamma: float = 10.0,
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.prior = generator, critic, prior
        self.loss = loss or NonSaturating()
        self.gamma = gamma

    def players(self) -> Sequence[Player]:
        common = [Lazy(self.consensus, every=1)]
        return (
            Player("critic", [self.critic], self.critic_loss, lazy=common, role="critic"),
            Player("generator", [self.generator], self.generator_loss, lazy=common, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        fake = self.generate(self.prior().sample((len(batch),)), batch.y)
        real_score, fake_score = self.critic(batch.x, batch.y), self.critic(fake, batch.y)
        losses = (
            self.loss.critic(real_score, fake_score),
            self.loss.generator(real_score if self.loss.paired else None, fake_score),
        )
        # Held-out rounds have no gradients and no penalty.
        length = self.gradient_length(*losses) if torch.is_grad_enabled() else None
        return Round(critic=losses[0], generator=losses[1], length=length)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def gradient_length(self, critic: Tensor, generator: Tensor) -> Tensor:
        """L: half the squared length of both gradients, differentiable in all parameters."""
        own = torch.autograd.grad(critic, list(self.critic.parameters()), create_graph=True)
        other = torch.autograd.grad(generator, list(self.generator.parameters()), create_graph=True)
        return 0.5 * torch.stack([full(g).square().sum() for g in (*own, *other)]).sum()

    def critic_loss(self, r: Round) -> Terms:
        return {"adversarial": r.critic}

    def generator_loss(self, r: Round) -> Terms:
        return {"adversarial": r.generator}

    def consensus(self, r: Round) -> Terms:
        return {"consensus": self.gamma * r.length}
