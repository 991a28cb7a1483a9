"""Losses, penalties and likelihoods, against what their papers say, written out."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent
from torch.nn.functional import binary_cross_entropy_with_logits

from ganvas.losses import adversarial, penalties
from ganvas.losses.reconstruction import optimal_scale, unit_scale
from ganvas.models.vae import kl_per_dimension
from ganvas.probability.distributions import BernoulliImage, CategoricalImage, DiagonalNormal, DiscretizedLogistic
from ganvas.probability.likelihoods import Bernoulli, Gaussian, Logistic, PixelScaleGaussian, SharedScaleGaussian
from ganvas.probability.likelihoods import Categorical as CategoricalHead
from ganvas.probability.priors import Normal, Uniform

REAL, FAKE = torch.tensor([0.3, -1.2, 2.0]).double(), torch.tensor([0.7, -0.4, -1.5]).double()


def d(score: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(score)


@pytest.mark.parametrize(
    ("pair", "critic", "generator"),
    [
        (adversarial.NonSaturating(), -(d(REAL).log() + (1 - d(FAKE)).log()).mean(), -d(FAKE).log().mean()),
        (adversarial.Minimax(), -(d(REAL).log() + (1 - d(FAKE)).log()).mean(), (1 - d(FAKE)).log().mean()),
        (adversarial.LeastSquares(), (0.5 * (REAL - 1) ** 2 + 0.5 * FAKE**2).mean(), (0.5 * (FAKE - 1) ** 2).mean()),
        (adversarial.Hinge(), ((1 - REAL).clamp_min(0) + (1 + FAKE).clamp_min(0)).mean(), -FAKE.mean()),
        (adversarial.Wasserstein(), FAKE.mean() - REAL.mean(), -FAKE.mean()),
        (adversarial.Relativistic(), -d(REAL - FAKE).log().mean(), -d(FAKE - REAL).log().mean()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, adversarial.Adversarial) else "",
)
def test_adversarial_pairs_are_their_formulas(
    pair: adversarial.Adversarial, critic: torch.Tensor, generator: torch.Tensor
) -> None:
    torch.testing.assert_close(pair.critic(REAL, FAKE), critic)
    torch.testing.assert_close(pair.generator(REAL, FAKE), generator)


class Quadratic(nn.Module):
    """f(x) = ½ w‖x‖², whose slope at x is w x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return 0.5 * self.w * x.flatten(1).square().sum(1)


def test_slope_penalties_are_their_formulas_and_reach_the_critic() -> None:
    critic, real, fake = Quadratic(), torch.randn(6, 2, 3), torch.randn(6, 2, 3)
    square = real.flatten(1).square().sum(1)
    r1 = penalties.R1(gamma=3.0)(critic, real, fake)
    torch.testing.assert_close(r1, 0.5 * 3.0 * (4 * square).mean())
    (gradient,) = torch.autograd.grad(r1, critic.w)
    torch.testing.assert_close(gradient, 0.5 * 3.0 * (2 * 2.0 * square).mean())
    r2 = penalties.R2(gamma=3.0)(critic, real, fake)
    torch.testing.assert_close(r2, 0.5 * 3.0 * (4 * fake.flatten(1).square().sum(1)).mean())


def test_the_gradient_penalty_is_taken_between_real_and_fake() -> None:
    critic, x = Quadratic(), torch.randn(6, 5)
    expected = 10 * (2.0 * x.norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(penalties.GradientPenalty(10.0)(critic, x, x.clone()), expected, rtol=1e-5, atol=1e-5)
    seen: list[torch.Tensor] = []

    def linear(z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        seen.append(z.detach())
        return z.sum(1)

    real, fake = torch.zeros(50, 4), torch.ones(50, 4)
    penalty = penalties.GradientPenalty(1.0)(linear, real, fake)
    torch.testing.assert_close(penalty, torch.tensor((2.0 - 1) ** 2))  # ‖(1, 1, 1, 1)‖ = 2
    assert (seen[0] == seen[0][:, :1]).all(), "one place between the two for each example"
    assert 0 <= float(seen[0].min()) < 0.2 < 0.8 < float(seen[0].max()) <= 1


def test_no_penalty_moves_the_generator() -> None:
    fake = torch.randn(4, 3, requires_grad=True)
    for penalty in (penalties.R1(), penalties.R2(), penalties.GradientPenalty()):
        assert torch.autograd.grad(penalty(Quadratic(), torch.randn(4, 3), fake), fake, allow_unused=True) == (None,)


def test_reconstruction_scales() -> None:
    x, x_hat = torch.randn(8, 3, 4, 4).double(), torch.randn(8, 3, 4, 4).double()
    torch.testing.assert_close(unit_scale(x, x_hat), 0.5 * ((x - x_hat) ** 2).sum((1, 2, 3)).mean())
    scale = (x - x_hat).square().mean().sqrt()
    best = -Independent(torch.distributions.Normal(x_hat, scale), 3).log_prob(x).mean()
    constant = 0.5 * 48 * (math.log(2 * math.pi) + 1)
    torch.testing.assert_close(optimal_scale(x, x_hat) + constant, best, rtol=1e-4, atol=1e-4)


def test_the_bernoulli_is_binary_cross_entropy() -> None:
    logits, x = torch.randn(4, 1, 5, 5), torch.rand(4, 1, 5, 5) * 2 - 1
    expected = -binary_cross_entropy_with_logits(logits, (x + 1) / 2, reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(BernoulliImage(logits).log_prob(x), expected)
    torch.testing.assert_close(BernoulliImage(logits).mean, 2 * torch.sigmoid(logits) - 1)
    draws = BernoulliImage(torch.full((2_000, 1, 2, 2), math.log(0.3 / 0.7))).sample()
    assert set(draws.unique().tolist()) == {-1.0, 1.0}
    assert float((draws > 0).float().mean()) == pytest.approx(0.3, abs=0.02)


LEVELS = (torch.arange(256) / 127.5 - 1).view(256, 1, 1, 1)


@pytest.mark.parametrize("loc", [-1.3, -1.0, -0.2, 0.71, 1.0, 1.4])
@pytest.mark.parametrize("log_scale", [-6.0, -3.0, 0.0])
def test_the_discretised_logistic_sums_to_one_over_the_levels(loc: float, log_scale: float) -> None:
    p = DiscretizedLogistic(torch.full((256, 1, 1, 1), loc).double(), torch.full((256, 1, 1, 1), log_scale).double())
    assert float(p.log_prob(LEVELS.double()).exp().sum()) == pytest.approx(1.0, abs=1e-6)


def test_the_categorical_sums_to_one_and_its_mean_is_the_expectation() -> None:
    logits = torch.randn(1, 256, 1, 1, 1).double()
    p = CategoricalImage(logits.expand(256, -1, -1, -1, -1))
    probabilities = p.log_prob(LEVELS.double()).exp()
    torch.testing.assert_close(probabilities, torch.softmax(logits.flatten(), 0))
    torch.testing.assert_close(p.mean[0, 0, 0, 0], (probabilities * LEVELS.flatten().double()).sum())
    draws = CategoricalImage(torch.log(torch.tensor([0.25, 0.75])).view(1, 2, 1, 1, 1).expand(1, 2, 1, 40, 40)).sample()
    assert float((draws * 127.5 + 127.5).mean()) == pytest.approx(0.75, abs=0.04)
    assert Categorical(probs=probabilities).probs.shape == (256,)


@pytest.mark.parametrize(
    "head", [Bernoulli(), Gaussian(0.3), SharedScaleGaussian(), PixelScaleGaussian(), Logistic(), CategoricalHead()]
)
def test_every_head_gives_finite_densities_and_samples_of_examples(head: nn.Module) -> None:
    features = torch.randn(3, 2 * head.num_parameters, 4, 4) * 30
    p = head(features)
    x = (torch.randint(0, 256, (3, 2, 4, 4)) / 127.5) - 1
    assert p.log_prob(x).shape == (3,)
    assert torch.isfinite(p.log_prob(x)).all()
    assert p.mean.shape == p.sample().shape == x.shape


def test_gaussian_heads_start_at_the_scale_they_are_given() -> None:
    torch.testing.assert_close(
        SharedScaleGaussian(0.25)(torch.zeros(1, 1, 2, 2)).stddev, torch.full((1, 1, 2, 2), 0.25)
    )
    torch.testing.assert_close(Gaussian(0.25)(torch.zeros(1, 1, 2, 2)).stddev, torch.full((1, 1, 2, 2), 0.25))


def test_log_variances_are_bounded() -> None:
    q = DiagonalNormal(torch.zeros(2, 3), torch.tensor(1e4))
    assert torch.isfinite(q.rsample()).all()
    assert torch.isfinite(DiagonalNormal(torch.zeros(2, 3), torch.tensor(-1e4)).log_prob(torch.ones(2, 3))).all()


def test_densities_and_entropies_agree_with_torchs_own() -> None:
    loc, log_variance, x = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 3)
    ours = DiagonalNormal(loc, log_variance)
    theirs = Independent(torch.distributions.Normal(loc, (0.5 * log_variance).exp()), 1)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert ours.rsample((5,)).shape == (5, 4, 3)


def test_rate_by_dimension_sums_to_the_rate() -> None:
    q, p = DiagonalNormal(torch.randn(4, 3), torch.randn(4, 3)), Normal(3)()
    torch.testing.assert_close(kl_per_dimension(q, p).sum(1), torch.distributions.kl_divergence(q, p))


def test_priors_draw_what_they_say() -> None:
    z = Normal(3)().sample((4_000,))
    assert z.shape == (4_000, 3)
    torch.testing.assert_close(z.var(0), torch.ones(3), atol=0.1, rtol=0)
    u = Uniform(3)().sample((4_000,))
    assert float(u.min()) >= -1
    assert float(u.max()) <= 1
    torch.testing.assert_close(u.var(0), torch.full((3,), 1 / 3), atol=0.03, rtol=0)
    assert float(Uniform(3)().log_prob(torch.zeros(3))) == pytest.approx(-3 * math.log(2))
