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


def active_units(codes: Tensor) -> int:
    """Dimensions whose posterior mean varies over the data: Var_x E_q[z] > 0.01. codes: the means (N, L).

    References:
        Burda et al. 2016, "Importance Weighted Autoencoders", section 5.2
    """
    return int((codes.double().var(0) > ACTIVE_THRESHOLD).sum())


def rate_per_dimension(posteriors: list[Distribution], prior: Distribution) -> Tensor:
    """KL of each code dimension, mean over the data, (L,) float64 nats, for diagonal normals.

    Raises GanvasError where the sum over dimensions is not KL(q ‖ p), that is where q or p is something else.
    """
    total = torch.zeros_like(posteriors[0].mean[0], dtype=torch.float64)
    whole, num = 0.0, 0
    for q in posteriors:
        ratio = (q.variance / prior.variance).double()
        square = ((q.mean - prior.mean).square() / prior.variance).double()
        total += (0.5 * (ratio + square - 1 - ratio.log())).sum(0)
        whole += divergence(q, prior).double().sum().item()
        num += len(q.mean)
    if not math.isclose(total.sum().item(), whole, rel_tol=1e-3, abs_tol=1e-3 * num):
        raise GanvasError("the rate of single dimensions needs a diagonal normal posterior and prior")
    return (total / num).cpu()


def mutual_information(posteriors: list[Distribution], seed: int) -> float:
    """I_q(x; z) = E_x KL(q(z|x) ‖ q(z)), q(z) the mean of all N posteriors, in nats; it cannot exceed log N.

    One code is drawn from each posterior. Memory is bounded; the work is N².

    References:
        Hoffman & Johnson 2016, "ELBO surgery", eq. 6 to 9
    """
    num = sum(len(q.mean) for q in posteriors)
    total = 0.0
    with torch.inference_mode(), seeded(seed, "mutual information"):
        for q in posteriors:
            z = q.sample()
            aggregate = torch.full((len(z),), -torch.inf, dtype=torch.float64, device=z.device)
            for other in posteriors:
                pairs = other.log_prob(z.unsqueeze(1)).double()  # (len(z), len(other))
                aggregate = torch.logaddexp(aggregate, pairs.logsumexp(1))
            total += (q.log_prob(z).double() - aggregate + math.log(num)).sum().item()
    return total / num


def linear_probe(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor, seed: int) -> float:
    """Accuracy on the test codes of a logistic regression fitted to standardised codes (N, L)."""
    _classes(labels)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000, random_state=derive(seed) % 2**32))
    probe.fit(_array(codes), labels.numpy())
    return float(probe.score(_array(test_codes), test_labels.numpy()))


def nearest_neighbour(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor) -> float:
    """Accuracy on the test codes of the label of the nearest code (N, L), Euclidean."""
    _classes(labels)
    classifier = KNeighborsClassifier(n_neighbors=1).fit(_array(codes), labels.numpy())
    return float(classifier.score(_array(test_codes), test_labels.numpy()))


def _classes(labels: Tensor) -> None:
    if len(labels.unique()) < 2:
        raise GanvasError("reading labels from codes needs at least two classes in the training labels")


def _array(codes: Tensor) -> np.ndarray:
    if not codes.isfinite().all():
        raise GanvasError("the encoder gave codes that are NaN or infinite", "The model has diverged.")
    return codes.double().numpy()
