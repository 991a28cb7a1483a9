"""FastGAN: a GAN for few images, whose critic must also be able to draw what it sees."""

from collections.abc import Callable, Sequence
from typing import Protocol, cast

from torch import Tensor, nn

from ganvas.core.model import Player, Round, Terms
from ganvas.core.order import OneDraw
from ganvas.losses.adversarial import Adversarial, Hinge
from ganvas.models.gan import GAN
from ganvas.models.overfitting import ranked


class DrawingCritic(Protocol):
    """A critic with decoders on its feature maps."""

    def maps(self, x: Tensor) -> Sequence[Tensor]:
        """Feature maps of images x (N, C, H, W)."""
        ...

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        """Scores of patches, (N, M)."""
        ...

    def drawings(self, maps: Sequence[Tensor], x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """For each decoder what it draws from the maps of x, and the part of x, reduced, that it should have drawn."""
        ...

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor: ...


class FastGAN(GAN):
    """min_G max_D of a hinge over patches; D also minimises w Σ_f d(G_f(f(x)), T_f(x)) over real images x (eq. 3 and 4).

    f are feature maps of D, G_f small decoders that learn with D, T_f the part of x that a map shows. So D's features must
    keep what is in an image, and D cannot judge a small data set by a few details.

    As in the authors' program both players learn from the same generated images.

    critic: as `DrawingCritic`. distance: d, from a drawing and its target to (N,). reconstruction: w.
    view: as for `GAN`. The decoders draw the view of an image that the critic was shown.

    References: Liu et al. 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
        https://arxiv.org/abs/2101.04775
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        distance: Callable[[Tensor, Tensor], Tensor],
        reconstruction: float = 1.0,
        loss: Adversarial | None = None,
        view: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        super().__init__(generator, critic, prior, loss or Hinge(), view=view, order=OneDraw())
        self.distance, self.reconstruction = distance, reconstruction

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critic], self.critic_loss, role="critic"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
        )

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.score(r.x, r.y).mean(1), self.score(r.fake, r.y).mean(1)

    def critic_loss(self, r: Round) -> Terms:
        critic = cast(DrawingCritic, self.critic)
        seen = r.x if self.view is None else self.view(r.x, self.clock.images)
        maps = critic.maps(seen)
        logits = critic.logits(maps)
        ranked(self.view, r, logits)
        terms = {"adversarial": self.loss.critic(logits, self.score(r.fake, r.y))}
        for name, (drawing, target) in critic.drawings(maps, seen).items():
            terms[name] = self.reconstruction * self.distance(drawing, target).mean()
        return terms
