import math

import pytest
import torch
from torch.distributions import Independent, Laplace, Normal

from ganvas.errors import GanvasError
from ganvas.metrics import representation


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gaussian(mean, scale):
    return Independent(Normal(mean, torch.as_tensor(scale).expand_as(mean)), 1)


def test_active_units_vary():
    codes = normal(5_000, 4) * torch.tensor([1.0, 0.15, 0.05, 0.0])
    assert representation.active_units(codes) == (2, pytest.approx(0, abs=1e-3))


def test_rate_of_each_dimension():
    mean = torch.tensor([[0.0, 2.0], [0.0, -2.0]])
    prior = gaussian(torch.zeros(2), 1.0)
    found = representation.rate_per_dimension([gaussian(mean, 1.0), gaussian(mean[:1], 1.0)], prior)
    torch.testing.assert_close(found.mean(0), torch.tensor([0.0, 2.0]).double())


def test_rate_of_dimensions_needs_normals():
    q = Independent(Laplace(torch.zeros(3, 2), torch.ones(3, 2)), 1)
    with pytest.raises(GanvasError, match="diagonal normal"):
        representation.rate_per_dimension([q], Independent(Laplace(torch.zeros(2), torch.full((2,), 2.0)), 1))


def test_mutual_information_of_codes_apart_is_log_n():
    means = torch.arange(64.0).unsqueeze(1) * 100
    batches = [gaussian(means[:40], 1.0), gaussian(means[40:], 1.0)]
    assert representation.mutual_information(batches, 0).mean() == pytest.approx(math.log(64), rel=1e-6)


def test_mutual_information_of_a_collapsed_posterior_is_zero():
    assert representation.mutual_information([gaussian(torch.zeros(64, 3), 1.0)], 0).mean() == pytest.approx(
        0, abs=1e-6
    )


def test_mutual_information_of_a_gaussian_channel():
    """x ~ N(0, 1), z = x + noise of scale ½: I = ½ log(1 + 4)."""
    found = representation.mutual_information([gaussian(normal(4_000, 1), 0.5)], 0).mean()
    assert found == pytest.approx(0.5 * math.log(5), abs=0.05)


def test_probe_and_neighbour_read_classes():
    labels = torch.arange(400) % 4
    centres = torch.tensor([[0, 0], [5, 0], [0, 5], [5, 5]]).float()
    codes = centres[labels] + 0.3 * normal(400, 2)
    noise = normal(400, 2, seed=1)
    fit, test = slice(0, 300), slice(300, 400)
    assert representation.linear_probe(codes[fit], labels[fit], codes[test], labels[test], 0).mean() == 1
    assert representation.nearest_neighbour(codes[fit], labels[fit], codes[test], labels[test]).mean() == 1
    assert representation.linear_probe(noise[fit], labels[fit], noise[test], labels[test], 0).mean() < 0.5
    assert representation.nearest_neighbour(noise[fit], labels[fit], noise[test], labels[test]).mean() < 0.5


def test_neighbour_sees_what_a_line_cannot():
    angle = torch.arange(400) * 0.1
    labels = torch.arange(400) % 2
    codes = torch.stack([angle.cos(), angle.sin()], 1) * (1 + labels)[:, None]
    assert representation.nearest_neighbour(codes[:300], labels[:300], codes[300:], labels[300:]).mean() == 1
    assert representation.linear_probe(codes[:300], labels[:300], codes[300:], labels[300:], 0).mean() < 0.8


def test_codes_that_cannot_be_read():
    codes, labels = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(GanvasError, match="two classes"):
        representation.linear_probe(codes, labels * 0, codes, labels, 0)
    with pytest.raises(GanvasError, match="NaN"):
        representation.nearest_neighbour(codes * torch.nan, labels, codes, labels)
