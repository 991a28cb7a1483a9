"""Models held to what mathematics says of them. In float64."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from ganvas import priors
from ganvas.batch import Batch
from ganvas.distributions import DiagonalNormal
from ganvas.likelihoods import SharedScaleGaussian
from ganvas.losses.adversarial import Adversarial, Minimax, NonSaturating, Wasserstein
from ganvas.losses.penalties import R1
from ganvas.models.consensus import ConsensusGAN
from ganvas.models.gan import GAN
from ganvas.models.vae import VAE
from ganvas.networks import Decoder, Encoder, Mlp
from ganvas.schedules import Cosine
from ganvas.trainer import Trainer


def test_the_kl_of_gaussians_is_its_closed_form() -> None:
    q = DiagonalNormal(torch.randn(5, 3).double(), torch.randn(5, 3).double())
    p = DiagonalNormal(torch.randn(3).double(), torch.randn(3).double(), event_dim=1)
    expected = kl_divergence(Independent(Normal(q.mean, q.stddev), 1), Independent(Normal(p.mean, p.stddev), 1))
    torch.testing.assert_close(kl_divergence(q, p), expected)
    torch.testing.assert_close(kl_divergence(q, q), torch.zeros(5).double(), atol=1e-12, rtol=0)


def linear_vae(data: torch.Tensor, latent: int) -> VAE:
    """Dense layers without any hidden one: x = W z + μ + noise."""
    family = Mlp(depth=0)
    shape = tuple(data.shape[1:])
    encoder = Encoder(family.analysis(shape), latent)
    decoder = Decoder(family.synthesis(latent, shape), SharedScaleGaussian(1.0))
    return VAE(encoder, decoder, priors.Normal(latent)).double()


def test_a_linear_vae_is_probabilistic_pca() -> None:
    """Tipping & Bishop 1999: σ² is the mean of the discarded eigenvalues, W spans the leading eigenvectors."""
    g = torch.Generator().manual_seed(1)
    basis = torch.randn(6, 2, generator=g).double() * torch.tensor([2.0, 1.0]).double()
    data = torch.randn(500, 2, generator=g).double() @ basis.T + 0.5 * torch.randn(500, 6, generator=g).double()
    model = linear_vae(data, 2)
    rate = Cosine(1.0, 0.0, 500 * 1_500)
    trainer = Trainer(model, {"autoencoder": partial(torch.optim.Adam, lr=2e-2, fused=True)}, learning_rate=rate)
    for _ in range(1_500):
        trainer.step(Batch(data))

    mean, covariance = data.mean(0), torch.cov(data.T, correction=0)
    values, vectors = torch.linalg.eigh(covariance)
    noise = values[:4].mean()
    optimum = -0.5 * (6 * math.log(2 * math.pi) + values[4:].log().sum() + 4 * noise.log() + 6)

    with torch.no_grad():
        w = model.decoder.synthesis.output.weight
        variance = model.decode(torch.zeros(1, 2).double()).variance[0, 0]
        bias = model.generate(torch.zeros(1, 2).double())[0]
        marginal = torch.distributions.MultivariateNormal(bias, w @ w.T + variance * torch.eye(6).double())
        obtained = marginal.log_prob(data).mean()
    assert float(optimum - obtained) == pytest.approx(0.0, abs=0.01)
    assert float(variance) == pytest.approx(float(noise), rel=0.03)
    torch.testing.assert_close(bias, mean, atol=0.05, rtol=0)
    cosines = torch.linalg.svdvals(torch.linalg.qr(w)[0].T @ vectors[:, 4:])
    assert cosines.min().item() > 0.999  # the largest angle between the two planes is below 2.6 degrees


class Point(nn.Module):
    """The Dirac-GAN's generator, G(z) = θ."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]).double())

    def forward(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return self.theta.expand(len(z), 1)


class Line(nn.Module):
    """The Dirac-GAN's critic, D(x) = ψ x."""

    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor([psi]).double())

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return x.squeeze(1) * self.psi


def dirac_trajectory(loss: Adversarial, gamma: float, steps: int, rate: float, start: float) -> np.ndarray:
    """(ψ, θ) after every step, by the trainer that trains everything else."""
    penalties = [R1(gamma)] if gamma else []
    return trajectory(GAN(Point(start), Line(0.0), priors.Normal(1), loss=loss, penalties=penalties), steps, rate)


def trajectory(model: GAN | ConsensusGAN, steps: int, rate: float) -> np.ndarray:
    model = model.double()
    sgd = partial(torch.optim.SGD, lr=rate)
    trainer = Trainer(model, {"critic": sgd, "generator": sgd})
    batch = Batch(torch.zeros(1, 1).double())
    path = []
    for _ in range(steps):
        trainer.step(batch)
        path.append((model.critic.psi.item(), model.generator.theta.item()))
    return np.array(path)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 3.0])
def test_r1_makes_the_dirac_gan_converge_as_its_eigenvalues_say(gamma: float) -> None:
    """Mescheder et al. 2018: −γ/2 ± √(γ²/4 − f'(0)²), f'(0) = ½ for this loss. R1 is written out: its slope's is ψ."""
    rate, steps, start = 0.02, 400, 0.05
    # squared_slope works in float32, like every penalty: its rounding is far below the tolerance.
    path = dirac_trajectory(NonSaturating(), gamma, steps, rate, start)
    dynamics = np.array([[-gamma, -0.5], [0.5, 0.0]])
    eigenvalues = np.linalg.eigvals(dynamics)
    root = np.sqrt(complex(gamma**2 / 4 - 0.25))
    np.testing.assert_allclose(np.sort_complex(eigenvalues), np.sort_complex([-gamma / 2 - root, -gamma / 2 + root]))
    for step in (50, 150, 399):
        flow = torch.matrix_exp(torch.tensor(dynamics * rate * (step + 1))).numpy() @ [0.0, start]
        np.testing.assert_allclose(path[step], flow, atol=0.02 * start)
    assert np.linalg.norm(path[-1]) < start


@pytest.mark.parametrize("gamma", [0.0, 0.5, 4.0])
def test_consensus_makes_the_dirac_gan_converge_as_its_eigenvalues_say(gamma: float) -> None:
    """Both slopes have length f'(0) = ½ a unit, so γ ∇L is (γ/4) (ψ, θ), and the eigenvalues are −γ/4 ± i/2."""
    rate, steps, start = 0.02, 400, 0.05
    path = trajectory(ConsensusGAN(Point(start), Line(0.0), priors.Normal(1), gamma=gamma), steps, rate)
    dynamics = np.array([[-gamma / 4, -0.5], [0.5, -gamma / 4]])
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(dynamics)), [-gamma / 4 - 0.5j, -gamma / 4 + 0.5j])
    for step in (50, 150, 399):
        flow = torch.matrix_exp(torch.tensor(dynamics * rate * (step + 1))).numpy() @ [0.0, start]
        np.testing.assert_allclose(path[step], flow, atol=0.04 * start)
    if gamma == 0:
        assert np.linalg.norm(path[-1]) > start, "gradient descent alone spirals outwards"


def test_consensus_is_the_gradient_of_both_lengths_far_from_the_equilibrium() -> None:
    gamma, rate, psi, theta = 0.7, 0.1, 1.5, -0.8
    model = ConsensusGAN(Point(theta), Line(psi), priors.Normal(1), gamma=gamma)
    ((new_psi, new_theta),) = trajectory(model, 1, rate)

    def sigmoid(t: float) -> float:
        return 1 / (1 + math.exp(-t))

    def slopes(psi: float, theta: float) -> tuple[float, float]:  # of log(1 + e^{ψθ}) in ψ, of log(1 + e^{−ψθ}) in θ
        return sigmoid(psi * theta) * theta, -sigmoid(-psi * theta) * psi

    def length(psi: float, theta: float) -> float:
        return 0.5 * sum(s * s for s in slopes(psi, theta))

    h = 1e-5
    own = slopes(psi, theta)
    pull_psi = (length(psi + h, theta) - length(psi - h, theta)) / (2 * h)
    pull_theta = (length(psi, theta + h) - length(psi, theta - h)) / (2 * h)
    assert new_psi == pytest.approx(psi - rate * (own[0] + gamma * pull_psi), abs=1e-6)
    assert new_theta == pytest.approx(theta - rate * (own[1] + gamma * pull_theta), abs=1e-6)


def test_without_regularisation_the_dirac_gan_circles_and_never_converges() -> None:
    path = dirac_trajectory(Minimax(), 0.0, 1_000, 0.05, 0.5)
    radii = np.linalg.norm(path, axis=1)
    assert radii.min() > 0.45
    assert radii.max() < 0.75
    crossings = np.sum(np.diff(np.sign(path[:, 1])) != 0)
    assert crossings == pytest.approx(1_000 * 0.05 * 0.5 / math.pi, rel=0.2)  # at angular speed f'(0)


def test_a_wasserstein_dirac_gan_orbits_at_speed_one() -> None:
    path = dirac_trajectory(Wasserstein(), 0.0, 700, 0.01, 1.0)
    radii = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(radii, 1.0, atol=0.02)
    np.testing.assert_allclose(path[:, 1], np.cos(0.01 * np.arange(1, 701)), atol=0.03)
