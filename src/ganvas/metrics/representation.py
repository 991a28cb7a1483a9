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
from ganvas.metrics.likelihood import divergence

ACTIVE_THRESHOLD = 0.01


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
