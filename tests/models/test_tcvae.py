"""The rate taken apart, against closed forms. In float64."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.machine import rng
from ganvas.models.tcvae import TCVAE, MinibatchStratified, MinibatchWeighted
from ganvas.models.vae import VAE
from ganvas.probability import priors
from ganvas.probability.distributions import DiagonalNormal
from ganvas.recipes.likelihood import tc_vae
from ganvas.training.recipe import build


class Copy(nn.Module):
    """q(z|x) = N(x, 0.3), or p(x|z) = N(z, 0.3)."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        return DiagonalNormal(x, torch.full_like(x, math.log(0.3)))


def correlated(num: int) -> Tensor:
    """x ~ N(0, C), so that under `Copy` q(z) = N(0, C + 0.3 I)."""
    factor = torch.tensor([[1.0, 0.0], [0.8, 0.6]]).double()
    return torch.randn(num, 2).double() @ factor.T


def model(weights, **options) -> TCVAE:
    return TCVAE(Copy(), Copy(), priors.Normal(2).double(), weights, **options)


def test_with_equal_weights_the_terms_are_the_elbo_whatever_the_estimator_says() -> None:
    x = correlated(64)
    for weights in (MinibatchWeighted(1_000), MinibatchStratified(1_000)):
        tc, vae = model(weights, beta=1.0), VAE(Copy(), Copy(), priors.Normal(2).double())
        with rng.seeded(1):
            r = tc(Batch(x))
            total = sum(tc.loss(r).values())
        expected = -r.p.log_prob(x).mean() + (r.q.log_prob(r.z) - vae.prior().log_prob(r.z)).mean()
        torch.testing.assert_close(total, expected)


def test_stratified_terms_are_those_of_the_aggregate_posterior() -> None:
    num = 3_000
    with rng.seeded(2):
        tc = model(MinibatchStratified(num), beta=1.0)
        terms = tc.loss(tc(Batch(correlated(num))))
    covariance = torch.tensor([[1.3, 0.8], [0.8, 1.3]]).double()
    aggregate = MultivariateNormal(torch.zeros(2).double(), covariance)
    correlation = math.log(1.3) - 0.5 * float(torch.logdet(covariance))
    information = float(aggregate.entropy()) - (1 + math.log(2 * math.pi * 0.3))
    dimension = 2 * 0.5 * (1.3 - 1 - math.log(1.3))
    assert float(terms["total correlation"]) == pytest.approx(correlation, abs=0.03)
    assert float(terms["mutual information"]) == pytest.approx(information, abs=0.05)
    assert float(terms["dimension-wise rate"]) == pytest.approx(dimension, abs=0.05)


def test_stratified_weights_give_the_aggregate_posterior_in_expectation() -> None:
    """Over all batches that hold x_0 the mean of Σ_j W_0j q(z|x_j) is 1/N Σ_n q(z|x_n); weighted is its lower bound."""
    num, size = 9, 4
    density = torch.rand(num).double() + 0.1  # q(z|x_n) at one z
    stratified, weighted = [], []
    for _ in range(8_000):
        batch = torch.cat([torch.zeros(1).long(), 1 + torch.randperm(num - 1)[: size - 1]])
        stratified.append(MinibatchStratified(num).log_weights(size)[0].exp().double() @ density[batch])
        weighted.append(MinibatchWeighted(num).log_weights(size)[0].exp().double() @ density[batch])
    assert float(torch.stack(stratified).mean()) == pytest.approx(float(density.mean()), rel=0.01)
    assert float(torch.stack(weighted).mean()) < float(density.mean()) / 2


@pytest.mark.parametrize("size", [2, 5])
def test_stratified_rows_sum_to_one_and_the_diagonal_is_the_example_itself(size: int) -> None:
    weights = MinibatchStratified(50).log_weights(size).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(size))
    torch.testing.assert_close(weights.diagonal(), torch.full((size,), 1 / 50))


def test_a_last_batch_of_one_is_finite() -> None:
    tc = model(MinibatchStratified(50))
    assert all(bool(v.isfinite()) for v in tc.loss(tc(Batch(correlated(1)))).values())


def test_weights_scale_their_own_terms() -> None:
    x, plain = correlated(32), model(MinibatchWeighted(100), beta=1.0)
    heavy = model(MinibatchWeighted(100), alpha=0.0, beta=5.0, gamma=2.0)
    with rng.seeded(3):
        a = plain.loss(plain(Batch(x)))
    with rng.seeded(3):
        b = heavy.loss(heavy(Batch(x)))
    factors = {"distortion": 1, "mutual information": 0, "total correlation": 5, "dimension-wise rate": 2}
    for name, factor in factors.items():
        torch.testing.assert_close(b[name], factor * a[name])


def test_the_recipe_knows_the_size_of_the_data() -> None:
    made = build(tc_vae, DataInfo(shape=(1, 8, 8), num_train=123), {"width": 8, "sampling": "weighted"}).model
    assert made.weights == MinibatchWeighted(123)
