"""Projected GAN: small critics look at an image through a network that learnt to see elsewhere and learns no more."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.core.order import OneDraw
from ganvas.losses.adversarial import Adversarial, Hinge
from ganvas.models.overfitting import adapt, ranked


class ProjectedGAN(FromCodes):
    """min_G max_D  Σ_l E log D_l(P_l(x)) + E log(1 − D_l(P_l(G(z)))), here as a hinge over all logits together (eq. 4).

    P_l are random mixes of a frozen network's features at four scales. Neither they nor the network learn.

    generator: z (N, L) to images (N, C, H, W). features: images to stages, frozen. projection: stages to maps, fixed.
    critics: maps to logits (N, M), which weigh alike. They are the only part of the critic that learns.
    view: what the critic is shown of an image, real or generated: from (x, images seen) to x. DiffAugment is a view.

    Both turns use one pass: the critics learn from the features of the images by which the generator learns next.

    References: Sauer et al. 2021, "Projected GANs Converge Faster", https://arxiv.org/abs/2111.01007; program:
        autonomousvision/projected-gan
    """

    order = OneDraw()

    def __init__(
        self,
        generator: nn.Module,
        features: nn.Module,
        projection: nn.Module,
        critics: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        view: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.generator, self.prior = generator, prior
        self.features, self.projection, self.critics = features, projection, critics
        self.loss = loss or Hinge()
        self.view = view

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critics], self.critic_loss, role="critic"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        fake = self.generate(self.prior().sample((len(batch),)), batch.y)
        return Round(fake=fake, real_maps=self.maps(batch.x), fake_maps=self.maps(fake))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def maps(self, x: Tensor) -> list[Tensor]:
        """What the critics see of x (N, C, H, W)."""
        seen = x if self.view is None else self.view(x, self.clock.images)
        return self.projection(self.features(seen))

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critics(r.real_maps).mean(1), self.critics(r.fake_maps).mean(1)

    def critic_loss(self, r: Round) -> Terms:
        real = self.critics(r.real_maps)
        ranked(self.view, r, real)
        return {"adversarial": self.loss.critic(real, self.critics(r.fake_maps))}

    def follow(self, rounds: Mapping[str, Round]) -> None:
        adapt(self.view, rounds)

    def generator_loss(self, r: Round) -> Terms:
        real = self.critics(r.real_maps) if self.loss.paired else None
        return {"adversarial": self.loss.generator(real, self.critics(r.fake_maps))}
