"""Which modes the samples reach, on data with known modes: see `coverage`."""

from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.coverage import mixture_coverage, stacked_coverage
from ganvas.metrics.metric import Metric, Reading, Value
from ganvas.metrics.needs import Need


def _modes(c: EvaluationContext) -> Reading:
    if c.mixture is not None:
        found, network = mixture_coverage(c.samples, c.mixture), None
    else:
        assert c.channel_classifier is not None
        found, network = stacked_coverage(c.samples, c.channel_classifier), c.channel_classifier
    values: dict[str, Value] = {"modes": found.modes}
    if found.high_quality is not None:
        values["high-quality"] = found.high_quality
    values["reverse-kl"] = found.reverse_kl
    return Reading(values, len(c.samples), None, network, {"modes": found.num_modes})


MODES = Metric(
    "modes",
    summary="modes reached, high-quality share, reverse KL of the modes",
    needs=(Need.SAMPLES, Need.MODES),
    better="higher",
    paper="Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086",
    measure=_modes,
    reverse=("reverse-kl",),
    has_floor=True,
    gives=("modes", "high-quality", "reverse-kl"),
)
