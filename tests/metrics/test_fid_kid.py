import pytest
import torch

from ganvas.errors import GanvasError
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
    assert frechet_distance(x, y) == pytest.approx(5 + 1 + 0.25, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1_000.0])
def test_torchmetrics_and_the_direct_formula_agree(offset):
    mix = normal(40, 40, 2)
    real = normal(500, 40, 3) @ mix + offset
    fake = normal(400, 40, 4, 0.3, 1.2).relu() @ mix + offset
    assert frechet_distance(real, fake) == pytest.approx(direct(real, fake), rel=1e-3)


def test_frechet_distance_of_a_set_to_itself_is_zero():
    x = normal(300, 20, 5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_too_few_examples_says_how_many_are_needed():
    with pytest.raises(GanvasError, match=r"20 samples are too few .* at least 21 are needed"):
        frechet_distance(normal(100, 20, 0), normal(20, 20, 1))
    with pytest.raises(GanvasError, match="7 real examples are too few"):
        frechet_distance(normal(7, 20, 0), normal(30, 20, 1))


@pytest.mark.parametrize("distance", [frechet_distance, lambda a, b: kernel_distance(a, b, 0, 10)])
def test_features_of_nan_are_refused(distance):
    bad = normal(30, 4, 0)
    bad[3, 1] = torch.nan
    with pytest.raises(GanvasError, match="NaN or infinite features for 1 of 30"):
        distance(normal(30, 4, 1), bad)


def test_kid_of_identical_sets_is_zero_but_for_the_examples_that_meet_themselves():
    """Two subsets of one set share an example with probability 1/N: E = 2/N (mean k(x, x') − mean k(x, x))."""
    x = normal(1_000, 8, 6).double()
    mean, deviation = kernel_distance(x, x, seed=0, subset_size=200)
    kernel = (x @ x.T / 8 + 1) ** 3
    itself = kernel.diagonal().mean()
    others = (kernel.sum() - kernel.trace()) / (1_000 * 999)
    assert mean == pytest.approx((2 / 1_000 * (others - itself)).item(), abs=3 * deviation / 10)
    assert 0 < deviation < 0.05


def test_kid_of_two_draws_of_one_distribution_is_zero_in_the_mean():
    mean, deviation = kernel_distance(normal(20_000, 8, 6), normal(20_000, 8, 7), seed=0, subset_size=200)
    assert abs(mean) < 3 * deviation / 10
    shifted, _ = kernel_distance(normal(20_000, 8, 6), normal(20_000, 8, 7, 0.3), seed=0, subset_size=200)
    assert shifted > 10 * deviation


def test_kid_is_the_unbiased_estimator():
    """With a subset of the whole set, KID is the U-statistic: computed here pair by pair."""
    x, y = normal(5, 2, 7).double(), normal(5, 2, 8, 1.0).double()

    def kernel(a, b):
        return ((a @ b) / 2 + 1) ** 3

    pairs = [(i, j) for i in range(5) for j in range(5)]
    within = sum(kernel(z[i], z[j]) for z in (x, y) for i, j in pairs if i != j) / 20
    across = sum(kernel(x[i], y[j]) for i, j in pairs) / 25
    mean, deviation = kernel_distance(x, y, seed=0, subset_size=5)
    assert mean == pytest.approx((within - 2 * across).item(), rel=1e-9)
    assert deviation == pytest.approx(0, abs=1e-9)


def test_kid_depends_on_its_seed_and_on_nothing_else():
    x, y = normal(100, 4, 9), normal(100, 4, 10)
    torch.manual_seed(1)
    first = kernel_distance(x, y, seed=0, subset_size=20)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert kernel_distance(x, y, seed=0, subset_size=20) == first
    assert kernel_distance(x, y, seed=1, subset_size=20) != first
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_kid_needs_a_subset_of_each():
    with pytest.raises(GanvasError, match=r"subsets of 50 .* 100 real and 20 generated"):
        kernel_distance(normal(100, 4, 0), normal(20, 4, 1), 0, 50)
