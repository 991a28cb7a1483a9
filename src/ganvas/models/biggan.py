"""BigGAN: a class-conditional GAN with a hinge loss, orthogonal regularisation and truncated codes."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import Adversarial, Hinge
from ganvas.losses.penalties import not_orthogonal
from ganvas.machine import rng
from ganvas.models.overfitting import adapt, ranked

STANDING, BATCH = 16, 64
"""Batches, and codes in each, from which statistics of batch normalisation are computed for truncated codes."""


class BigGAN(FromCodes):
    """critic: max(0, 1 − D(x, y)) + max(0, 1 + D(x̃, ỹ));  generator: −D(x̃, ỹ) + β Σ_W ‖W Wᵀ ⊙ (1 − I)‖².

    Classes ỹ are uniform. Real and generated images pass the critic together.

    The sum is over the generator's weights of two or more dimensions but the class vectors, before spectral normalisation.
    The authors' program adds half of this term's gradient; here it is the gradient of the paper's eq. 3.

    generator: (z (N, L), y (N,)) to images; its class vectors are its part `classes`. critic: (x, y) to scores.
    num_classes: of the data. orthogonal: β, 0 for no such term. critic_steps: turns of the critic for each of the generator.
    view: as for `GAN`.

    References: Brock et al. 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
        https://arxiv.org/abs/1809.11096; program: ajbrock/BigGAN-PyTorch
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        num_classes: int,
        loss: Adversarial | None = None,
        orthogonal: float = 1e-4,
        critic_steps: int = 2,
        view: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.prior = generator, critic, prior
        self.loss, self.num_classes, self.orthogonal = loss or Hinge(), num_classes, orthogonal
        self.critic_steps, self.view = critic_steps, view
        self.limit = math.inf
        self.usual: list[Tensor] = []  # statistics of batch normalisation from training, while others take their place

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critic], self.critic_loss, role="critic"),
            Player("generator", [self.generator], self.generator_loss, every=self.critic_steps, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        z, classes = self.drawn(len(batch))
        return Round(x=batch.x, y=batch.y, fake=self.generator(z, classes), fake_y=classes)

    def drawn(self, num: int) -> tuple[Tensor, Tensor]:
        """Codes and uniform classes."""
        z = self.prior().sample((num,))
        return z, (rng.rand(num, like=z) * self.num_classes).long()

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z if math.isinf(self.limit) else truncated_normal(z, self.limit), y)

    @torch.no_grad()
    def sampling(self, *, truncation: float | None = None) -> None:
        """See `Model.sampling`. Batch normalisation takes its statistics from truncated codes, because theirs differ.

        Args:
            truncation: the largest absolute value in a code: 2 cuts few, 0.5 most; 0 gives one image for each class.
        """
        if truncation is not None and truncation < 0:
            raise GanvasError(f"A truncation of {truncation} is not possible.", "Use 0 or more, such as 0.5.")
        norms = [part for part in self.generator.modules() if isinstance(part, nn.BatchNorm2d)]
        buffers = [buffer for norm in norms for buffer in norm.buffers()]
        for buffer, usual in zip(buffers, self.usual, strict=bool(self.usual)):
            buffer.copy_(usual)
        self.usual, self.limit = [], math.inf if truncation is None else truncation
        if truncation is None:
            return
        self.usual = [buffer.clone() for buffer in buffers]
        states = [(norm.training, norm.momentum) for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
            norm.momentum = None  # all batches count equally
        with rng.seeded("standing statistics", truncation):
            for _ in range(STANDING):
                self.generate(*self.drawn(BATCH))
        for norm, (training, momentum) in zip(norms, states, strict=True):
            norm.train(training)
            norm.momentum = momentum

    def score(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The critic's scores of its view of x."""
        return self.critic(x if self.view is None else self.view(x, self.clock.images), y)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        fake, real = self.score(torch.cat([r.fake, r.x]), torch.cat([r.fake_y, r.y])).split(len(r.x))
        return real, fake

    def critic_loss(self, r: Round) -> Terms:
        real, fake = self.judged(r)
        ranked(self.view, r, real)
        return {"adversarial": self.loss.critic(real, fake)}

    def generator_loss(self, r: Round) -> Terms:
        real = self.score(r.x, r.y) if self.loss.paired else None
        terms = {"adversarial": self.loss.generator(real, self.score(r.fake, r.fake_y))}
        if self.orthogonal > 0:
            terms["orthogonality"] = self.orthogonal * not_orthogonal(self.weights())
        return terms

    def weights(self) -> list[Tensor]:
        """The generator's weights that should have orthogonal rows."""
        classes = {id(p) for p in self.generator.get_submodule("classes").parameters()}
        return [p for p in self.generator.parameters() if p.dim() > 1 and id(p) not in classes]

    def follow(self, rounds: Mapping[str, Round]) -> None:
        adapt(self.view, rounds)


def truncated_normal(z: Tensor, limit: float) -> Tensor:
    """Normal codes z (N, L) mapped to normal codes of absolute values up to `limit`: each keeps its rank.

    So it draws what drawing again until all values are within the limit would. Brock et al. 2019, section 3.1
    """
    if limit == 0:
        return torch.zeros_like(z)
    double = z.double()  # where the two normal distributions differ by little, and in their tails
    within = math.erf(limit / math.sqrt(2))
    inverse = torch.erfinv(within * torch.erf(double / math.sqrt(2))) * math.sqrt(2)
    return inverse.clamp(-limit, limit).to(z.dtype)
