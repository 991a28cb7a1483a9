"""Classes that a model names, and classes that its samples were drawn for."""

from ganvas.core.abilities import Classifies
from ganvas.metrics import codes
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.features import probabilities
from ganvas.metrics.features.lenet import LeNet
from ganvas.metrics.metric import Metric, Reading, mean_and_error
from ganvas.metrics.needs import Need


def _label_accuracy(c: EvaluationContext) -> Reading:
    assert isinstance(c.model, Classifies) and c.y is not None
    known = c.y >= 0
    right = (codes.named(c.model, c.x[known]) == c.y[known]).double()
    return Reading({"label-accuracy": mean_and_error(right)}, len(right))


def _class_accuracy(c: EvaluationContext) -> Reading:
    assert c.naming is not None and c.asked is not None
    known = c.asked >= 0
    right = (probabilities(c.naming, c.samples).argmax(1) == c.asked)[known].double()
    settings: dict[str, float | int | str] = {}
    if isinstance(c.naming, LeNet):
        settings["the classifier's own accuracy"] = c.naming.accuracy
    return Reading({"class-accuracy": mean_and_error(right)}, len(right), None, c.naming, settings)


LABEL_ACCURACY = Metric(
    "label-accuracy",
    summary="accuracy of the classes that the model itself names",
    needs=(Need.NAMES, Need.LABELS),
    better="higher",
    paper="Makhzani et al. 2015, arXiv:1511.05644",
    measure=_label_accuracy,
)


CLASS_ACCURACY = Metric(
    "class-accuracy",
    summary="how often a classifier sees the class that a sample was drawn for",
    needs=(Need.SAMPLES, Need.CLASSIFIER, Need.CONDITIONAL),
    better="higher",
    paper="Odena et al. 2017, arXiv:1610.09585",
    measure=_class_accuracy,
    has_floor=True,
)
