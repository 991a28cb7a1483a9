"""Whether single code dimensions stand for single factors of variation.

Codes are float (N, L), posterior means; factors are class numbers (N, K). All definitions and constants are those of
Locatello et al. 2019, "Challenging Common Assumptions ..." (disentanglement_lib), but for data that are a given set of
examples: a batch in which a factor is fixed is drawn from the examples that share its value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

from ganvas.errors import GanvasError
from ganvas.machine.rng import derive

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 20
BATCH = 64
NUM_TRAIN = 10_000
NUM_EVALUATED = 5_000
PRUNE_BELOW = 0.05


@dataclass(frozen=True)
class DCI:
    """disentanglement: each code for one factor; completeness: each factor in one code; informativeness: accuracy."""

    disentanglement: float
    completeness: float
    informativeness: float


def discrete(factors: NDArray[np.generic]) -> Integers:
    """Class numbers 0, 1, ... in the values' order, (N, K); factors that never vary are left out.

    A factor of more distinct values than a tenth of N is taken for continuous, and put into 20 bins of equal width.
    """
    columns = [_classes(factors[:, k]) for k in range(factors.shape[1])]
    varying = [column for column in columns if column.max() > 0]
    if not varying:
        raise GanvasError("no factor varies over these examples, so that nothing can be told apart")
    return np.stack(varying, axis=1)


def mig(codes: Floats, factors: Integers) -> float:
    """Mutual information gap: how much more the best code tells of a factor than the second best, over its entropy.

    Codes are put into 20 bins of equal width.

    References:
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", eq. 6
    """
    binned = np.stack([_histogram(codes[:, i]) for i in range(codes.shape[1])], axis=1)
    information = _matrix(codes, factors, lambda i, k: mutual_info_score(factors[:, k], binned[:, i]))
    entropies = np.array([mutual_info_score(column, column) for column in factors.T])
    return float(np.mean(_gap(information) / entropies))


def sap(codes: Floats, factors: Integers) -> float:
    """Separated attribute predictability with squared correlation, the form for ordered factors.

    References:
        Kumar et al. 2018, "Variational Inference of Disentangled Latent Concepts ...", section 3
    """
    return float(np.mean(_gap(_matrix(codes, factors, lambda i, k: _squared_correlation(codes[:, i], factors[:, k])))))


def sap_svm(codes: Floats, factors: Integers, test_codes: Floats, test_factors: Integers) -> float:
    """Separated attribute predictability with a linear SVM's accuracy (C 0.01, balanced): the form of published tables.

    A single code cannot linearly separate more than two ordered classes from each other, hence its low values.
    """

    def accuracy(i: int, k: int) -> float:
        classifier = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        classifier.fit(codes[:, [i]], factors[:, k])
        return float(classifier.score(test_codes[:, [i]], test_factors[:, k]))

    return float(np.mean(_gap(_matrix(codes, factors, accuracy))))


def dci(codes: Floats, factors: Integers, test_codes: Floats, test_factors: Integers, seed: int) -> DCI:
    """Disentanglement, completeness, informativeness, from the importances of gradient-boosted trees.

    References:
        Eastwood & Williams 2018, "A Framework for the Quantitative Evaluation of Disentangled Representations"
    """
    importances = np.zeros((codes.shape[1], factors.shape[1]))
    accuracies: list[float] = []
    for k in range(factors.shape[1]):
        trees = GradientBoostingClassifier(random_state=derive(seed, "dci", k) % 2**32)
        trees.fit(codes, factors[:, k])
        importances[:, k] = np.abs(trees.feature_importances_)
        accuracies.append(float(trees.score(test_codes, test_factors[:, k])))
    return DCI(concentration(importances), concentration(importances.T), float(np.mean(accuracies)))


def concentration(importances: Floats) -> float:
    """1 − entropy of each row (base: its length), weighted by the row's share of all importance; 0 where there is none.

    Of (codes, factors) it is DCI's disentanglement, of the transpose its completeness.
    """
    if importances.sum() == 0:
        return 0.0
    if importances.shape[1] == 1:
        return 1.0
    each = 1 - entropy(importances + 1e-11, base=importances.shape[1], axis=1)
    return float(np.sum(each * importances.sum(1) / importances.sum()))


def beta_vae_score(codes: Floats, factors: Integers, seed: int) -> float:
    """Accuracy of naming the factor that pairs share from their codes' mean absolute difference.

    64 pairs a point, 10,000 points to fit a logistic regression and 5,000 to measure it.

    References:
        Higgins et al. 2017, "β-VAE", section 3
    """
    rng = np.random.default_rng(derive(seed, "beta-vae score"))
    groups = _Groups(factors)
    points = np.empty((NUM_TRAIN + NUM_EVALUATED, codes.shape[1]))
    shared = rng.integers(factors.shape[1], size=len(points))
    for n, k in enumerate(shared.tolist()):
        first = rng.integers(len(codes), size=BATCH)
        second = groups.alike(first, k, rng)
        points[n] = np.abs(codes[first] - codes[second]).mean(0)
    classifier = LogisticRegression(max_iter=1_000)
    classifier.fit(points[:NUM_TRAIN], shared[:NUM_TRAIN])
    return float(classifier.score(points[NUM_TRAIN:], shared[NUM_TRAIN:]))


def factor_vae_score(codes: Floats, factors: Integers, seed: int) -> float:
    """Accuracy of naming the factor that a batch shares from the code that varies least: a majority vote.

    64 examples a batch, 10,000 batches to vote and 5,000 to measure; codes of standard deviation below 0.05 are left
    out, and a representation of none but such scores 0.

    References:
        Kim & Mnih 2018, "Disentangling by Factorising", section 4
    """
    rng = np.random.default_rng(derive(seed, "factor-vae score"))
    variances = codes.var(axis=0, ddof=1)
    active = variances >= PRUNE_BELOW**2
    if not active.any():
        return 0.0
    normal = codes[:, active] / np.sqrt(variances[active])
    groups = _Groups(factors)
    training = _votes(normal, groups, NUM_TRAIN, rng)
    measured = _votes(normal, groups, NUM_EVALUATED, rng)
    majority = training.argmax(axis=0)
    return float(measured[majority, np.arange(measured.shape[1])].sum() / NUM_EVALUATED)


class _Groups:
    """The examples ordered by each factor, so that those sharing a value are found at once. factors: (N, K)."""

    def __init__(self, factors: Integers) -> None:
        self.factors = factors
        self.order = np.argsort(factors, axis=0, kind="stable")
        self.counts = [np.bincount(column) for column in factors.T]
        self.starts = [np.cumsum(counts) - counts for counts in self.counts]

    def alike(self, examples: Integers, k: int, rng: np.random.Generator) -> Integers:
        """For each of `examples` a random one of the same value of factor k."""
        values = self.factors[examples, k]
        place = self.starts[k][values] + rng.integers(self.counts[k][values])
        return self.order[place, k]


def _votes(codes: Floats, groups: _Groups, num: int, rng: np.random.Generator) -> Integers:
    """How often each code varied least while each factor was fixed, (K, L)."""
    votes = np.zeros((groups.factors.shape[1], codes.shape[1]), dtype=np.int64)
    for _ in range(num):
        k = int(rng.integers(len(votes)))
        same = np.repeat(rng.integers(len(codes)), BATCH)
        votes[k, codes[groups.alike(same, k, rng)].var(axis=0, ddof=1).argmin()] += 1
    return votes


def _matrix(codes: Floats, factors: Integers, score: Callable[[int, int], float]) -> Floats:
    return np.array([[score(i, k) for k in range(factors.shape[1])] for i in range(codes.shape[1])])


def _gap(matrix: Floats) -> Floats:
    """Best minus second best code for each factor, (K,). matrix: (L, K)."""
    ordered = np.sort(np.vstack([np.zeros(matrix.shape[1]), matrix]), axis=0)
    return ordered[-1] - ordered[-2]


def _squared_correlation(a: Floats, b: Integers) -> float:
    covariance = np.cov(a, b, ddof=1)
    if covariance[0, 0] <= 1e-12:
        return 0.0
    return float(covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1]))


def _classes(values: NDArray[np.generic]) -> Integers:
    distinct, classes = np.unique(values, return_inverse=True)
    if len(distinct) > max(2, len(values) // 10):
        return _histogram(values.astype(np.float64)) - 1
    return classes.reshape(-1)


def _histogram(values: Floats) -> Integers:
    """Numbers, from 1, of 20 bins of equal width between the smallest and the largest value."""
    return np.digitize(values, np.histogram(values, BINS)[1][:-1])
