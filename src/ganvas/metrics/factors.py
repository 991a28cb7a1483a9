"""Disentanglement scores of a model's codes, on data with known factors: see `disentanglement`."""

from collections.abc import Callable

import numpy as np

from ganvas.metrics import disentanglement
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.metric import Metric, Reading, Value
from ganvas.metrics.needs import Need

TREE_EXAMPLES = 2_000
"""Examples for DCI's boosted trees, whose cost grows with examples times classes (10,000 in published tables)."""


def _on_factors(
    name: str, measure: Callable[[disentanglement.Floats, disentanglement.Integers, int], disentanglement.Scored]
) -> Callable[[EvaluationContext], Reading]:
    """A disentanglement score that is taken on held-out codes alone."""

    def read(c: EvaluationContext) -> Reading:
        (codes, factors), _ = _factor_codes(c)
        return Reading({name: measure(codes, factors, c.seed)}, len(codes))

    return read


def _factor_codes(
    c: EvaluationContext,
) -> tuple[
    tuple[disentanglement.Floats, disentanglement.Integers], tuple[disentanglement.Floats, disentanglement.Integers]
]:
    """Codes and factors, held-out first, then training; class numbers mean the same in both."""
    assert c.held_out.factors is not None and c.train.factors is not None
    held, train = c.held_out.factors[c.reference], c.train.factors[c.train_reference]
    factors = disentanglement.discrete(np.concatenate([held.numpy(), train.numpy()]))
    codes, train_codes = c.label_free_codes.double().numpy(), c.train_codes.double().numpy()
    return (codes, factors[: len(codes)]), (train_codes, factors[len(codes) :])


def _sap(c: EvaluationContext) -> Reading:
    held, train = _factor_codes(c)
    values: dict[str, Value] = {"sap": disentanglement.sap(*held), "sap-svm": disentanglement.sap_svm(*train, *held)}
    return Reading(values, len(held[0]), len(train[0]))


def _dci(c: EvaluationContext) -> Reading:
    (codes, factors), (train_codes, train_factors) = _factor_codes(c)
    codes, train_codes = codes[:TREE_EXAMPLES], train_codes[:TREE_EXAMPLES]
    found = disentanglement.dci(train_codes, train_factors[:TREE_EXAMPLES], codes, factors[:TREE_EXAMPLES], c.seed)
    values: dict[str, Value] = {
        "disentanglement": found.disentanglement,
        "completeness": found.completeness,
        "informativeness": found.informativeness,
    }
    return Reading(values, len(codes), len(train_codes))


MIG = Metric(
    "mig",
    summary="mutual information gap of codes and factors",
    needs=(Need.ENCODER, Need.FACTORS, Need.LABEL_FREE),
    better="higher",
    paper="Chen et al. 2018, arXiv:1802.04942",
    measure=_on_factors("mig", lambda codes, factors, _: disentanglement.mig(codes, factors)),
)


SAP = Metric(
    "sap",
    summary="separated attribute predictability, by squared correlation and by linear SVM",
    needs=(Need.ENCODER, Need.FACTORS, Need.LABEL_FREE),
    better="higher",
    paper="Kumar et al. 2018, arXiv:1711.00848",
    measure=_sap,
    gives=("sap", "sap-svm"),
)


DCI = Metric(
    "dci",
    summary="disentanglement, completeness, informativeness by boosted trees",
    needs=(Need.ENCODER, Need.FACTORS, Need.LABEL_FREE),
    better="higher",
    paper="Eastwood & Williams 2018, openreview:By-7dz-AZ",
    measure=_dci,
    gives=("disentanglement", "completeness", "informativeness"),
)


BETA_VAE_SCORE = Metric(
    "beta-vae-score",
    summary="accuracy of naming a shared factor from differences of codes",
    needs=(Need.ENCODER, Need.FACTORS, Need.LABEL_FREE),
    better="higher",
    paper="Higgins et al. 2017, openreview:Sy2fzU9gl",
    measure=_on_factors("beta-vae-score", disentanglement.beta_vae_score),
)


FACTOR_VAE_SCORE = Metric(
    "factor-vae-score",
    summary="accuracy of naming a fixed factor from the steadiest code",
    needs=(Need.ENCODER, Need.FACTORS, Need.LABEL_FREE),
    better="higher",
    paper="Kim & Mnih 2018, arXiv:1802.05983",
    measure=_on_factors("factor-vae-score", disentanglement.factor_vae_score),
)
