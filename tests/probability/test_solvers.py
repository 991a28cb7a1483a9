"""Solvers and noising paths, in closed form."""

import math

import pytest
import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.probability import solvers
from ganvas.probability.noising import Cosine, Noising, ScaledLinear

MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.5, 0.3], [0.3, 0.9]], dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def normal_posterior(x: Tensor, alpha: float, sigma: float) -> tuple[Tensor, Tensor]:
    """E[x₀ | x_t] and E[ε | x_t] for x₀ ~ N(MEAN, COVARIANCE): x_t is N(α m, α² S + σ² I)."""
    centred = torch.linalg.solve(alpha**2 * COVARIANCE + sigma**2 * EYE, (x - alpha * MEAN).T).T
    return MEAN + alpha * centred @ COVARIANCE, sigma * centred


def moments_of(solve) -> tuple[Tensor, Tensor]:
    """Mean and covariance that an affine solver gives N(0, I), exactly: from where it sends 0 and the unit vectors."""
    ends = solve(torch.cat([torch.zeros(1, 2, dtype=torch.float64), EYE]))
    matrix = (ends[1:] - ends[0]).T
    return ends[0], matrix @ matrix.T


def within_two_percent(found: tuple[Tensor, Tensor]) -> None:
    mean, covariance = found
    assert float((mean - MEAN).norm() / MEAN.norm()) < 0.02
    assert float((covariance - COVARIANCE).norm() / COVARIANCE.norm()) < 0.02


def flow_field(x: Tensor, t: Tensor) -> Tensor:
    data, noise = normal_posterior(x, 1 - float(t[0]), float(t[0]))
    return noise - data


def test_heun_in_twenty_steps_gives_a_normals_mean_and_covariance_along_its_optimal_flow() -> None:
    within_two_percent(moments_of(lambda z: solvers.heun(flow_field, z, solvers.times(20))))


def test_euler_needs_more_steps_for_it() -> None:
    within_two_percent(moments_of(lambda z: solvers.euler(flow_field, z, solvers.times(200))))
    coarse = moments_of(lambda z: solvers.euler(flow_field, z, solvers.times(20)))[1]
    exact = moments_of(lambda z: solvers.heun(flow_field, z, solvers.times(20)))[1]
    assert (coarse - COVARIANCE).norm() > 3 * (exact - COVARIANCE).norm()


@pytest.mark.parametrize("noising", [Cosine(), ScaledLinear()], ids=["cosine", "linear"])
def test_ddim_gives_a_normals_mean_and_covariance_with_its_optimal_prediction(noising: Noising) -> None:
    def predict(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = noising.coefficients(t)
        data, noise = normal_posterior(x, float(alpha[0]), float(sigma[0]))
        return noising.velocity(data, noise, t)

    within_two_percent(moments_of(lambda z: solvers.ddim(predict, z, solvers.times(200), noising)))
    within_two_percent(moments_of(lambda z: solvers.heun_by_angle(predict, z, solvers.times(50), noising)))


@pytest.mark.parametrize(("solve", "order"), [(solvers.euler, 1), (solvers.heun, 2)])
def test_a_solver_has_the_order_of_its_name(solve, order: int) -> None:
    """dx/dt = −x from t = 1 to 0 multiplies by e; half the step divides the error by 2^order."""
    one = torch.ones(1, 1, dtype=torch.float64)
    errors = [abs(float(solve(lambda x, t: -x, one, solvers.times(n))) - math.e) for n in (40, 80)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.05)


def test_a_straight_path_takes_one_step() -> None:
    z, slope = torch.randn(3, 2), torch.randn(3, 2)
    for solve in (solvers.euler, solvers.heun):
        torch.testing.assert_close(solve(lambda x, t: slope, z, solvers.times(1)), z - slope)


@pytest.mark.parametrize("noising", [Cosine(), ScaledLinear()], ids=["cosine", "linear"])
def test_data_noise_and_velocity_say_the_same(noising: Noising) -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    x, noise = torch.randn(11, 3, 2, 2, dtype=torch.float64), torch.randn(11, 3, 2, 2, dtype=torch.float64)
    x_t, v = noising.add(x, noise, t), noising.velocity(x, noise, t)
    torch.testing.assert_close(noising.data(x_t, v, t), x, rtol=0, atol=1e-6)
    torch.testing.assert_close(noising.noise(x_t, v, t), noise, rtol=0, atol=1e-6)


@pytest.mark.parametrize("noising", [Cosine(), ScaledLinear()], ids=["cosine", "linear"])
def test_a_path_goes_from_data_alone_to_noise_alone_and_always_on(noising: Noising) -> None:
    alpha, sigma = noising.coefficients(torch.linspace(0, 1, 501))
    assert float(alpha[0]) == 1 and float(sigma[0]) == 0
    assert float(alpha[-1]) == 0 and float(sigma[-1]) == 1
    assert bool((alpha.diff() < 0).all())
    torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones(501))


def test_the_linear_schedule_is_latent_diffusions_but_for_its_end() -> None:
    """Before it is rescaled, √ᾱ is 0.0683 at the last of 1,000 steps; Lin et al. 2024, table 1, for Stable Diffusion."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1_000, dtype=torch.float64).square()
    end = float((1 - betas).prod().sqrt())
    assert end == pytest.approx(0.0683, abs=1e-4)
    first, middle = math.sqrt(1 - 0.00085), float((1 - betas[:500]).prod().sqrt())
    alpha, _ = ScaledLinear().coefficients(torch.tensor([0.001, 0.5], dtype=torch.float64))
    assert float(alpha[0]) == pytest.approx(first, abs=1e-6), "the first step keeps its value"
    assert float(alpha[1]) == pytest.approx((middle - end) * first / (first - end), abs=1e-6)


def test_no_steps_are_refused() -> None:
    with pytest.raises(GanvasError, match="0 steps"):
        solvers.times(0)
