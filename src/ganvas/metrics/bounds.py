"""Likelihood scores: the bound with its halves, −log p, and its bits."""

from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.likelihood import bits_per_dimension
from ganvas.metrics.metric import Metric, Reading, Value, mean_and_error
from ganvas.metrics.needs import Need


def _elbo(c: EvaluationContext) -> Reading:
    bound = c.bound
    values: dict[str, Value] = {
        "elbo": mean_and_error(-bound.negative_elbo),
        "distortion": mean_and_error(bound.distortion),
        "rate": mean_and_error(bound.rate),
    }
    return Reading(values, len(c.x), notes=c.likelihood_notes)


def _nll(c: EvaluationContext) -> Reading:
    return Reading({"nll": mean_and_error(c.nll)}, len(c.x), settings=_importance(c), notes=c.likelihood_notes)


def _bpd(c: EvaluationContext) -> Reading:
    bits = bits_per_dimension(c.nll, c.x[0].numel())
    return Reading({"bpd": mean_and_error(bits)}, len(c.x), settings=_importance(c))


def _importance(c: EvaluationContext) -> dict[str, float | int | str]:
    return {"importance samples": c.importance_samples}


ELBO = Metric(
    "elbo",
    summary="evidence lower bound, with distortion and rate, nats per example",
    needs=(Need.LIKELIHOOD,),
    better="higher",
    paper="Kingma & Welling 2014, arXiv:1312.6114",
    measure=_elbo,
    gives=("elbo", "distortion", "rate"),
    traded=("distortion", "rate"),
    reverse=("distortion", "rate"),
)


NLL = Metric(
    "nll",
    summary="importance-weighted −log p(x), nats per example",
    needs=(Need.LIKELIHOOD,),
    better="lower",
    paper="Burda et al. 2016, arXiv:1509.00519",
    measure=_nll,
)


BITS_PER_DIMENSION = Metric(
    "bpd",
    summary="importance-weighted −log₂ p(x) per pixel and channel",
    needs=(Need.LIKELIHOOD, Need.PROBABILITY),
    better="lower",
    paper="Burda et al. 2016, arXiv:1509.00519",
    measure=_bpd,
)
