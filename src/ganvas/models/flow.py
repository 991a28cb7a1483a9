"""Rectified flow: a network learns the straight way from noise to data, and sampling integrates it."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.machine import rng
from ganvas.nn.guidance import NO_CLASS, dropped, guided
from ganvas.probability import solvers
from ganvas.probability.priors import Normal


class Flow(FromCodes):
    """x_t = (1 − t) x + t ε,  ε ~ N(0, I);  the network's u(x_t, t, y) minimises E ‖ε − x − u‖², a mean over dimensions.

    t is logit-normal: sigmoid of N(0, 1), as the middle of the way is the hardest (Esser et al. 2024, section 3.1).
    Sampling solves dx/dt = u from t = 1 to 0, so a code is the noise that it starts from.

    network: (x (N, *shape), t (N,), y (N,) or None) to u (N, *shape). shape: of one example.
    num_classes: that the network knows; 0 for none. class_dropout: share of the examples whose class it is not told.
    guidance: the usual one of samples, see `nn.guidance.guided`.

    Terms: flow.

    References: Liu et al. 2023, "Flow Straight and Fast", https://arxiv.org/abs/2209.03003;
        Lipman et al. 2023, "Flow Matching for Generative Modeling", https://arxiv.org/abs/2210.02747
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int],
        num_classes: int = 0,
        class_dropout: float = 0.1,
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.prior = network, Normal(shape)
        self.num_classes, self.class_dropout = num_classes, class_dropout
        self.usual_guidance = guidance
        self.sampling()

    def players(self) -> Sequence[Player]:
        return (Player("field", [self.network], self.flow_loss, role="denoiser"),)

    def forward(self, batch: Batch) -> Round:
        x, noise = batch.x, rng.randn(*batch.x.shape, like=batch.x)
        t = torch.sigmoid(rng.randn(len(x), like=x))
        share = t.reshape(-1, *[1] * (x.dim() - 1))
        told = told_classes(batch.y, x, self.num_classes)
        told = dropped(told, self.class_dropout) if told is not None and self.training else told
        return Round(target=noise - x, predicted=self.network(torch.lerp(x, noise, share), t, told))

    def flow_loss(self, r: Round) -> Terms:
        return {"flow": (r.target - r.predicted).square().mean()}

    def sampling(
        self,
        *,
        truncation: float = 1.0,
        steps: int = 20,
        guidance: float | None = None,
        solver: Literal["heun", "euler"] = "heun",
    ) -> None:
        """See `Model.sampling`.

        Args:
            truncation: scale of the starting noise: below 1 samples are more typical and less varied.
            steps: from noise to data; more are more exact, and take longer.
            guidance: how far samples are pushed towards their class: 1 not at all, 0 ignores it; default: the recipe's.
            solver: heun evaluates the network twice a step, and is far more exact than euler.
        """
        super().sampling(truncation=truncation)
        self.times = solvers.times(steps)
        self.guidance = self.usual_guidance if guidance is None else guidance
        self.solve = solvers.heun if solver == "heun" else solvers.euler

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        told = told_classes(y, z, self.num_classes)
        predict = guided(self.network, told, 0.0 if y is None else self.guidance)
        return self.solve(predict, z, self.times)


def told_classes(y: Tensor | None, x: Tensor, num_classes: int) -> Tensor | None:
    """What a network of so many classes is told: y, or no class for any of the examples x; None without classes."""
    if not num_classes:
        return None
    return x.new_full(x.shape[:1], NO_CLASS, dtype=torch.long) if y is None else y
