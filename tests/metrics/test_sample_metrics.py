import math

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.metrics.copying import memorisation
from ganvas.metrics.coverage import Mixture, mixture_coverage, stacked_coverage
from ganvas.metrics.features import Classifier
from ganvas.metrics.inception_score import inception_score
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_inception_score_of_sure_and_balanced_classes_is_their_number():
    p = torch.eye(4, dtype=torch.float64).repeat(2_500, 1)
    assert inception_score(p, seed=0)[0] == pytest.approx(4, rel=0.01)
    assert inception_score(p, seed=0, splits=1) == (pytest.approx(4), pytest.approx(0, abs=1e-9))


def test_inception_score_of_one_class_or_of_no_idea_is_one():
    assert inception_score(torch.eye(4, dtype=torch.float64)[[1]].repeat(50, 1), 0)[0] == pytest.approx(1)
    assert inception_score(torch.full((50, 4), 0.25, dtype=torch.float64), 0)[0] == pytest.approx(1)


def test_inception_score_needs_a_sample_a_part():
    with pytest.raises(GanvasError, match="at least 10"):
        inception_score(torch.full((9, 2), 0.5, dtype=torch.float64), 0)


def test_sliced_wasserstein_of_a_shift():
    """E_θ (θ·v)² = |v|² / D for a shift by v."""
    x = normal(500, 3)
    shift = torch.tensor([3.0, 0.0, 4.0])
    assert sliced_wasserstein(x, x + shift, 0, projections=20_000)[0] == pytest.approx(5 / math.sqrt(3), rel=0.02)
    assert sliced_wasserstein(x, x[torch.randperm(500)], 0)[0] == pytest.approx(0, abs=1e-6)


def test_sliced_wasserstein_in_one_dimension_joins_sorted_points():
    x, y = torch.tensor([[0.0], [10.0]]), torch.tensor([[12.0], [1.0]])
    assert sliced_wasserstein(x, y, 0)[0] == pytest.approx(math.sqrt((1 + 4) / 2))


def test_sliced_wasserstein_of_sets_of_two_sizes():
    with pytest.raises(GanvasError, match="not 5 with 6"):
        sliced_wasserstein(normal(5, 2), normal(6, 2), 0)


def test_memorisation_knows_copies_from_fresh_samples():
    train, held_out, fresh = (normal(2_000, 3, seed=s) for s in range(3))
    assert memorisation(train, held_out, fresh).share == pytest.approx(0.5, abs=0.03)
    copies = memorisation(train, held_out, train[[7, 3]])
    assert copies.share == 1
    assert copies.neighbours.flatten().tolist() == [7, 3]


@pytest.mark.parametrize("seed", range(5))
def test_exact_copies_tie_with_held_out_examples_that_are_copies_too(seed):
    """All distances are 0, all pairs tie: one half. Rounding errors must not break the ties."""
    train = normal(300, 84, seed=seed) * 10 + 30
    assert memorisation(train, train[:100], train[100:220]).share == 0.5
    held_out = normal(100, 84, seed=seed + 50) * 10 + 30
    assert memorisation(train, held_out, held_out.flip(0)[:99].repeat(3, 1)).share == pytest.approx(0.5, abs=0.02)


def test_memorisation_by_hand():
    """Held-out distances 1, 3; samples' 0, 1, 5: (1 + 1) + (½ + 1) + 0 of 6."""
    train, held_out = torch.tensor([[0.0], [100.0]]), torch.tensor([[1.0], [103.0]])
    found = memorisation(train, held_out, torch.tensor([[0.0], [101.0], [5.0]]))
    assert found.share == pytest.approx(3.5 / 6)
    assert found.closest.tolist() == [0, 1, 2]
    assert found.neighbours.flatten().tolist() == [0, 1, 0]


def ring(num_modes=8, scale=0.01):
    angle = torch.arange(num_modes) * 2 * math.pi / num_modes
    return Mixture(torch.stack([angle.cos(), angle.sin()], dim=1), scale)


def test_the_mixture_itself_is_pacgans_oracle():
    """PacGAN, table 1: 8 modes, 98.9 % of high quality (1 − e^−4.5), reverse KL 0.0014 (7 / 5,000)."""
    mixture = ring()
    kls = []
    for seed in range(20):
        draw = torch.Generator().manual_seed(seed)
        modes = torch.randint(8, (2_500,), generator=draw)
        found = mixture_coverage(mixture.centres[modes] + 0.01 * torch.randn(2_500, 2, generator=draw), mixture)
        assert found.modes[0] == found.num_modes == 8
        assert found.high_quality[0] == pytest.approx(1 - math.exp(-4.5), abs=0.01)
        kls.append(found.reverse_kl[0])
    assert sum(kls) / 20 == pytest.approx(0.0014, abs=0.0006)


def test_a_collapsed_generator():
    mixture = ring()
    found = mixture_coverage(mixture.centres[[2]].repeat(100, 1), mixture)
    assert (found.modes[0], found.high_quality[0]) == (1, 1)
    assert found.reverse_kl[0] == pytest.approx(math.log(8))


def test_a_mode_without_a_good_sample_does_not_count():
    mixture = ring()
    samples = torch.cat([mixture.centres[[0]], mixture.centres[[1]] * (1 + 0.031)])
    found = mixture_coverage(samples, mixture)
    assert (found.modes[0], found.high_quality[0]) == (1, 0.5)
    assert found.reverse_kl[0] == pytest.approx(math.log(4))  # both count for the nearest mode


class Brightness(Classifier):
    """Names a grey channel by its level, in tenths."""

    name = "brightness"

    def forward(self, x):
        return x.mean((1, 2, 3)).unsqueeze(1)

    def logits(self, x):
        level = (x.mean((1, 2, 3)) * 10).round().long()
        return torch.nn.functional.one_hot(level, 10).float() * 50


def test_stacked_digits():
    digits = torch.tensor([[1, 2, 3], [3, 2, 1], [1, 2, 3], [0, 0, 9]])
    images = (digits / 10)[:, :, None, None].expand(-1, -1, 4, 4)
    found = stacked_coverage(images, Brightness())
    assert (found.modes[0], found.num_modes, found.high_quality) == (3, 1_000, None)
    expected = 0.5 * math.log(0.5 * 1_000) + 2 * 0.25 * math.log(0.25 * 1_000)
    assert found.reverse_kl[0] == pytest.approx(expected)


def test_stacked_digits_need_channels():
    with pytest.raises(GanvasError, match="several channels"):
        stacked_coverage(torch.zeros(2, 1, 4, 4), Brightness())
