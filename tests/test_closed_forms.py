"""Models held to what mathematics says of them. In float64."""

import math

import numpy as np
import pytest
import torch
from closed_forms import Line, Point, dirac_gan, probabilistic_pca, trajectory
from torch.distributions import Independent, Normal, kl_divergence

from ganvas.losses.adversarial import Adversarial, Minimax, NonSaturating, Wasserstein
from ganvas.models.consensus import ConsensusGAN
from ganvas.probability import priors
from ganvas.probability.distributions import DiagonalNormal

pytestmark = pytest.mark.trains


def test_the_kl_of_gaussians_is_its_closed_form() -> None:
    q = DiagonalNormal(torch.randn(5, 3).double(), torch.randn(5, 3).double())
    p = DiagonalNormal(torch.randn(3).double(), torch.randn(3).double(), event_dim=1)
    expected = kl_divergence(Independent(Normal(q.mean, q.stddev), 1), Independent(Normal(p.mean, p.stddev), 1))
    torch.testing.assert_close(kl_divergence(q, p), expected)
    torch.testing.assert_close(kl_divergence(q, q), torch.zeros(5).double(), atol=1e-12, rtol=0)


def test_a_linear_vae_is_probabilistic_pca() -> None:
    found = probabilistic_pca(1, steps=1_500)
    assert found.gap == pytest.approx(0.0, abs=0.01)
    assert found.noise == pytest.approx(1.0, rel=0.03)
    assert found.degrees < 2.6
    assert found.off < 0.05


def dirac_trajectory(loss: Adversarial, gamma: float, steps: int, rate: float, start: float) -> np.ndarray:
    return trajectory(dirac_gan(loss, start, gamma), steps, rate)


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
