import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.metrics import distances
from ganvas.metrics.prdc import prdc


def points(*values):
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1)


def test_worked_by_hand():
    """k = 1 on the line. Real balls: 0 ± 1, 1 ± 1, 3 ± 2, 10 ± 7. Fake balls: 0.5 ± 3.5, 4 ± 3.5, 30 ± 26.

    0.5 lies in the real balls of 0 and 1; 4 in those of 3 and 10 (10 − 7 = 3 ≤ 4); 30 in none.
    The fake ball of 0.5 reaches 0, 1, 3; that of 4 reaches 1, 3; that of 30 (from 4) reaches 10.
    """
    found = prdc(points(0, 1, 3, 10), points(0.5, 4, 30), k=1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(1)
    assert found.density == pytest.approx((2 + 2 + 0) / 3)
    assert found.coverage == pytest.approx(1)


def test_uncovered_and_unrecalled_by_hand():
    """Real balls: 0 ± 1, 1 ± 1, 10 ± 1, 11 ± 1; fake: 0 ± 0.5, 0.5 ± 0.5, 1.25 ± 0.75."""
    found = prdc(points(0, 1, 10, 11), points(0, 0.5, 1.25), k=1)
    assert found.precision == 1
    assert found.recall == pytest.approx(0.5)
    assert found.coverage == pytest.approx(0.5)
    # 0.5 in two balls, 1.25 in that of 1; 0 in its own alone, since it lies at the radius of the ball around 1
    assert found.density == pytest.approx((1 + 2 + 1) / 3)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_identical_sets_are_precise_and_recalled(offset):
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0)) + offset
    x = torch.cat([x, x[:40].repeat(8, 1)])  # collapsed points, whose balls have radius 0, are still in their own
    found = prdc(x, x.flip(0))
    assert found.precision == found.recall == found.coverage == 1
    assert found.density == pytest.approx(1, abs=1e-6)


def test_points_that_tie_at_the_radius_share_what_is_left():
    """On a grid with k = 2 four neighbours lie at the radius of an inner point: each counts a quarter of one place."""
    side = torch.arange(20.0)
    grid = torch.cartesian_prod(side, side)
    found = prdc(grid, grid, k=2)
    assert found.density == pytest.approx(1, abs=1e-6)
    assert found.precision == found.recall == found.coverage == 1


def test_density_and_coverage_are_those_of_the_authors_code():
    """github.com/clovaai/generative-evaluation-prdc counts what is nearer than the radius."""
    draw = torch.Generator().manual_seed(3)
    real, fake = torch.randn(120, 3, generator=draw).double(), torch.randn(90, 3, generator=draw).double()
    fake[:40] = real[:40]  # copies lie at the radius of other points' balls
    radii = torch.cdist(real, real).sort(1).values[:, 5]
    apart = torch.cdist(real, fake)
    found = prdc(real, fake)
    assert found.density == pytest.approx((apart < radii[:, None] - 1e-9).sum().item() / (5 * 90), rel=1e-6)
    assert found.coverage == pytest.approx((apart.amin(1) < radii).double().mean().item())


def test_sets_apart_share_nothing():
    x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    found = prdc(x, x + 1_000)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_chunks_change_nothing(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(101, 5, generator=draw), torch.randn(77, 5, generator=draw) * 0.8
    whole = prdc(x, y)
    monkeypatch.setattr(distances, "ENTRIES", 700)
    assert prdc(x, y) == whole


def test_too_few_for_a_neighbour():
    with pytest.raises(GanvasError, match="5-th neighbour needs more than 5"):
        prdc(torch.randn(5, 2), torch.randn(50, 2))


def test_nearest_agrees_with_all_distances():
    draw = torch.Generator().manual_seed(1)
    a, b = torch.randn(30, 4, generator=draw) + 50, torch.randn(90, 4, generator=draw) + 50
    found, indices = distances.nearest(a, b, k=3)
    every = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").sort(1)
    assert torch.equal(indices, every.indices[:, :3])
    torch.testing.assert_close(found, every.values[:, :3])
