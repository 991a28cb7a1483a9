"""What a metric is: what it needs, which way is better, where it comes from, and how it is measured on a context."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.metrics.card import Better, Card, Score
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.needs import Need

Value = float | tuple[float, float]


@dataclass(frozen=True)
class Reading:
    """What a metric read off a context: values (with errors, where it has them) by score name, and their protocol."""

    values: dict[str, Value]
    num_samples: int
    num_reference: int | None = None
    network: FeatureNetwork | None = None
    settings: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """One entry of the catalog.

    needs: requirements of a context. better: the direction of improvement; `reverse` names scores of the other direction.
    has_floor: whether real training data in place of samples give the best possible value.
    gives: names of its scores, if they differ from its own.
    enough: the value from which on better is no merit: of samples further from the training set than new data are, no run
    has copied less. traded: beginnings of the names of scores that are bought with others, so that alone none is a merit.
    """

    name: str
    summary: str
    needs: tuple[Need, ...]
    better: Better
    paper: str
    measure: Callable[[EvaluationContext], Reading] = field(repr=False)
    reverse: tuple[str, ...] = ()
    has_floor: bool = False
    gives: tuple[str, ...] = ()
    enough: float | None = None
    traded: tuple[str, ...] = ()

    def compute(self, context: EvaluationContext) -> list[Score]:
        """Its scores, each with its card. Raises GanvasError if the context does not meet its needs."""
        for need in self.needs:
            lack = context.lacks(need)
            if lack:
                raise GanvasError(f"the metric {self.name!r} is not available: {lack[0]}", lack[1])
        reading = self.measure(context)
        card = self._card(context, reading)
        return [self._score(name, value, card) for name, value in reading.values.items()]

    def merit(self, score: Score) -> float | None:
        """The value that ranks runs on this score, or None if runs are not ranked by it."""
        if self.traded and score.name.startswith(self.traded):
            return None
        limit = min if score.better == "higher" else max
        return score.value if self.enough is None else limit(score.value, self.enough)

    def floor(self, context: EvaluationContext) -> list[Score]:
        """Its scores for real training data against the same held-out data; none for a metric of the model itself."""
        return self.compute(context.floor) if self.has_floor else []

    def _score(self, name: str, value: Value, card: Card) -> Score:
        number, error = value if isinstance(value, tuple) else (value, None)
        if math.isnan(number):
            raise GanvasError(f"the metric {name!r} is NaN here", "Look at the samples: has the model diverged?")
        if error is not None and not math.isfinite(error):
            error = None  # of one example, or of a perfect reconstruction's infinite PSNR, there is no standard error
        other: Better = "lower" if self.better == "higher" else "higher"
        return Score(name, number, error, other if name in self.reverse else self.better, card)

    def _card(self, context: EvaluationContext, reading: Reading) -> Card:
        network = reading.network
        return Card(
            metric=self.name,
            data=context.data,
            split=context.split,
            num_samples=reading.num_samples,
            num_reference=reading.num_reference,
            features=network.name if network else None,
            features_hash=network.fingerprint if network else None,
            resize=network.resize if network else None,
            settings=reading.settings | context.marks(self.needs),
            seed=context.seed,
            notes=(*context.notes, *reading.notes),
        )


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean over examples, and its standard error."""
    return values.mean().item(), values.std().item() / math.sqrt(len(values))
