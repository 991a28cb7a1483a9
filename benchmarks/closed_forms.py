"""Experiments whose outcome mathematics knows: Dirac-GANs, a linear VAE, representations that are known to be good or bad."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.schedules import Cosine
from ganvas.losses.adversarial import Adversarial, NonSaturating, Wasserstein
from ganvas.losses.penalties import R1
from ganvas.machine import rng
from ganvas.metrics import disentanglement
from ganvas.models.consensus import ConsensusGAN
from ganvas.models.gan import GAN
from ganvas.models.vae import VAE
from ganvas.networks import Decoder, Encoder, Mlp
from ganvas.nn.clipping import WeightClipping
from ganvas.probability import priors
from ganvas.probability.likelihoods import SharedScaleGaussian
from ganvas.training.trainer import Trainer

Array = NDArray[np.float64]


class Point(nn.Module):
    """The Dirac-GAN's generator, G(z) = θ."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]).double())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.theta.expand(len(z), 1)


class Line(nn.Module):
    """The Dirac-GAN's critic, D(x) = ψ x."""

    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor([psi]).double())

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.squeeze(1) * self.psi


def dirac_gan(loss: Adversarial, start: float, gamma: float = 0.0, clip: float | None = None) -> GAN:
    """θ = start, ψ = 0, the data at 0. gamma: R1's weight. clip: the largest |ψ|."""
    penalties = [R1(gamma)] if gamma else []
    constraint = None if clip is None else WeightClipping(clip)
    return GAN(Point(start), Line(0.0), priors.Normal(1), loss=loss, penalties=penalties, constraint=constraint)


def trajectory(model: GAN | ConsensusGAN, steps: int, rate: float) -> Array:
    """(ψ, θ) after every step of gradient descent, by the trainer that trains everything else. (steps, 2)."""
    model = model.double()
    sgd = partial(torch.optim.SGD, lr=rate)
    trainer = Trainer(model, {"critic": sgd, "generator": sgd})
    batch = Batch(torch.zeros(1, 1).double())
    path: list[tuple[float, float]] = []
    for _ in range(steps):
        trainer.step(batch)
        path.append((model.critic.psi.item(), model.generator.theta.item()))
    return np.array(path)


def eigenvalues(path: Array, rate: float) -> NDArray[np.complex128]:
    """Those of the linear flow that fits a trajectory best: ds/dt = A s with s(t + rate) = exp(rate A) s(t). Ascending."""
    step = np.linalg.lstsq(path[:-1], path[1:], rcond=None)[0].T
    return np.sort_complex(np.log(np.linalg.eigvals(step).astype(complex)) / rate)


def dirac_dynamics(seed: int) -> dict[str, float]:
    """Eigenvalues of what trajectories near the equilibrium do, and the radius of the orbit of a clipped WGAN.

    Nothing is random: the seed changes nothing. Mescheder et al. 2018, sections 2 and 3; f'(0) = ½ for the usual loss.
    """
    rate, start = 0.005, 0.05
    found: dict[str, float] = {}
    # Minimax and non-saturating losses have the same slope at the equilibrium.
    free = eigenvalues(trajectory(dirac_gan(NonSaturating(), start), 2_000, rate), rate)
    found |= {"no penalty: Re λ": free[0].real, "no penalty: Im λ": abs(free[0].imag)}
    half = eigenvalues(trajectory(dirac_gan(NonSaturating(), start, gamma=0.5), 2_000, rate), rate)
    found |= {"R1, γ = 0.5: Re λ": half[0].real, "R1, γ = 0.5: Im λ": abs(half[0].imag)}
    three = eigenvalues(trajectory(dirac_gan(NonSaturating(), start, gamma=3.0), 2_000, rate), rate)
    found |= {"R1, γ = 3: the slower λ": three[1].real, "R1, γ = 3: the faster λ": three[0].real}
    both = ConsensusGAN(Point(start), Line(0.0), priors.Normal(1), gamma=2.0)
    consensus = eigenvalues(trajectory(both, 2_000, rate), rate)
    found |= {"consensus, γ = 2: Re λ": consensus[0].real, "consensus, γ = 2: Im λ": abs(consensus[0].imag)}
    clip = 0.5
    orbit = trajectory(dirac_gan(Wasserstein(), 1.0, clip=clip), 4_000, 0.005)
    found["WGAN clipped at ½: radius of the orbit"] = float(np.abs(orbit[2_000:, 1]).max())
    return {name: float(value) for name, value in found.items()}


def linear_vae(data: Tensor, latent: int) -> VAE:
    """Dense layers without any hidden one: x = W z + μ + noise. In float64."""
    family = Mlp(depth=0)
    shape = tuple(data.shape[1:])
    encoder = Encoder(family.analysis(shape), latent)
    decoder = Decoder(family.synthesis(latent, shape), SharedScaleGaussian(1.0))
    return VAE(encoder, decoder, priors.Normal(latent)).double()


@dataclass(frozen=True)
class PrincipalComponents:
    """A trained linear VAE beside probabilistic PCA's analytic optimum.

    gap: by how much its log-likelihood, nats an example, is below the optimum. noise: σ² over the mean of the discarded
    eigenvalues. degrees: the largest angle between the spans of W and of the leading eigenvectors. off: μ's largest error.
    """

    gap: float
    noise: float
    degrees: float
    off: float


def probabilistic_pca(seed: int, steps: int = 4_000) -> PrincipalComponents:
    """500 points of 6 dimensions around a plane. Tipping & Bishop 1999, eq. 3.8 (σ²) and 3.7 (W)."""
    g = torch.Generator().manual_seed(seed)
    basis = torch.randn(6, 2, generator=g).double() * torch.tensor([2.0, 1.0]).double()
    data = torch.randn(500, 2, generator=g).double() @ basis.T + 0.5 * torch.randn(500, 6, generator=g).double()
    with rng.seeded(seed, "weights"):
        model = linear_vae(data, 2)
    rate = Cosine(1.0, 0.0, 500 * steps)
    trainer = Trainer(model, {"autoencoder": partial(torch.optim.Adam, lr=2e-2, fused=True)}, learning_rate=rate)
    for _ in range(steps):
        trainer.step(Batch(data))

    values, vectors = torch.linalg.eigh(torch.cov(data.T, correction=0))
    noise = values[:4].mean()
    optimum = -0.5 * (6 * math.log(2 * math.pi) + values[4:].log().sum() + 4 * noise.log() + 6)
    with torch.no_grad():
        w = model.decoder.synthesis.output.weight
        assert isinstance(w, Tensor)
        variance = model.decode(torch.zeros(1, 2).double()).variance[0, 0]
        bias = model.generate(torch.zeros(1, 2).double())[0]
        marginal = torch.distributions.MultivariateNormal(bias, w @ w.T + variance * torch.eye(6).double())
        obtained = marginal.log_prob(data).mean()
        cosines = torch.linalg.svdvals(torch.linalg.qr(w)[0].T @ vectors[:, 4:])
    return PrincipalComponents(
        gap=float(optimum - obtained),
        noise=float(variance / noise),
        degrees=math.degrees(math.acos(min(1.0, float(cosines.min())))),
        off=float((bias - data.mean(0)).abs().max()),
    )


def principal_components(seed: int) -> dict[str, float]:
    found = probabilistic_pca(seed)
    return {
        "log-likelihood below the optimum, nats": found.gap,
        "σ² over the optimal one": found.noise,
        "angle to the leading eigenvectors, degrees": found.degrees,
    }


REPRESENTATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda factors: factors,
    "constant": np.zeros_like,
    "every code twice": lambda factors: np.hstack([factors, factors]),
}


def disentanglement_oracles(seed: int) -> dict[str, float]:
    """Scores of codes that are the factors themselves, or nothing, or the factors twice; 10 factors of 10 values."""
    train, test = np.random.default_rng(seed).integers(10, size=(2, 3_000, 10))
    found: dict[str, float] = {}
    for name, represent in REPRESENTATIONS.items():
        codes, train_codes = represent(test.astype(np.float64)), represent(train.astype(np.float64))
        found[f"{name}: MIG"] = disentanglement.mig(codes, test)
        found[f"{name}: SAP"] = disentanglement.sap(codes, test)
        # Boosted trees cost factors x values x examples: four factors of one thousand.
        kept = slice(None, 4) if codes.shape[1] == 10 else [0, 1, 2, 3, 10, 11, 12, 13]
        dci = disentanglement.dci(
            train_codes[:1_000, kept], train[:1_000, :4], codes[:1_000, kept], test[:1_000, :4], seed
        )
        found[f"{name}: DCI disentanglement"] = dci.disentanglement
        found[f"{name}: β-VAE score"] = disentanglement.beta_vae_score(codes, test, seed)
        found[f"{name}: FactorVAE score"] = disentanglement.factor_vae_score(codes, test, seed)
    return {name: float(value) for name, value in found.items()}
