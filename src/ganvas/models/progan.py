"""ProGAN: a Wasserstein GAN whose networks grow from small images to large ones."""

from collections.abc import Sequence

from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Lazy, Player, Round, Terms
from ganvas.losses.adversarial import Wasserstein
from ganvas.losses.penalties import GradientPenalty
from ganvas.nn.growth import Growth


class ProGAN(FromCodes):
    """min_G max_D  E D(x) − E D(x̃) − λ E (‖∇D(x̂)‖ − 1)² − ε E D(x)², at the size that the clock has reached.

    Networks begin with the smallest images. Now and then a layer of twice the size fades in: images are then a mix of those
    from the old and the new layer, and so are the critic's features, and real images.

    The authors clear Adam's moments when a level begins. Here they are kept. A new layer has none until its first gradient,
    and with β = (0, 0.99) the others forget theirs within a few hundred steps.

    generator: z (N, L) to images of the present side. critic: such images to scores (N,). growth: held by both.
    penalty: λ. drift: ε, which keeps scores near 0.

    References: Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
        https://arxiv.org/abs/1710.10196; program: tkarras/progressive_growing_of_gans
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        growth: Growth,
        penalty: float = 10.0,
        drift: float = 1e-3,
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.prior = generator, critic, prior
        self.growth, self.drift = growth, drift
        self.growth.clock = self.clock
        self.loss, self.gradient_penalty = Wasserstein(), GradientPenalty(penalty)

    def players(self) -> Sequence[Player]:
        penalties = [Lazy(self.penalty, 1)] if self.gradient_penalty.weight > 0 else []
        return (
            Player("critic", [self.critic], self.critic_loss, lazy=penalties, role="critic"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        z = self.prior().sample((len(batch),))
        return Round(x=self.growth.real(batch.x), fake=self.generator(z))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.growth.whole(self.generator(z))

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critic(r.x), self.critic(r.fake)

    def critic_loss(self, r: Round) -> Terms:
        real, fake = self.judged(r)
        terms = {"adversarial": self.loss.critic(real, fake)}
        if self.drift > 0:
            terms["drift"] = self.drift * real.square().mean()
        return terms

    def generator_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.generator(None, self.critic(r.fake))}

    def penalty(self, r: Round) -> Terms:
        whole = self.growth.whole
        return {self.gradient_penalty.name: self.gradient_penalty(self.score_of_whole, whole(r.x), whole(r.fake))}

    def score_of_whole(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The score of images at the last side.

        The penalty is on the slope in their pixels at every level, as in the authors' program. In pixels of the present side
        the slope of the same critic would halve when a level begins.
        """
        return self.critic(self.growth.reduced(x))
