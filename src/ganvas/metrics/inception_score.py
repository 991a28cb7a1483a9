"""The Inception Score's form on any classifier."""

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.machine.rng import generator
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.features import probabilities
from ganvas.metrics.metric import Metric, Reading
from ganvas.metrics.needs import Need


def inception_score(probabilities: Tensor, seed: int, splits: int = 10) -> tuple[float, float]:
    """exp E_x KL(p(y|x) ‖ p(y)), mean over `splits` random parts, and its standard error. Between 1 and K.

    probabilities: p(y|x), (N, K) float64. Called Inception Score only where the classifier is Inception-v3.
    Published tables often give the standard deviation of the parts in place of the error, which is √splits larger.
    The error comes from the divergences KL(p(y|x) ‖ p(y)) of single examples, the influence function of log IS.

    References:
        Salimans et al. 2016, "Improved Techniques for Training GANs", section 4
    """
    if len(probabilities) < splits:
        raise GanvasError(f"the Inception Score over {splits} parts needs at least {splits} samples")
    order = torch.randperm(len(probabilities), generator=generator(seed, "inception score"))
    divergences = [_divergences(probabilities[part]) for part in order.tensor_split(splits)]
    scores = torch.stack([each.mean().exp() for each in divergences])
    spread = torch.cat([each - each.mean() for each in divergences]).square().mean()
    return scores.mean().item(), (scores.mean() * (spread / len(probabilities)).sqrt()).item()


def _divergences(p: Tensor) -> Tensor:
    """KL(p(y|x) ‖ p(y)) of each example, (N,) nats."""
    return (torch.xlogy(p, p) - torch.xlogy(p, p.mean(0))).sum(1)


def _is(c: EvaluationContext) -> Reading:
    assert c.naming is not None
    value = inception_score(probabilities(c.naming, c.samples), c.seed)
    return Reading({"is": value}, len(c.samples), None, c.naming, {"splits": 10})


INCEPTION_SCORE = Metric(
    "is",
    summary="Inception Score's form on a classifier: confident and varied classes",
    needs=(Need.SAMPLES, Need.CLASSIFIER),
    better="higher",
    paper="Salimans et al. 2016, arXiv:1606.03498",
    measure=_is,
    has_floor=True,
)
