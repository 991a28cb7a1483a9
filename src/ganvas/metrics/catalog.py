"""All metrics by name, and their scores on a context."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from ganvas.errors import GanvasError, did_you_mean
from ganvas.metrics.bounds import BITS_PER_DIMENSION, ELBO, NLL
from ganvas.metrics.card import Score
from ganvas.metrics.classes import CLASS_ACCURACY, LABEL_ACCURACY
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.factors import BETA_VAE_SCORE, DCI, FACTOR_VAE_SCORE, MIG, SAP
from ganvas.metrics.fid import FID
from ganvas.metrics.inception_score import INCEPTION_SCORE
from ganvas.metrics.kid import KID
from ganvas.metrics.memorisation import MEMORISATION
from ganvas.metrics.metric import Metric
from ganvas.metrics.modes import MODES
from ganvas.metrics.prdc import PRECISION_RECALL
from ganvas.metrics.reconstruction import MS_SSIM, MSE, PERCEPTUAL_DISTANCE, PSNR, SHARPNESS, SSIM
from ganvas.metrics.representation import ACTIVE_UNITS, DIMENSION_RATES, KNN, MUTUAL_INFORMATION, PROBE
from ganvas.metrics.sliced_wasserstein import SLICED_WASSERSTEIN

METRICS: dict[str, Metric] = {
    entry.name: entry
    for entry in (
        FID,
        KID,
        PRECISION_RECALL,
        INCEPTION_SCORE,
        SLICED_WASSERSTEIN,
        MEMORISATION,
        ELBO,
        NLL,
        BITS_PER_DIMENSION,
        MSE,
        PSNR,
        SSIM,
        MS_SSIM,
        PERCEPTUAL_DISTANCE,
        SHARPNESS,
        ACTIVE_UNITS,
        DIMENSION_RATES,
        MUTUAL_INFORMATION,
        PROBE,
        KNN,
        LABEL_ACCURACY,
        CLASS_ACCURACY,
        MIG,
        SAP,
        DCI,
        BETA_VAE_SCORE,
        FACTOR_VAE_SCORE,
        MODES,
    )
}


@dataclass(frozen=True)
class Row:
    """A score with its references: floor (real data) and untrained networks; None if missing."""

    score: Score
    floor: Score | None
    untrained: Score | None

    @property
    def untrained_reach_it(self) -> bool:
        """Whether untrained networks are as good as the run, or as real data: the score says nothing about training.

        Within two standard errors of the difference, where both scores have one.
        """
        return any(as_good(self.untrained, other) for other in (self.score, self.floor))


def as_good(a: Score | None, b: Score | None) -> bool:
    """Whether a is as good as b; False without both, and for scores that runs are not ranked by."""
    ours, theirs = (None if score is None else METRICS[score.card.metric].merit(score) for score in (a, b))
    if a is None or b is None or ours is None or theirs is None:
        return False
    doubt = 2 * math.hypot(a.error, b.error) if a.error is not None and b.error is not None else 0.0
    return ours <= theirs + doubt if a.better == "lower" else ours >= theirs - doubt


def metric(name: str) -> Metric:
    """The metric of that name. Raises GanvasError with similar names if there is none."""
    if name not in METRICS:
        giver = next((m.name for m in METRICS.values() if name.casefold() in m.gives), None)
        hint = did_you_mean(name, METRICS) if giver is None else f"It is one of the scores of the metric {giver!r}."
        raise GanvasError(f"no metric {name!r}", hint)
    return METRICS[name]


def evaluate(context: EvaluationContext, names: Sequence[str], untrained: EvaluationContext | None = None) -> list[Row]:
    """Rows of all scores of the named metrics. untrained: see `EvaluationContext.untrained`.

    Warns if evaluation examples are, or may be, training examples. The context's `extra_notes` are on the cards alone.
    """
    metrics = [metric(name) for name in names]
    for note in context.notes:
        if note not in context.extra_notes:
            warnings.warn(note, stacklevel=2)
    rows: list[Row] = []
    for each in metrics:
        scores = each.compute(context)
        floors = {score.name: score for score in each.floor(context)}
        before = {score.name: score for score in each.compute(untrained)} if untrained else {}
        rows += [Row(score, floors.get(score.name), before.get(score.name)) for score in scores]
    return rows
