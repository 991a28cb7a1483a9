import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from ganvas.errors import GanvasError
from ganvas.metrics import kid
from ganvas.metrics.fid import frechet_distance
from ganvas.metrics.kid import kernel_distance


def direct(real, fake):
    """The formula in float64, with the symmetric square root: tr (C₁^½ C₂ C₁^½)^½ = tr (C₁ C₂)^½."""
    real, fake = real.double(), fake.double()
    values, vectors = torch.linalg.eigh(real.T.cov())
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ fake.T.cov() @ root).clamp_min(0).sqrt().sum()
    means = (real.mean(0) - fake.mean(0)).square().sum()
    return (means + real.T.cov().trace() + fake.T.cov().trace() - 2 * cross).item()


class Given(torch.nn.Module):
    """Features that were extracted already, for torchmetrics."""

    def __init__(self, num_features):
        super().__init__()
        self.num_features = num_features

    def forward(self, features):
        return features


def normal(num, size, seed, mean=0.0, scale=1.0):
    return torch.randn(num, size, generator=torch.Generator().manual_seed(seed)) * scale + mean


def whitened(x):
    """Points whose sample mean is exactly 0 and whose sample covariance is exactly I."""
    x = x.double() - x.double().mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T


def test_frechet_distance_of_known_gaussians():
    x = whitened(normal(2_000, 3, 0))
    y = whitened(normal(1_500, 3, 1)) * torch.tensor([2.0, 0.5, 1.0]) + torch.tensor([1.0, -2.0, 0.0])
    # |1, −2, 0|² + (2 − 1)² + (1 − ½)²
    assert frechet_distance(x, y)[0] == pytest.approx(5 + 1 + 0.25, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1_000.0])
def test_torchmetrics_and_the_direct_formula_agree(offset):
    mix = normal(40, 40, 2)
    real = normal(500, 40, 3) @ mix + offset
    fake = normal(400, 40, 4, 0.3, 1.2).relu() @ mix + offset
    expected = direct(real, fake)
    assert frechet_distance(real, fake)[0] == pytest.approx(expected, rel=1e-6)
    metric = FrechetInceptionDistance(feature=Given(40)).set_dtype(torch.float64)
    metric.update(real.double() - offset, real=True)
    metric.update(fake.double() - offset, real=False)
    assert metric.compute().item() == pytest.approx(expected, rel=1e-3)


def test_frechet_distance_of_a_set_to_itself_is_zero():
    x = normal(300, 20, 5)
    assert frechet_distance(x, x)[0] == pytest.approx(0, abs=1e-6)


def test_too_few_examples_says_how_many_are_needed():
    with pytest.raises(GanvasError, match=r"20 samples are too few .* at least 21 are needed"):
        frechet_distance(normal(100, 20, 0), normal(20, 20, 1))
    with pytest.raises(GanvasError, match="7 real examples are too few"):
        frechet_distance(normal(7, 20, 0), normal(30, 20, 1))


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_features_of_nan_are_refused(distance):
    bad = normal(30, 4, 0)
    bad[3, 1] = torch.nan
    with pytest.raises(GanvasError, match="NaN or infinite features for 1 of 30"):
        distance(normal(30, 4, 1), bad)


def test_kid_of_identical_sets_is_zero_but_for_the_examples_that_meet_themselves():
    """E = 2/N (mean k(x, x') − mean k(x, x))."""
    x = normal(1_000, 8, 6).double()
    value, error = kernel_distance(x, x)
    kernel = (x @ x.T / 8 + 1) ** 3
    itself = kernel.diagonal().mean()
    others = (kernel.sum() - kernel.trace()) / (1_000 * 999)
    assert value == pytest.approx((2 / 1_000 * (others - itself)).item())
    assert 0 < error < 0.05


def test_kid_of_two_draws_of_one_distribution_is_zero_in_the_mean():
    value, error = kernel_distance(normal(4_000, 8, 6), normal(4_000, 8, 7))
    assert abs(value) < 4 * error
    shifted, _ = kernel_distance(normal(4_000, 8, 6), normal(4_000, 8, 7, 0.3))
    assert shifted > 10 * error


def test_kid_is_the_unbiased_estimator(monkeypatch):
    """The U-statistic, computed here pair by pair, in parts of rows, too."""
    x, y = normal(5, 2, 7).double(), normal(4, 2, 8, 1.0).double()

    def kernel(a, b):
        return ((a @ b) / 2 + 1) ** 3

    def within(z):
        return sum(kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j) / (len(z) * (len(z) - 1))

    expected = within(x) + within(y) - 2 * sum(kernel(a, b) for a in x for b in y) / 20
    whole = kernel_distance(x, y)
    assert whole[0] == pytest.approx(expected.item(), rel=1e-9)
    monkeypatch.setattr(kid, "ENTRIES", 8)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-9)


def test_kid_needs_pairs():
    with pytest.raises(GanvasError, match=r"at least 2 examples .* 100 real and 1 generated"):
        kernel_distance(normal(100, 4, 0), normal(1, 4, 1))
