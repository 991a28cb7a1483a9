"""Scores of `ganvas evaluate`, for the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganvas.report import glossary
from ganvas.report.figures import count, plain
from ganvas.report.reader import mapping, number, text


@dataclass(frozen=True)
class Scored:
    """One score as text. floor, untrained: "" without one. protocol: a summary of its card.

    idle: whether the untrained networks reach it, too.
    """

    name: str
    better: str
    value: str
    floor: str
    untrained: str
    protocol: str
    idle: bool


def scored(entries: Sequence[dict[str, object]]) -> list[Scored]:
    """A line for each entry of evaluation.json with a score."""
    return [line(entry) for entry in entries if mapping(entry.get("score"))]


def line(entry: dict[str, object]) -> Scored:
    score = mapping(entry.get("score"))
    card = mapping(score.get("card"))
    samples, images = number(card.get("num_samples")), number(entry.get("images"))
    words = [f"{count(samples)} examples"] if math.isfinite(samples) else []
    words += [text(card.get("features"))]
    words += [f"{name} {number(value):g}" for name, value in mapping(card.get("settings")).items() if finite(value)]
    words += [f"{text(card.get('split'))} {text(entry.get('data'))}".strip()]
    words += [f"after {count(images)} images"] if math.isfinite(images) else []
    return Scored(
        name=glossary.metric_name(text(score.get("name"))),
        better="↓" if score.get("better") == "lower" else "↑",
        value=value_of(score),
        floor=value_of(mapping(entry.get("floor"))),
        untrained=value_of(mapping(entry.get("untrained"))),
        protocol=", ".join(filter(None, words)),
        idle=entry.get("untrained_reach_it") is True,
    )


def value_of(score: dict[str, object]) -> str:
    """A value with its error; "" for none. Infinite values are stored as strings."""
    if not score:
        return ""
    value = score.get("value")
    known = float(value) if value in ("inf", "-inf") else number(value)
    error = number(score.get("error"))
    # An error of rounding only is not shown.
    return plain(known) + (f" ± {plain(error, 2)}" if error > 1e-9 * abs(known) else "")


def finite(value: object) -> bool:
    return math.isfinite(number(value))
