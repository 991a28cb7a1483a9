"""Priors fitted to codes after the fact."""

import math

import pytest
import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.use.fitted_priors import PRIORS, Gaussian, GaussianMixture, SecondStage

QUICK = SecondStage(width=64, epochs=1, steps=1_200)


def two_clusters(num: int) -> Tensor:
    side = torch.randint(2, (num, 1)) * 2.0 - 1
    return torch.cat([3 * side, 5 + 0 * side], dim=1) + torch.tensor([0.3, 0.1]) * torch.randn(num, 2)


def ring(num: int) -> Tensor:
    angle = torch.rand(num) * math.tau
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.02 * torch.randn(num, 2)


def test_a_gaussian_has_the_moments_of_the_codes() -> None:
    z = torch.randn(50_000, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.1]]) + 4
    drawn = Gaussian().fit(z).sample(200_000, seed=1)
    torch.testing.assert_close(drawn.mean(0), z.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(z.T), atol=0.03, rtol=0.02)


def test_a_mixture_finds_clusters_where_a_gaussian_fills_the_gap() -> None:
    z = two_clusters(2_000)
    drawn, smeared = GaussianMixture(2).fit(z).sample(2_000, seed=1), Gaussian().fit(z).sample(2_000, seed=1)
    assert float((drawn[:, 0].abs() < 1.5).double().mean()) < 0.01
    assert float((smeared[:, 0].abs() < 1.5).double().mean()) > 0.3
    assert float((drawn[:, 0] > 0).double().mean()) == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(drawn[:, 1].std(), torch.tensor(0.1), atol=0.01, rtol=0)


@pytest.mark.trains
def test_a_second_stage_finds_a_curve_where_a_gaussian_fills_the_disc() -> None:
    z = ring(4_000)
    drawn, smeared = QUICK.fit(z).sample(1_000, seed=1), Gaussian().fit(z).sample(1_000, seed=1)
    assert on_the_ring(drawn) > 0.75
    assert on_the_ring(smeared) < 0.4
    quadrant = (drawn[:, 0] > 0).long() * 2 + (drawn[:, 1] > 0).long()
    assert int(torch.bincount(quadrant, minlength=4).min()) > 100


def on_the_ring(z: Tensor) -> float:
    return float(((z.norm(dim=1) - 1).abs() < 0.2).double().mean())


@pytest.mark.trains
@pytest.mark.parametrize("prior", [Gaussian(), GaussianMixture(3), SecondStage(width=8, epochs=1, steps=5)])
def test_fit_and_samples_come_from_seeds_alone(prior) -> None:
    z = two_clusters(1_400)
    state = torch.random.get_rng_state()
    a = prior.fit(z, seed=3)
    assert torch.equal(a.sample(20, seed=5), prior.fit(z, seed=3).sample(20, seed=5))
    assert not torch.equal(a.sample(20, seed=5), a.sample(20, seed=6))
    assert torch.equal(state, torch.random.get_rng_state())
    assert a.sample(7).shape == (7, 2) and a.sample(7).dtype == torch.float32


@pytest.mark.parametrize("name", PRIORS)
def test_too_few_codes_are_refused_with_the_number_that_is_needed(name: str) -> None:
    with pytest.raises(GanvasError, match="at least") as error:
        PRIORS[name].fit(torch.randn(12, 12))
    assert "Encode more" in error.value.hint


def test_the_least_number_of_codes_suffices() -> None:
    torch.manual_seed(1)
    assert Gaussian().fit(torch.randn(5, 4)).sample(3).isfinite().all()
    assert GaussianMixture(2).fit(torch.randn(10, 4)).sample(3).isfinite().all()


@pytest.mark.parametrize("prior", [Gaussian(), GaussianMixture(2)])
def test_dimensions_that_carry_nothing_do_no_harm(prior) -> None:
    z = torch.cat([torch.randn(500, 2), torch.zeros(500, 1)], dim=1)
    drawn = prior.fit(z).sample(1_000)
    assert float(drawn[:, 2].abs().max()) < 0.02
    assert float(drawn[:, 0].std()) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("name", PRIORS)
def test_codes_that_are_not_finite_or_no_vectors_are_refused(name: str) -> None:
    z = torch.randn(2_000, 2)
    z[3, 1] = float("nan")
    with pytest.raises(GanvasError, match="1 of 2000 codes have NaN or infinity"):
        PRIORS[name].fit(z)
    with pytest.raises(GanvasError, match="vectors"):
        PRIORS[name].fit(torch.randn(2_000, 2, 4, 4))


def test_a_mixture_of_nothing_is_refused() -> None:
    with pytest.raises(GanvasError, match="0 components"):
        GaussianMixture(0)
