"""ACGAN: a conditional GAN whose critic also classifies its input."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.core.model import FeatureCritic, FromCodes, Player, Round, Terms
from ganvas.losses.adversarial import Adversarial, NonSaturating


class ACGAN(FromCodes):
    """L_S = E log P(S = real | x) + E log P(S = fake | x̃);  L_C = E log P(C = c | x) + E log P(C = c | x̃)  (eq. 2, 3).

        critic       minimises   −L_S − L_C
        generator    minimises    L_S − L_C,   x̃ = G(z, c)

    for the generator, only the half of each that depends on x̃; `loss` gives the form of L_S.

    generator: (z (N, L), y (N,)) to examples. critic: with features(x) and head(h), unconditional.
    classifier: from the critic's features (N, F) to logits (N, classes).
    class_weight: weight of −L_C for both players; 1 in the paper.

    Generated examples use the classes of the batch, so c ~ p(c) of the data. Examples without a label (−1) count only in
    L_S.

    Terms: adversarial, class (cross-entropy in nats).

    References: Odena et al. 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs",
        https://arxiv.org/abs/1610.09585
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        classifier: nn.Module,
        prior: nn.Module,
        loss: Adversarial | None = None,
        class_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.classifier, self.prior = generator, critic, classifier, prior
        self.loss = loss or NonSaturating()
        self.class_weight = class_weight

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critic, self.classifier], self.critic_loss, role="critic"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        return Round(x=batch.x, y=batch.y, fake=self.generate(self.prior().sample((len(batch),)), batch.y))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def classify(self, x: Tensor) -> Tensor:
        return self.look(x)[1]

    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The critic's scores (N,) and the classifier's logits (N, classes), from one pass."""
        critic = cast(FeatureCritic, self.critic)
        h = critic.features(x)
        return critic.head(h), self.classifier(h)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.look(r.x)[0], self.look(r.fake)[0]

    def critic_loss(self, r: Round) -> Terms:
        (real, real_class), (fake, fake_class) = self.look(r.x), self.look(r.fake)
        named = self.class_weight * (cross_entropy(real_class, r.y) + cross_entropy(fake_class, r.y))
        return {"adversarial": self.loss.critic(real, fake), "class": named}

    def generator_loss(self, r: Round) -> Terms:
        fake, fake_class = self.look(r.fake)
        real = self.look(r.x)[0] if self.loss.paired else None
        named = self.class_weight * cross_entropy(fake_class, r.y)
        return {"adversarial": self.loss.generator(real, fake), "class": named}


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean −log P(C = y) over the labelled examples, in nats; 0 without labels."""
    known = y >= 0
    return F.cross_entropy(logits, y, ignore_index=-1, reduction="sum") / known.sum().clamp_min(1)
