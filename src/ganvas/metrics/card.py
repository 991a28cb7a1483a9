"""A score and its protocol."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeGuard, get_args

from ganvas.errors import GanvasError

Better = Literal["lower", "higher"]

PACKAGES = ("ganvas", "torch", "torchmetrics", "scikit-learn", "numpy")

PROTOCOL = {
    "metric": "the metric",
    "data": "the evaluation data",
    "split": "the split",
    "features": "the feature network",
    "features_hash": "the feature network's weights",
    "resize": "the resize",
    "num_samples": "the number of samples",
    "num_reference": "the number of reference examples",
    "settings": "the setting",
}
"""Fields that must agree in comparable scores, with their names in messages."""


def versions() -> dict[str, str]:
    """Versions of the packages that a number depends on."""
    return {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # not installed as a package
        return "unknown"


@dataclass(frozen=True)
class Card:
    """The protocol of a score.

    metric: its name in the catalog.
    data: hash of the reference examples. split: "held-out" or "train".
    features, features_hash: the feature network and the sha256 of its weights; None without a feature network.
    resize: the feature network's change of image size.
    num_samples: examples drawn or encoded. num_reference: real examples for comparison, or None.
    settings: the metric's constants, such as k.
    seed, versions: also needed to repeat the score. notes: warnings to show with it.
    """

    metric: str
    data: str
    split: str
    num_samples: int
    num_reference: int | None = None
    features: str | None = None
    features_hash: str | None = None
    resize: str | None = None
    settings: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])
    seed: int = 0
    versions: dict[str, str] = field(default_factory=versions)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """One number. error: its standard deviation over redraws of samples and held-out examples; None if it is not known."""

    name: str
    value: float
    error: float | None
    better: Better
    card: Card

    def to_json(self) -> str:
        """Strict JSON; an infinite value is written as a string."""
        return json.dumps(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return asdict(self) | {"value": self.value if math.isfinite(self.value) else str(self.value)}

    @classmethod
    def from_json(cls, text: str) -> "Score":
        """The score from `to_json`. Raises GanvasError if it is invalid."""
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise GanvasError(f"this is not a score: {error}") from error

    @classmethod
    def from_dict(cls, what: dict[str, Any]) -> "Score":
        """The score from `to_dict`. Raises GanvasError if it is invalid."""
        try:
            fields: dict[str, Any] = {**what["card"], "notes": tuple(what["card"]["notes"])}
            card = Card(**fields)
            _check_card(card)
            if not isinstance(what["name"], str) or what["better"] not in get_args(Better):
                raise TypeError("its name, or which way is better, is missing")
            value = float(what["value"])
            return cls(what["name"], value, _error_of(what["error"]), what["better"], card)
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise GanvasError(
                f"this is not a score: {error}", "Was it written by another version of ganvas?"
            ) from error


def _error_of(error: object) -> float | None:
    """An error as `Score` has it. TypeError or ValueError unless it is None or a finite number from 0 on."""
    if error is None:
        return None
    if not _is_number(error):
        raise TypeError(f"the error is {str(error)[:40]!r}, not a number")
    if error < 0 or not math.isfinite(error):
        raise ValueError(f"the error is {error}, which no error can be")
    return float(error)


def _check_card(card: Card) -> None:
    """Raises TypeError unless every field is of its type: it may come from a file that somebody edited."""
    texts = (card.metric, card.data, card.split)
    maybe_texts = (card.features, card.features_hash, card.resize)
    if not all(isinstance(words, str) for words in (*texts, *(m for m in maybe_texts if m is not None), *card.notes)):
        raise TypeError("a text of its card is not one")
    counts = (card.num_samples, card.seed, *(() if card.num_reference is None else (card.num_reference,)))
    if not all(isinstance(num, int) and not isinstance(num, bool) for num in counts):
        raise TypeError("a whole number of its card is not one")
    if not isinstance(card.settings, dict) or not isinstance(card.versions, dict):
        raise TypeError("the settings or versions are not named")
    values: list[object] = [*card.settings.values()]
    if not all(isinstance(v, str) or (_is_number(v) and math.isfinite(v)) for v in values):
        raise TypeError("a setting is neither text nor a finite number")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def comparable(cards: Sequence[Card]) -> str | None:
    """Why these scores are not comparable, or None. Seeds, versions and notes may differ."""
    for attribute, name in PROTOCOL.items():
        if attribute == "settings":
            settings = sorted({key for card in cards for key in card.settings})
            columns = {f"{name} {key}": [card.settings.get(key) for card in cards] for key in settings}
        else:
            columns = {name: [getattr(card, attribute) for card in cards]}
        for what, values in columns.items():
            found = list(dict.fromkeys(map(_shown, values)))
            if len(found) > 1:
                return f"{what} differs: {' against '.join(found)}"
    return None


def _shown(value: object) -> str:
    text = "none" if value is None else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
