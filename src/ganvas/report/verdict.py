"""How good a run's samples are, in words: their distance to real data, beside that of the untrained networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganvas.report import glossary
from ganvas.report.figures import count, plain
from ganvas.report.reader import Points, Run, mapping, number, text

DISTANCES = ("fid", "kid", "swd")
"""Scores that are a distance to real data, the most meaningful first."""

MEASURE = "ganvas evaluate compares the samples with real data."


@dataclass(frozen=True)
class Verdict:
    """short: a few words. words: the sentences."""

    short: str
    words: str


def verdict(run: Run) -> Verdict:
    """By the newest score that is a distance to real data, or else by the distance examined during training."""
    return by_score(run.scores, run.history.images) or by_sign(run.history.distance)


def by_score(entries: Sequence[dict[str, object]], images: int) -> Verdict | None:
    """None without a score that has those of real data and of the untrained networks beside it. images: seen by the run."""
    known = [entry for entry in entries if all(mapping(entry.get(n)) for n in ("score", "floor", "untrained"))]
    for name in DISTANCES:
        found = [entry for entry in known if text(mapping(entry["score"]).get("name")) == name]
        if found:
            entry = max(found, key=lambda e: number(e.get("images")))
            return of_entry(entry, glossary.metric_name(name), images)
    return None


def of_entry(entry: dict[str, object], name: str, images: int) -> Verdict | None:
    values = [number(mapping(entry.get(n)).get("value")) for n in ("score", "floor", "untrained")]
    score, real, untrained = values
    if not all(map(math.isfinite, values)):
        return None
    card = mapping(mapping(entry["score"]).get("card"))
    features = text(card.get("features"))
    at = f"{name} ({features} features)" if features else name
    numbers = f"{at} is {plain(score)}; real data have {plain(real)}, the untrained networks {plain(untrained)}."
    seen = number(entry.get("images"))
    old = f" It was measured after {count(seen)} of {count(images)} images." if seen < images else ""
    if entry.get("untrained_reach_it") or untrained <= real:
        return Verdict(
            "no better than untrained networks",
            f"By {name}, the samples are no nearer to real data than those of the untrained networks. {numbers}{old}",
        )
    short, judged = in_words((score - real) / (untrained - real))
    return Verdict(short, f"By {name}, the samples are {judged}. {numbers}{old}")


def in_words(share: float) -> tuple[str, str]:
    """share: the distance to real data that is left, of that of the untrained networks."""
    if share >= 0.5:
        return "far from real data", "nearer to those of the untrained networks than to real data"
    if share >= 0.1:
        return "between untrained and real", "nearer to real data than the untrained networks', but clearly different"
    return (
        "close to real data by one score",
        "close to real data; other scores and the pictures themselves may disagree",
    )


def by_sign(points: Points) -> Verdict:
    """By the distance in pixels. It sees colours and coarse shapes, so it never says that pictures are good."""
    finite = [(images, value) for images, value in points if math.isfinite(value)]
    if len(finite) < 2 or finite[0][0] > 0 or finite[0][1] <= 0:
        return Verdict("not measured", f"The quality of the samples was not measured. {MEASURE}")
    before, now = finite[0][1], finite[-1][1]
    numbers = (
        f"Their distance to held-out examples went from {plain(before)}, of the untrained networks, to {plain(now)};"
        " 0 is real data. This distance compares values of pixels: it sees colours and coarse shapes, no details."
    )
    if now >= before:
        return Verdict(
            "no better than untrained networks",
            f"The samples are no nearer to real data than those of the untrained networks. {numbers} {MEASURE}",
        )
    if now >= before / 2:
        short, judged = "far from real data", "nearer to those of the untrained networks than to real data"
    else:
        short, judged = "nearer to real data, details not measured", "coarsely nearer to real data than before training"
    return Verdict(short, f"The samples are {judged}. {numbers} {MEASURE}")
