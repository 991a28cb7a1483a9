"""The error of every score agrees with the spread of the score over redraws of samples and held-out examples."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from ganvas.metrics import disentanglement, reconstruction, representation
from ganvas.metrics.copying import memorisation
from ganvas.metrics.coverage import Mixture, mixture_coverage, stacked_coverage
from ganvas.metrics.features import Classifier
from ganvas.metrics.fid import frechet_distance
from ganvas.metrics.inception_score import inception_score
from ganvas.metrics.kid import kernel_distance
from ganvas.metrics.prdc import prdc
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein

pytestmark = pytest.mark.slow

REDRAWS = 100
"""The standard deviation over so many is known to 7 %, which the tolerance allows for twice."""

NUM = 400


def agree(scores, tolerance=0.3):
    """scores: (value, error) of each redraw. The root mean square of the errors is the values' standard deviation."""
    values, errors = torch.tensor(scores, dtype=torch.float64).T
    ratio = (errors.square().mean().sqrt() / values.std()).item()
    sampling = 2 / math.sqrt(2 * len(scores))
    assert 1 - tolerance - sampling < ratio < 1 + tolerance + sampling
    return ratio


def features(num, draw, classes=10, scale=1.0, noise=0.3):
    """Like a network's: positive, in clusters, of few directions."""
    fixed = torch.Generator().manual_seed(1)
    centres, directions = 2 * torch.randn(10, 24, generator=fixed), torch.randn(6, 24, generator=fixed)
    chosen = centres[torch.randint(classes, (num,), generator=draw)]
    inner = scale * torch.randn(num, 6, generator=draw) @ directions
    return (chosen + inner + noise * torch.randn(num, 24, generator=draw)).relu()


GENERATORS = {
    "perfect": {},
    "near": {"scale": 1.1},
    "collapsed": {"classes": 5, "scale": 1.3},
    "point": {"scale": 0.01, "classes": 1},
}
DISTANCES = {
    "fid": frechet_distance,
    "kid": kernel_distance,
    "swd": lambda real, fake: sliced_wasserstein(real, fake, 0, 64),
}


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("name", DISTANCES)
def test_of_distances(name, generator):
    draw = torch.Generator().manual_seed(0)
    agree([
        DISTANCES[name](features(NUM, draw), features(NUM, draw, **GENERATORS[generator])) for _ in range(REDRAWS)
    ])  # fmt: skip


@pytest.mark.parametrize("generator", ["perfect", "near", "collapsed"])
def test_of_neighbours(generator):
    draw = torch.Generator().manual_seed(0)
    found = [prdc(features(NUM, draw), features(NUM, draw, **GENERATORS[generator])) for _ in range(REDRAWS)]
    for i, name in enumerate(("precision", "recall", "density", "coverage")):
        agree([(getattr(each, name), each.errors[i]) for each in found])


def test_of_neighbours_with_too_many_pairs(monkeypatch):
    """Samples in the middle lie in every ball: pairs of a random part are kept, and the error is that of the part."""
    from ganvas.metrics import prdc_errors

    draw = torch.Generator().manual_seed(0)
    real, fake = features(NUM, draw), features(NUM, draw)
    whole = prdc(real, fake).errors
    monkeypatch.setattr(prdc_errors, "MOST_PAIRS", NUM * 15)
    fewer = prdc(real, fake).errors
    assert fewer != whole
    assert fewer == pytest.approx(whole, rel=0.6)


def test_of_memorisation():
    draw = torch.Generator().manual_seed(0)
    train = features(300, draw)
    for share in (0.0, 0.5):
        found = []
        for _ in range(REDRAWS):
            copied = torch.rand(200, 1, generator=draw) < share
            samples = torch.where(copied, train[torch.randint(300, (200,), generator=draw)], features(200, draw))
            each = memorisation(train, features(150, draw), samples)
            found.append((each.share, each.error))
        agree(found)


def test_of_the_inception_score():
    draw = torch.Generator().manual_seed(0)
    agree([inception_score((3 * torch.randn(NUM, 5, generator=draw).double()).softmax(1), 0) for _ in range(REDRAWS)])


@pytest.mark.parametrize("shares", [[1.0] * 8, [8.0, 4, 2, 1, 0.02, 0.01, 0.01, 0.005]])
def test_of_modes(shares):
    draw, weights = torch.Generator().manual_seed(0), torch.tensor(shares)
    mixture = Mixture(torch.arange(8.0)[:, None], 0.1)
    found = []
    for _ in range(REDRAWS):
        modes = torch.multinomial(weights, NUM, replacement=True, generator=draw)
        samples = modes[:, None] + 0.15 * torch.randn(NUM, 1, generator=draw)
        found.append(mixture_coverage(samples, mixture))
    agree([each.high_quality for each in found])
    agree([each.reverse_kl for each in found])
    if min(shares) < 1:
        agree([each.modes for each in found])
    else:
        assert max(each.modes[1] for each in found) < 0.01


class Levels(Classifier):
    """Names a grey channel by its level, in tenths."""

    name = "levels"

    def forward(self, x):
        return x.flatten(1)[:, :1]

    def logits(self, x):
        return torch.nn.functional.one_hot((x.flatten(1)[:, 0] * 10).round().long(), 10).float() * 50


@pytest.mark.parametrize("power", [0, 1, 3])
def test_of_stacked_modes(power):
    """1,000 modes and 1,500 samples; the higher the power the more unequal the modes."""
    draw, weights = torch.Generator().manual_seed(0), torch.arange(1.0, 11) ** power
    found = []
    for _ in range(REDRAWS):
        digits = torch.multinomial(weights, 4_500, replacement=True, generator=draw).view(-1, 3)
        found.append(stacked_coverage((digits / 10)[:, :, None, None], Levels()))
    agree([each.modes for each in found])
    agree([each.reverse_kl for each in found])


def test_of_codes():
    draw = torch.Generator().manual_seed(0)
    train, train_y = features(300, draw), torch.arange(300) % 3
    scale = torch.tensor([1.0, 0.1, 0.101, 0.05])
    found = {"probe": [], "knn": [], "active": [], "rate": [], "information": [], "sharpness": []}
    for _ in range(REDRAWS):
        labels = torch.randint(3, (200,), generator=draw)
        codes = features(200, draw) + labels[:, None] * 0.5
        right = representation.nearest_neighbour(train + train_y[:, None] * 0.5, train_y, codes, labels)
        found["knn"].append(mean(right))
        right = representation.linear_probe(train + train_y[:, None] * 0.5, train_y, codes, labels, 0)
        found["probe"].append(mean(right))
        means = torch.randn(200, 4, generator=draw) * scale
        found["active"].append(representation.active_units(means))
        posterior = Independent(Normal(means, torch.full_like(means, 0.5)), 1)
        prior = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
        found["rate"].append(mean(representation.rate_per_dimension([posterior], prior)[:, 0]))
        found["information"].append(mean(representation.mutual_information([posterior], 0)))
        x = torch.randn(50, 1, 8, 8, generator=draw) * torch.rand(50, 1, 1, 1, generator=draw)
        found["sharpness"].append(reconstruction.sharpness(x, 0.5 * x + 0.1 * torch.randn(x.shape, generator=draw)))
    for scores in found.values():
        agree(scores)


def mean(values):
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


def factors_and_codes(num, draw):
    factors = draw.integers([3, 4, 5], size=(num, 3))
    mixing = np.array([[1.0, 0.2, 0.0, 0.3], [0.3, 1.0, 0.2, 0.0], [0.0, 0.1, 0.6, 0.5]])
    return factors, (factors - [1, 1.5, 2]) @ mixing + 1.5 * draw.normal(size=(num, 4))


def test_of_disentanglement():
    draw = np.random.default_rng(0)
    found = {"mig": [], "sap": [], "svm": []}
    train, train_codes = factors_and_codes(300, draw)
    for _ in range(REDRAWS):
        factors, codes = factors_and_codes(NUM, draw)
        found["mig"].append(disentanglement.mig(codes, factors))
        found["sap"].append(disentanglement.sap(codes, factors))
        found["svm"].append(disentanglement.sap_svm(train_codes, train, codes, factors))
    for scores in found.values():
        agree(scores)


@pytest.mark.parametrize("score", [disentanglement.beta_vae_score, disentanglement.factor_vae_score])
def test_of_rules_on_batches(score, monkeypatch):
    draw = np.random.default_rng(0)
    monkeypatch.setattr(disentanglement, "NUM_TRAIN", 600)
    monkeypatch.setattr(disentanglement, "NUM_EVALUATED", 300)
    found = []
    for seed in range(40):
        factors, codes = factors_and_codes(1_000, draw)
        found.append(score(codes, factors, seed))
    agree(found)
