"""What codes hold: how many dimensions are used, how much they say of x, and what can be read from them."""

import math

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.distributions import Distribution

from ganvas.errors import GanvasError
from ganvas.machine.rng import derive, seeded
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.likelihood import divergence
from ganvas.metrics.metric import Metric, Reading, mean_and_error
from ganvas.metrics.needs import Need

ACTIVE_THRESHOLD = 0.01
MUTUAL_INFORMATION_EXAMPLES = 5_000


def active_units(codes: Tensor) -> tuple[float, float]:
    """Dimensions whose posterior mean varies over the data: Var_x E_q[z] > 0.01; the standard error of their number.

    codes: the means (N, L). A dimension near the threshold may fall on either side in another draw of the data; its chance
    follows from the standard error of its variance.

    References:
        Burda et al. 2016, "Importance Weighted Autoencoders", section 5.2
    """
    squares = (codes.double() - codes.double().mean(0)).square()
    variances, error = codes.double().var(0), squares.std(0) / math.sqrt(len(codes))
    chance = torch.special.ndtr((variances - ACTIVE_THRESHOLD) / error.clamp_min(1e-12))
    return float((variances > ACTIVE_THRESHOLD).sum()), (chance * (1 - chance)).sum().sqrt().item()


def rate_per_dimension(posteriors: list[Distribution], prior: Distribution) -> Tensor:
    """KL of each code dimension for each example, (N, L) float64 nats, for diagonal normals.

    Raises GanvasError where the sum over dimensions is not KL(q ‖ p), that is where q or p is something else.
    """
    rates: list[Tensor] = []
    whole = 0.0
    for q in posteriors:
        ratio = (q.variance / prior.variance).double()
        square = ((q.mean - prior.mean).square() / prior.variance).double()
        rates.append((0.5 * (ratio + square - 1 - ratio.log())).cpu())
        whole += divergence(q, prior).double().sum().item()
    found = torch.cat(rates)
    if not math.isclose(found.sum().item(), whole, rel_tol=1e-3, abs_tol=1e-3 * len(found)):
        raise GanvasError("the rate of single dimensions needs a diagonal normal posterior and prior")
    return found


def mutual_information(posteriors: list[Distribution], seed: int) -> Tensor:
    """KL(q(z|x) ‖ q(z)) for each example, (N,) float64 nats, q(z) the mean of all N posteriors.

    The mean is I_q(x; z), which cannot exceed log N. The terms are also its influence function, so that their standard
    error is that of I_q. One code is drawn from each posterior. Memory is bounded; the work is N².

    References:
        Hoffman & Johnson 2016, "ELBO surgery", eq. 6 to 9
    """
    num = sum(len(q.mean) for q in posteriors)
    terms: list[Tensor] = []
    with torch.inference_mode(), seeded(seed, "mutual information"):
        for q in posteriors:
            z = q.sample()
            aggregate = torch.full((len(z),), -torch.inf, dtype=torch.float64, device=z.device)
            for other in posteriors:
                pairs = other.log_prob(z.unsqueeze(1)).double()  # (len(z), len(other))
                aggregate = torch.logaddexp(aggregate, pairs.logsumexp(1))
            terms.append((q.log_prob(z).double() - aggregate + math.log(num)).cpu())
    return torch.cat(terms)


def linear_probe(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor, seed: int) -> Tensor:
    """Whether a logistic regression, fitted to standardised codes (N, L), names each test code's class, (M,) of 0 and 1."""
    _classes(labels)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000, random_state=derive(seed) % 2**32))
    probe.fit(_array(codes), labels.numpy())
    return torch.from_numpy(probe.predict(_array(test_codes)) == test_labels.numpy()).double()


def nearest_neighbour(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor) -> Tensor:
    """Whether the nearest code (N, L), Euclidean, has each test code's class, (M,) of 0 and 1."""
    _classes(labels)
    classifier = KNeighborsClassifier(n_neighbors=1).fit(_array(codes), labels.numpy())
    return torch.from_numpy(classifier.predict(_array(test_codes)) == test_labels.numpy()).double()


def _classes(labels: Tensor) -> None:
    if len(labels.unique()) < 2:
        raise GanvasError("reading labels from codes needs at least two classes in the training labels")


def _array(codes: Tensor) -> np.ndarray:
    if not codes.isfinite().all():
        raise GanvasError("the encoder gave codes that are NaN or infinite", "The model has diverged.")
    return codes.double().numpy()


def _active_units(c: EvaluationContext) -> Reading:
    settings: dict[str, float | int | str] = {
        "threshold": ACTIVE_THRESHOLD,
        "dimensions": c.codes.shape[1],
    }
    return Reading({"active-units": active_units(c.codes)}, len(c.x), settings=settings)


def _dimension_rates(c: EvaluationContext) -> Reading:
    rates = rate_per_dimension(c.posteriors, c.autoencoder.prior())
    return Reading({f"rate-{i}": mean_and_error(rate) for i, rate in enumerate(rates.unbind(1))}, len(c.x))


def _mutual_information(c: EvaluationContext) -> Reading:
    chosen: list[Distribution] = []
    num = 0
    for q in c.posteriors:
        if num >= MUTUAL_INFORMATION_EXAMPLES:
            break
        chosen.append(q)
        num += len(q.mean)
    value = mean_and_error(mutual_information(chosen, c.seed))
    ceiling = math.log(num)
    notes = (
        (f"near its ceiling log {num} = {ceiling:.2f} nats: read as a lower bound",) if value[0] > ceiling - 0.5 else ()
    )
    return Reading({"mutual-information": value}, num, notes=notes)


def _labelled_codes(c: EvaluationContext) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Codes and labels of the labelled training and held-out examples."""
    assert c.train.y is not None and c.y is not None
    train_y = c.train.y[c.train_reference]
    known, test_known = train_y >= 0, c.y >= 0
    return (c.train_codes[known], train_y[known]), (c.label_free_codes[test_known], c.y[test_known])


def _probe(c: EvaluationContext) -> Reading:
    train, test = _labelled_codes(c)
    right = linear_probe(*train, *test, c.seed)
    return Reading({"probe": mean_and_error(right)}, len(test[0]), len(train[0]))


def _knn(c: EvaluationContext) -> Reading:
    train, test = _labelled_codes(c)
    right = nearest_neighbour(*train, *test)
    return Reading({"knn": mean_and_error(right)}, len(test[0]), len(train[0]))


ACTIVE_UNITS = Metric(
    "active-units",
    summary="code dimensions whose mean varies over the data",
    needs=(Need.ENCODER,),
    better="higher",
    paper="Burda et al. 2016, arXiv:1509.00519",
    measure=_active_units,
)


DIMENSION_RATES = Metric(
    "dimension-rates",
    summary="KL of each code dimension, nats",
    needs=(Need.ENCODER,),
    better="lower",
    paper="Kingma & Welling 2014, arXiv:1312.6114",
    measure=_dimension_rates,
    traded=("rate-",),
)


MUTUAL_INFORMATION = Metric(
    "mutual-information",
    summary="I(x; z) under the encoder, nats, at most the log of the number of examples",
    needs=(Need.ENCODER,),
    better="higher",
    paper="Hoffman & Johnson 2016, ELBO surgery",
    measure=_mutual_information,
)


PROBE = Metric(
    "probe",
    summary="accuracy of a logistic regression on codes",
    needs=(Need.ENCODER, Need.LABELS, Need.LABEL_FREE),
    better="higher",
    paper="Alain & Bengio 2016, arXiv:1610.01644",
    measure=_probe,
)


KNN = Metric(
    "knn",
    summary="accuracy of the nearest neighbour among codes",
    needs=(Need.ENCODER, Need.LABELS, Need.LABEL_FREE),
    better="higher",
    paper="Cover & Hart 1967, doi:10.1109/TIT.1967.1053964",
    measure=_knn,
)
