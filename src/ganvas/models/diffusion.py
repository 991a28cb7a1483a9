"""Diffusion with v-prediction: a network learns to take noise away, and sampling takes it away in a few steps."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.machine import rng
from ganvas.models.flow import told_classes
from ganvas.nn.guidance import dropped, guided
from ganvas.probability import solvers
from ganvas.probability.noising import Cosine, Noising
from ganvas.probability.priors import Normal


class Diffusion(FromCodes):
    """x_t = α_t x + σ_t ε,  v = α_t ε − σ_t x;  the network minimises E w_t ‖v − v(x_t, t, y)‖², a mean over dimensions.

    t is uniform in [0, 1]. w_t = min(SNR, γ) / (SNR + 1), SNR = α² / σ², which is min-SNR's weight for v: in terms of the
    error of x₀ it is the SNR, but at most γ (Hang et al. 2023, section 3.4). Sampling goes from t = 1 to 0 without new
    noise, so a code is the noise that it starts from. The path ends at α = 0, where v, unlike ε, says what the data are.

    network: (x (N, *shape), t (N,), y (N,) or None) to v (N, *shape). shape: of one example.
    noising: the path. min_snr: γ; None weighs all times alike.
    num_classes, class_dropout, guidance: as in `models.flow`.

    Terms: denoising.

    References: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239;
        Salimans & Ho 2022, "Progressive Distillation", https://arxiv.org/abs/2202.00512, for v;
        Song et al. 2021, "Denoising Diffusion Implicit Models", https://arxiv.org/abs/2010.02502;
        Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting", https://arxiv.org/abs/2303.09556
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int],
        noising: Noising | None = None,
        min_snr: float | None = 5.0,
        num_classes: int = 0,
        class_dropout: float = 0.1,
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.prior = network, Normal(shape)
        self.noising, self.min_snr = noising or Cosine(), min_snr
        self.num_classes, self.class_dropout = num_classes, class_dropout
        self.usual_guidance = guidance
        self.sampling()

    def players(self) -> Sequence[Player]:
        return (Player("denoiser", [self.network], self.denoising_loss, role="denoiser"),)

    def forward(self, batch: Batch) -> Round:
        x, noise = batch.x, rng.randn(*batch.x.shape, like=batch.x)
        t = rng.rand(len(x), like=x)
        told = told_classes(batch.y, x, self.num_classes)
        told = dropped(told, self.class_dropout) if told is not None and self.training else told
        predicted = self.network(self.noising.add(x, noise, t), t, told)
        return Round(target=self.noising.velocity(x, noise, t), predicted=predicted, t=t)

    def denoising_loss(self, r: Round) -> Terms:
        each = (r.target - r.predicted).square().flatten(1).mean(1)
        return {"denoising": (self.weight(r.t) * each).mean()}

    def weight(self, t: Tensor) -> Tensor:
        """w_t of each time, (N,). With SNR = α² / σ² and α² + σ² = 1 it is min(α², γ σ²)."""
        alpha, sigma = self.noising.coefficients(t)
        if self.min_snr is None:
            return alpha.square() + sigma.square()
        return (self.min_snr * sigma.square()).minimum(alpha.square())

    def sampling(
        self,
        *,
        truncation: float = 1.0,
        steps: int = 20,
        guidance: float | None = None,
        solver: Literal["heun", "ddim"] = "heun",
    ) -> None:
        """See `Model.sampling`.

        Args:
            truncation: scale of the starting noise: below 1 samples are more typical and less varied.
            steps: from noise to data; more are more exact, and take longer.
            guidance: how far samples are pushed towards their class: 1 not at all, 0 ignores it; default: the recipe's.
            solver: heun evaluates the network twice a step, and is far more exact; ddim is the usual one.
        """
        super().sampling(truncation=truncation)
        self.times = solvers.times(steps)
        self.guidance = self.usual_guidance if guidance is None else guidance
        self.solve = solvers.heun_by_angle if solver == "heun" else solvers.ddim

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        told = told_classes(y, z, self.num_classes)
        predict = guided(self.network, told, 0.0 if y is None else self.guidance)
        return self.solve(predict, z, self.times, self.noising)
