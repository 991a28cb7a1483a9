"""Disentanglement: whether single code dimensions represent single factors of variation.

Codes are float (N, L), posterior means; factors are class numbers (N, K). All definitions and constants are those of
Locatello et al. 2019, "Challenging Common Assumptions ..." (disentanglement_lib), except that the data are a given set of
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
Scored = tuple[float, float]
"""A score and its standard error over redraws of the held-out examples."""

BINS = 20
BATCH = 64
NUM_TRAIN = 10_000
NUM_EVALUATED = 5_000
PRUNE_BELOW = 0.05
PARTS, SMALLEST_PART = 10, 20


@dataclass(frozen=True)
class DCI:
    """disentanglement: each code for one factor; completeness: each factor in one code; informativeness: accuracy.

    The first two are read from trees fitted to training examples and do not depend on held-out ones: they have no error.
    """

    disentanglement: float
    completeness: float
    informativeness: Scored


def discrete(factors: NDArray[np.generic]) -> Integers:
    """Class numbers 0, 1, ... in the values' order, (N, K); factors that never vary are left out.

    A factor of more distinct values than a tenth of N is taken for continuous, and put into 20 bins of equal width.
    """
    columns = [_classes(factors[:, k]) for k in range(factors.shape[1])]
    varying = [column for column in columns if column.max() > 0]
    if not varying:
        raise GanvasError("no factor varies over these examples")
    return np.stack(varying, axis=1)


def mig(codes: Floats, factors: Integers) -> Scored:
    """Mutual information gap: information of the best code about a factor minus the second best, over its entropy.

    Codes are put into 20 bins of equal width. The error comes from the pointwise mutual information of single examples,
    which is the influence function of mutual information; the bins and the two best codes are taken as given.

    References:
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", eq. 6
    """
    binned = np.stack([_histogram(codes[:, i]) for i in range(codes.shape[1])], axis=1)
    information = _matrix(codes, factors, lambda i, k: mutual_info_score(factors[:, k], binned[:, i]))
    entropies = np.array([mutual_info_score(column, column) for column in factors.T])
    gaps = _gap(information) / entropies
    influence = np.zeros(len(codes))
    for k in range(factors.shape[1]):
        best, second = _two_best(information[:, k])
        own = pointwise(factors[:, k], factors[:, k])
        other = 0.0 if second is None else pointwise(binned[:, second], factors[:, k])
        influence += (pointwise(binned[:, best], factors[:, k]) - other - gaps[k] * own) / entropies[k]
    return float(np.mean(gaps)), _standard_error(influence / factors.shape[1])


def pointwise(a: Integers, b: Integers) -> Floats:
    """log p(a, b) / p(a) p(b) of each example, (N,) nats: its mean is the mutual information of a and b, (N,) each."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    return np.log(joint[a, b] / (joint.sum(1)[a] * joint.sum(0)[b]))


def sap(codes: Floats, factors: Integers) -> Scored:
    """Separated attribute predictability with squared correlation, the form for ordered factors.

    The error comes from the influence function of a squared correlation, r (2 uv − r (u² + v²)) for standardised u, v.

    References:
        Kumar et al. 2018, "Variational Inference of Disentangled Latent Concepts ...", section 3
    """
    squares = _matrix(codes, factors, lambda i, k: _squared_correlation(codes[:, i], factors[:, k]))
    influence = np.zeros(len(codes))
    for k in range(factors.shape[1]):
        best, second = _two_best(squares[:, k])
        influence += _correlation_influence(codes[:, best], factors[:, k])
        if second is not None:
            influence -= _correlation_influence(codes[:, second], factors[:, k])
    return float(np.mean(_gap(squares))), _standard_error(influence / factors.shape[1])


def sap_svm(codes: Floats, factors: Integers, test_codes: Floats, test_factors: Integers) -> Scored:
    """Separated attribute predictability with a linear SVM's accuracy (C 0.01, balanced): the form of published tables.

    A single code cannot linearly separate more than two ordered classes from each other, hence its low values. The error
    is over test examples, for the same training codes.
    """
    right: dict[tuple[int, int], Floats] = {}

    def accuracy(i: int, k: int) -> float:
        classifier = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        classifier.fit(codes[:, [i]], factors[:, k])
        right[i, k] = np.equal(classifier.predict(test_codes[:, [i]]), test_factors[:, k]).astype(np.float64)
        return float(right[i, k].mean())

    accuracies = _matrix(codes, factors, accuracy)
    gaps = np.zeros(len(test_codes))
    for k in range(factors.shape[1]):
        best, second = _two_best(accuracies[:, k])
        gaps += right[best, k] - (0 if second is None else right[second, k])
    return float(np.mean(_gap(accuracies))), _standard_error(gaps / factors.shape[1])


def dci(codes: Floats, factors: Integers, test_codes: Floats, test_factors: Integers, seed: int) -> DCI:
    """Disentanglement, completeness, informativeness, from the importances of gradient-boosted trees.

    References:
        Eastwood & Williams 2018, "A Framework for the Quantitative Evaluation of Disentangled Representations"
    """
    importances = np.zeros((codes.shape[1], factors.shape[1]))
    right = np.zeros((len(test_codes), factors.shape[1]))
    for k in range(factors.shape[1]):
        trees = GradientBoostingClassifier(random_state=derive(seed, "dci", k) % 2**32)
        trees.fit(codes, factors[:, k])
        importances[:, k] = np.abs(trees.feature_importances_)
        right[:, k] = trees.predict(test_codes) == test_factors[:, k]
    informativeness = float(right.mean()), _standard_error(right.mean(1))
    return DCI(concentration(importances), concentration(importances.T), informativeness)


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


def beta_vae_score(codes: Floats, factors: Integers, seed: int) -> Scored:
    """Accuracy of naming the factor that pairs share from their codes' mean absolute difference.

    64 pairs a point, 10,000 points to fit a logistic regression and 5,000 to measure it. The error: see `_scored`.

    References:
        Higgins et al. 2017, "β-VAE", section 3
    """
    rng = np.random.default_rng(derive(seed, "beta-vae score"))
    classifier = LogisticRegression(max_iter=1_000)
    classifier.fit(*_points(codes, factors, NUM_TRAIN, rng))

    def accuracy(codes: Floats, factors: Integers, num: int) -> float:
        return float(classifier.score(*_points(codes, factors, num, rng)))

    return _scored(accuracy, codes, factors, rng)


def _points(codes: Floats, factors: Integers, num: int, rng: np.random.Generator) -> tuple[Floats, Integers]:
    """Mean absolute differences of pairs' codes (num, L), and which factor the pairs share (num,)."""
    groups = _Groups(factors)
    points = np.empty((num, codes.shape[1]))
    shared = rng.integers(factors.shape[1], size=num)
    for n, k in enumerate(shared.tolist()):
        first = rng.integers(len(codes), size=BATCH)
        second = groups.alike(first, k, rng)
        points[n] = np.abs(codes[first] - codes[second]).mean(0)
    return points, shared


def factor_vae_score(codes: Floats, factors: Integers, seed: int) -> Scored:
    """Accuracy of naming the factor that a batch shares from the code that varies least: a majority vote.

    64 examples a batch, 10,000 batches to vote and 5,000 to measure; codes of standard deviation below 0.05 are left
    out, and a representation of none but such scores 0. The error: see `_scored`.

    References:
        Kim & Mnih 2018, "Disentangling by Factorising", section 4
    """
    rng = np.random.default_rng(derive(seed, "factor-vae score"))
    variances = codes.var(axis=0, ddof=1)
    active = variances >= PRUNE_BELOW**2
    if not active.any():
        return 0.0, 0.0
    normal = codes[:, active] / np.sqrt(variances[active])
    majority = _votes(normal, _Groups(factors), NUM_TRAIN, rng).argmax(axis=0)

    def accuracy(normal: Floats, factors: Integers, num: int) -> float:
        measured = _votes(normal, _Groups(factors), num, rng)
        return float(measured[majority, np.arange(measured.shape[1])].sum() / num)

    return _scored(accuracy, normal, factors, rng)


def _scored(
    accuracy: Callable[[Floats, Integers, int], float], codes: Floats, factors: Integers, rng: np.random.Generator
) -> Scored:
    """A fitted rule's accuracy on batches from all examples, and its standard error.

    The error comes from disjoint parts, a tenth of the examples each, on a tenth of the batches each: the accuracies of
    such parts vary √10 times as much. The rule itself is taken as given.
    """
    whole = accuracy(codes, factors, NUM_EVALUATED)
    parts = [part for part in np.array_split(rng.permutation(len(codes)), PARTS) if len(part) >= SMALLEST_PART]
    found = [accuracy(codes[part], factors[part], NUM_EVALUATED // PARTS) for part in parts]
    return whole, float(np.std(found, ddof=1) / np.sqrt(PARTS)) if len(found) > 1 else float("nan")


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


def _two_best(column: Floats) -> tuple[int, int | None]:
    """Which codes are best and second best for a factor; no second if there is one code, or the second tells nothing."""
    order = np.argsort(column)[::-1].tolist()
    return order[0], order[1] if len(order) > 1 and column[order[1]] > 0 else None


def _standard_error(influence: Floats) -> float:
    return float(np.std(influence, ddof=1) / np.sqrt(len(influence)))


def _correlation_influence(a: Floats, b: Integers) -> Floats:
    """Influence of each example on the squared correlation of a and b, (N,)."""
    if a.var() <= 1e-12:
        return np.zeros(len(a))
    u, v = ((values - values.mean()) / values.std() for values in (a, b.astype(np.float64)))
    r = (u * v).mean()
    return r * (2 * u * v - r * (u * u + v * v))


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
