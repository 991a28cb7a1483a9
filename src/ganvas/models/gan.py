"""Generative adversarial nets: one network generates examples, another separates them from data."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Lazy, Player, Round, Terms
from ganvas.core.order import Alternating, Order
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.losses.penalties import Penalty
from ganvas.models.overfitting import adapt, ranked


class GAN(FromCodes):
    """min_G max_D  E log D(x) + E log(1 − D(G(z))),  z ~ p(z), and variants.

    generator: (z (N, L), y) to examples (N, ...). critic: (x, y) to scores (N,).
    loss: a pair of `losses.adversarial`; the default is the non-saturating one.
    penalties: gradient penalties of `losses.penalties`; WGAN-GP is `loss=Wasserstein(), penalties=[GradientPenalty()]`.
    critic_steps: turns of the critic for each turn of the generator.
    view: a function from (x, images seen) to x, applied to all inputs of the critic, real and generated, in every loss and
        penalty. Instance noise and DiffAugment are views.
    constraint: called with the critic after each of its moves. WGAN is `loss=Wasserstein(), constraint=WeightClipping()`.
    order: of the two turns. With `OneDraw` the generator is judged on the examples that the critic has just seen.

    References: Goodfellow et al. 2014, "Generative Adversarial Nets", https://arxiv.org/abs/1406.2661
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        penalties: Sequence[Penalty] = (),
        critic_steps: int = 1,
        view: Callable[[Tensor, int], Tensor] | None = None,
        constraint: Callable[[nn.Module], None] | None = None,
        order: Order = Alternating(),
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.prior = generator, critic, prior
        self.loss = loss or NonSaturating()
        self.penalties = tuple(penalties)
        self.critic_steps = critic_steps
        self.view, self.constraint = view, constraint
        self.order = order

    def players(self) -> Sequence[Player]:
        lazy = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        constraint = self.constraint
        project = None if constraint is None else lambda: constraint(self.critic)
        return (
            Player("critic", [self.critic], self.critic_loss, lazy=lazy, project=project, role="critic"),
            Player("generator", [self.generator], self.generator_loss, every=self.critic_steps, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        return Round(x=batch.x, y=batch.y, fake=self.generate(self.prior().sample((len(batch),)), batch.y))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def score(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The critic's scores of its view of x."""
        return self.critic(x if self.view is None else self.view(x, self.clock.images), y)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.score(r.x, r.y), self.score(r.fake, r.y)

    def critic_loss(self, r: Round) -> Terms:
        real, fake = self.judged(r)
        ranked(self.view, r, real)
        return {"adversarial": self.loss.critic(real, fake)}

    def generator_loss(self, r: Round) -> Terms:
        real = self.score(r.x, r.y) if self.loss.paired else None
        return {"adversarial": self.loss.generator(real, self.score(r.fake, r.y))}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        return lambda r: {penalty.name: penalty(self.score, r.x, r.fake, r.y)}

    def follow(self, rounds: Mapping[str, Round]) -> None:
        adapt(self.view, rounds)
