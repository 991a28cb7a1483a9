import numpy as np
import pytest

from ganvas.errors import GanvasError
from ganvas.metrics import disentanglement as d


def independent(num=3_000, num_factors=10, num_values=10, seed=0):
    """disentanglement_lib's oracle data: independent factors, uniform on ten values."""
    return np.random.default_rng(seed).integers(num_values, size=(num, num_factors))


@pytest.fixture(autouse=True, scope="module")
def fewer_batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(d, "NUM_TRAIN", 2_000)
        patch.setattr(d, "NUM_EVALUATED", 1_000)
        yield


FACTORS = independent()
IDENTITY = FACTORS.astype(np.float64)
CONSTANT = np.zeros_like(IDENTITY)
TWICE = np.hstack([IDENTITY, IDENTITY])

ON_ONE_SPLIT = {
    "mig": d.mig,
    "sap": d.sap,
    "beta-vae": lambda codes, factors: d.beta_vae_score(codes, factors, 0),
    "factor-vae": lambda codes, factors: d.factor_vae_score(codes, factors, 0),
}


@pytest.mark.parametrize("score", ON_ONE_SPLIT.values(), ids=ON_ONE_SPLIT.keys())
def test_identity_scores_high_and_a_constant_low(score):
    assert 0.9 <= score(IDENTITY, FACTORS)[0] <= 1
    assert 0 <= score(CONSTANT, FACTORS)[0] <= 0.2


@pytest.mark.parametrize("score", [d.mig, d.sap])
def test_duplicated_codes_leave_no_gap(score):
    assert 0 <= score(TWICE, FACTORS)[0] <= 0.1


@pytest.mark.parametrize("score", ON_ONE_SPLIT.values(), ids=ON_ONE_SPLIT.keys())
def test_rotated_codes_score_less_than_the_identity(score):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10))).Q
    assert score((IDENTITY - 4.5) @ turn, FACTORS)[0] < score(IDENTITY, FACTORS)[0] - 0.05


def dci(represent, num_factors=4):
    train, test = independent(600, num_factors, 4, 1), independent(600, num_factors, 4, 2)
    return d.dci(represent(train), train, represent(test), test, 0)


def test_dci_oracles():
    whole = dci(lambda f: f.astype(float))
    assert min(whole.disentanglement, whole.completeness, whole.informativeness[0]) >= 0.9
    constant = dci(lambda f: np.zeros(f.shape))
    assert max(constant.disentanglement, constant.completeness) <= 0.2
    assert constant.informativeness[0] <= 0.35  # chance is a quarter
    twice = dci(lambda f: np.hstack([f, f]).astype(float))
    assert twice.disentanglement >= 0.9
    # a factor's importance lies on two of eight codes, however the trees share it out
    assert 1 - np.log(2) / np.log(8) - 0.02 <= twice.completeness <= 1


def test_concentration_of_known_importances():
    """disentanglement_lib's own cases."""
    diagonal = np.diag(5.0 * np.ones(5))
    assert d.concentration(diagonal) == pytest.approx(1)
    assert d.concentration(np.ones((5, 5))) == pytest.approx(0, abs=1e-9)
    assert d.concentration(np.zeros((5, 5))) == 0
    assert d.concentration(np.vstack([diagonal, diagonal]).T) == pytest.approx(1 - np.log(2) / np.log(10))
    assert d.concentration(diagonal[:2].T) == pytest.approx(1)
    assert d.concentration(np.vstack([diagonal, diagonal])) == pytest.approx(1)


def test_svm_form_of_sap_on_two_classes():
    factors, other = independent(1_000, 3, 2, 3), independent(1_000, 3, 2, 4)
    found = d.sap_svm(factors.astype(float), factors, other.astype(float), other)
    assert found[0] == pytest.approx(0.5, abs=0.05)  # 1 by the right code, ½ by any other
    assert d.sap_svm(np.zeros((1_000, 3)), factors, np.zeros((1_000, 3)), other)[0] == pytest.approx(0, abs=0.01)


def test_one_code_alone_has_its_whole_gap():
    factors = independent(2_000, 1)
    assert d.mig(factors.astype(float), factors)[0] == pytest.approx(1)


def test_discrete_factors():
    values = np.stack([np.full(100, 3.0), np.tile([0.5, 0.1], 50), np.linspace(0, 1, 100)], axis=1)
    found = d.discrete(values)
    assert found.shape == (100, 2)  # the first never varies
    assert found[:4, 0].tolist() == [1, 0, 1, 0]
    assert found[:, 1].min() == 0 and found[:, 1].max() == d.BINS - 1
    with pytest.raises(GanvasError, match="no factor varies"):
        d.discrete(np.ones((5, 2)))
