"""Whether samples lie closer to the training set than held-out examples do: see `copying`."""

from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.metric import Metric, Reading
from ganvas.metrics.needs import Need


def _memorisation(c: EvaluationContext) -> Reading:
    assert c.training is not None
    settings: dict[str, float | int | str] = {"train": len(c.training.x)}
    return Reading({"memorisation": (c.copying.share, c.copying.error)}, len(c.samples), len(c.x), c.features, settings)


MEMORISATION = Metric(
    "memorisation",
    summary="how often samples lie closer to the training set than held-out data; 0.5 is none",
    needs=(Need.SAMPLES, Need.FEATURES, Need.TRAINING),
    better="lower",
    paper="Meehan et al. 2020, arXiv:2004.05675",
    measure=_memorisation,
    enough=0.5,
)
