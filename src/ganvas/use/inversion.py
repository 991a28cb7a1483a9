"""Search for codes of examples, for a model without an encoder."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.core.model import FromCodes
from ganvas.errors import GanvasError
from ganvas.machine import rng


@dataclass(frozen=True)
class Inversion:
    """The result of a search. codes: (N, L); reconstructions: (N, ...), the model's examples for them.

    errors: (N,), the mean squared difference of each reconstruction from its example, in units of [−1, 1].
    """

    codes: Tensor
    reconstructions: Tensor
    errors: Tensor


@dataclass(frozen=True)
class Search:
    """argmin_z mean (x − G(z))² + feature_weight · mean (h(x) − h(G(z)))², by Adam on z from draws of the prior.

    steps: of Adam; its rate falls from `learning_rate` to 0 along half a cosine.
    starts: number of starting points from the prior for each example; the best result counts.
    features: h, from examples (N, ...) to (N, F) or (N, C, H, W), for example the critic's.
    batch_size: number of parallel searches.

    References:
        Zhu et al. 2016, "Generative Visual Manipulation on the Natural Image Manifold", section 3.1,
            https://arxiv.org/abs/1609.03552
        Lipton & Tripathi 2017, "Precise Recovery of Latent Vectors from GANs", https://arxiv.org/abs/1702.04782
    """

    steps: int = 300
    starts: int = 4
    learning_rate: float = 0.1
    features: Callable[[Tensor], Tensor] | None = None
    feature_weight: float = 1.0
    batch_size: int = 256

    def __post_init__(self) -> None:
        for name in ("steps", "starts", "batch_size"):
            if getattr(self, name) < 1:
                raise GanvasError(f"A search for codes cannot have {name} {getattr(self, name)}.", "Use 1 or more.")
        if self.learning_rate <= 0:
            raise GanvasError(f"A learning rate must be above 0, not {self.learning_rate}.")

    def __call__(self, model: FromCodes, x: Tensor, y: Tensor | None = None, seed: int = 0) -> Inversion:
        """x: (N, ...); y: (N,), the classes for a conditional model. The model does not change.

        The seed determines the result. Raises GanvasError for NaN or infinity in x, or a wrong shape.
        """
        if not bool(x.isfinite().all()):
            raise GanvasError("The examples have NaN or infinity.")
        parameters = [p for p in model.parameters() if p.requires_grad]
        training = model.training
        model.eval().requires_grad_(False)
        try:
            with rng.seeded(seed, "inversion"), torch.enable_grad():
                rows = torch.arange(len(x), device=x.device).split(max(1, self.batch_size // self.starts))
                parts = [self.invert(model, x[part], None if y is None else y[part]) for part in rows]
        finally:
            model.train(training)
            for parameter in parameters:
                parameter.requires_grad_(True)
        codes, reconstructions, errors = (torch.cat(found) for found in zip(*parts, strict=True))
        return Inversion(codes, reconstructions, errors)

    def invert(self, model: FromCodes, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, reconstructions and errors of one batch, each from its best start."""
        n = len(x)
        target, label = x.repeat(self.starts, *[1] * (x.dim() - 1)), None if y is None else y.repeat(self.starts)
        z = model.prior().sample((self.starts * n,)).detach().requires_grad_()
        with torch.no_grad():
            made = model.generate(z[:1], None if label is None else label[:1])
            if made.shape[1:] != x.shape[1:]:
                raise GanvasError(
                    f"The model generates examples of shape {tuple(made.shape[1:])}, but these have {tuple(x.shape[1:])}."
                )
            wanted = None if self.features is None else self.features(target)
        adam = torch.optim.Adam([z], lr=self.learning_rate)
        for step in range(self.steps):
            adam.param_groups[0]["lr"] = self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
            # A sum, and Adam scales each number by its own gradients: the searches are independent.
            (z.grad,) = torch.autograd.grad(self.distance(model.generate(z, label), target, wanted).sum(), z)
            adam.step()
        with torch.no_grad():
            distance = self.distance(model.generate(z, label), target, wanted)
            best = distance.view(self.starts, n).argmin(0) * n + torch.arange(n, device=x.device)
            codes = z.detach()[best]
            reconstructions = model.generate(codes, y)
            return codes, reconstructions, mean_square(reconstructions - x)

    def distance(self, made: Tensor, target: Tensor, wanted: Tensor | None) -> Tensor:
        """The loss of a search, (N,)."""
        pixels = mean_square(made - target)
        if self.features is None or wanted is None:
            return pixels
        return pixels + self.feature_weight * mean_square(self.features(made) - wanted)


def mean_square(difference: Tensor) -> Tensor:
    """Of each example, (N,)."""
    return difference.flatten(1).square().mean(1)
