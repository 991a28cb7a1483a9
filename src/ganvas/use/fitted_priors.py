"""Post-hoc priors: p(z) fitted to the codes of a trained model, instead of its own prior.

A decoder is trained on codes of data. If these do not cover the prior, samples are poor. A fitted prior draws codes like
those of data: `GaussianMixture().fit(codes).sample(64, seed=0)`.

Codes (N, L) should be draws from q(z|x), one for each example, not its means: `encode(x).sample()`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from sklearn import mixture
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.core.schedules import Cosine
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.models.vae import VAE
from ganvas.networks import Decoder, Encoder, Mlp
from ganvas.probability.likelihoods import SharedScaleGaussian
from ganvas.probability.priors import Normal
from ganvas.training.trainer import Trainer


class Sampler(Protocol):
    """A fitted prior."""

    def sample(self, num: int, seed: int = 0) -> Tensor:
        """`num` codes, (num, L) float32, determined by the seed."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that was fitted, for a file."""
        ...


class PostHocPrior(Protocol):
    """A kind of prior with its options, which can be fitted."""

    def fit(self, z: Tensor, seed: int = 0) -> Sampler:
        """z: codes (N, L). Raises GanvasError if there are too few, if they are not vectors, or for NaN or infinity."""
        ...

    def restored(self, tensors: Mapping[str, Tensor]) -> Sampler:
        """The prior that has these tensors. Raises ValueError, KeyError or RuntimeError if they do not fit it."""
        ...


@dataclass(frozen=True)
class Components:
    """Gaussians with full covariances. weights: (K,), means: (K, L), factors: (K, L, L), covariance = factor factorᵀ."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def sample(self, num: int, seed: int = 0) -> Tensor:
        """`num` codes, (num, L) float32, determined by the seed."""
        g = rng.generator(seed, "post-hoc prior")
        k = torch.multinomial(self.weights, num, replacement=True, generator=g)
        noise = torch.randn(num, self.means.shape[1], generator=g, dtype=self.means.dtype)
        z = self.means[k]
        for component in k.unique():
            rows = k == component
            z[rows] += noise[rows] @ self.factors[component].T
        return z.float()

    def tensors(self) -> dict[str, Tensor]:
        return {"weights": self.weights, "means": self.means, "factors": self.factors}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor]) -> "Components":
        """Raises ValueError or KeyError if the tensors are not those of a mixture."""
        weights, means, factors = (tensors[name] for name in ("weights", "means", "factors"))
        if means.dim() != 2 or weights.shape != means.shape[:1] or factors.shape != (*means.shape, means.shape[1]):
            raise ValueError("the shapes of weights, means and factors do not agree")
        return cls(weights, means, factors)


@dataclass(frozen=True)
class Gaussian:
    """One Gaussian with the codes' mean and full covariance."""

    def fit(self, z: Tensor, seed: int = 0) -> Components:
        """z: (N, L), N above L. Raises GanvasError if there are too few, or for NaN or infinity."""
        codes = checked(z, least=z.shape[-1] + 1, what="A Gaussian")
        covariance = torch.cov(codes.T).reshape(codes.shape[1], codes.shape[1])
        # Unused dimensions have almost no variance: a millionth of the mean variance keeps the factor real.
        jitter = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
        factor = torch.linalg.cholesky(covariance + jitter * torch.eye(len(covariance), dtype=codes.dtype))
        return Components(torch.ones(1, dtype=codes.dtype), codes.mean(0, keepdim=True), factor.unsqueeze(0))

    def restored(self, tensors: Mapping[str, Tensor]) -> Components:
        return Components.restored(tensors)


@dataclass(frozen=True)
class GaussianMixture:
    """`components` Gaussians with full covariances, by expectation maximisation.

    References: Ghosh et al. 2020, "From Variational to Deterministic Autoencoders", section 4, with 10 components,
        https://arxiv.org/abs/1903.12436
    """

    components: int = 10

    def __post_init__(self) -> None:
        if self.components < 1:
            raise GanvasError(f"A mixture cannot have {self.components} components.", "Use 1 or more.")

    def fit(self, z: Tensor, seed: int = 0) -> Components:
        """z: (N, L), with more than L for each component. Raises GanvasError if there are too few, or for NaN or infinity."""
        what = f"A mixture of {self.components} Gaussians"
        codes = checked(z, least=self.components * (z.shape[-1] + 1), what=what)
        fitted = mixture.GaussianMixture(
            self.components, reg_covar=1e-6 * float(codes.var(0).mean()) + 1e-12, random_state=seed % 2**32
        ).fit(codes.numpy())
        means, covariances = torch.from_numpy(fitted.means_), torch.from_numpy(fitted.covariances_)
        return Components(torch.from_numpy(fitted.weights_), means, torch.linalg.cholesky(covariances))

    def restored(self, tensors: Mapping[str, Tensor]) -> Components:
        return Components.restored(tensors)


@dataclass(frozen=True)
class SecondStage:
    """A small VAE trained on the codes: u ~ N(0, I), z ~ N(f(u), γ I) with learned γ, u as long as z.

    The first VAE finds the manifold of the data. Its codes fill their space, but not like N(0, I). They have a density,
    which the second VAE can match.

    width, depth: of both networks. epochs: over the codes, with at least `steps` steps of `batch_size` codes.

    References: Dai & Wipf 2019, "Diagnosing and Enhancing VAE Models", section 4, https://arxiv.org/abs/1903.05789
    """

    width: int = 256
    depth: int = 2
    epochs: int = 40
    steps: int = 2_000
    batch_size: int = 128
    learning_rate: float = 3e-3

    def fit(self, z: Tensor, seed: int = 0) -> "FittedSecondStage":
        """z: (N, L), at least ten batches. Raises GanvasError if there are too few, or for NaN or infinity."""
        codes = checked(z, least=10 * self.batch_size, what="A second-stage VAE").float()
        mean, scale = codes.mean(0), codes.std(0).clamp_min(1e-6)
        num_steps = max(self.steps, self.epochs * len(codes) // self.batch_size)
        with rng.building(seed, "second stage"):
            model = self.build(codes.shape[1])
        trainer = Trainer(
            model,
            {"autoencoder": functools.partial(torch.optim.Adam, lr=self.learning_rate, fused=True)},
            learning_rate=Cosine(1.0, 0.0, num_steps * self.batch_size),
            seed=seed,
        )
        shuffle = rng.generator(seed, "second stage", "order")
        standard = (codes - mean) / scale
        batches = (
            Batch(standard[torch.randint(len(standard), (self.batch_size,), generator=shuffle)])
            for _ in range(num_steps)
        )
        trainer.fit(batches, num_steps * self.batch_size)
        return FittedSecondStage(model.eval().requires_grad_(False), mean, scale)

    def restored(self, tensors: Mapping[str, Tensor]) -> "FittedSecondStage":
        mean, scale = tensors["mean"], tensors["scale"]
        if mean.dim() != 1 or mean.shape != scale.shape:
            raise ValueError("the shapes of mean and scale do not agree")
        model = self.build(len(mean))
        weights = {name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model/")}
        model.load_state_dict(weights)
        return FittedSecondStage(model.eval().requires_grad_(False), mean, scale)

    def build(self, size: int) -> VAE:
        family = Mlp(self.width, self.depth)
        # With a larger initial γ the second stage ignores its codes before it learns them, and γ stays large.
        decoder = Decoder(family.synthesis(size, (size,)), SharedScaleGaussian(0.2))
        return VAE(Encoder(family.analysis((size,)), size), decoder, Normal(size))


@dataclass(frozen=True)
class FittedSecondStage:
    """A VAE of standardised codes. mean, scale: (L,), of the codes."""

    model: VAE
    mean: Tensor
    scale: Tensor

    @torch.no_grad()
    def sample(self, num: int, seed: int = 0) -> Tensor:
        """`num` codes, (num, L) float32, a pure function of the seed. Draws from p(z|u), not its means."""
        with rng.seeded(seed, "post-hoc prior"):
            u = self.model.prior().sample((num,))
            return self.mean + self.scale * self.model.decode(u).sample()

    def tensors(self) -> dict[str, Tensor]:
        weights = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        return {**weights, "mean": self.mean, "scale": self.scale}


PRIORS: dict[str, PostHocPrior] = {
    "gaussian": Gaussian(),
    "gmm": GaussianMixture(),
    "second-stage": SecondStage(),
}
"""The kinds by name, with their defaults."""


def checked(z: Tensor, least: int, what: str) -> Tensor:
    """Codes as float64 on the CPU. Raises GanvasError if they cannot be fitted."""
    if z.dim() != 2:
        raise GanvasError(
            f"A fitted prior needs codes that are vectors; these have shape {tuple(z.shape[1:])}.",
            "Grids of codes need another kind of prior.",
        )
    if len(z) < least:
        raise GanvasError(
            f"{what} over codes of {z.shape[1]} dimensions needs at least {least} codes, but there are {len(z)}.",
            "Encode more examples, or use a simpler prior: gaussian, or gmm with fewer components.",
        )
    codes = z.detach().cpu().double()
    bad = int((~torch.isfinite(codes)).any(1).sum())
    if bad:
        raise GanvasError(f"{bad} of {len(z)} codes have NaN or infinity.", "The model has diverged; train it again.")
    return codes
