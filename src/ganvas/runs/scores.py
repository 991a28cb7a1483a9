"""The scores that a run keeps, in its evaluation.json."""

import math
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError
from ganvas.machine.storage import read_list
from ganvas.metrics.card import Score
from ganvas.metrics.catalog import Row


def kept(path: Path) -> list[dict[str, Any]]:
    """The scores that a run keeps; none when there are none. GanvasError when the file is damaged."""
    file = path / "evaluation.json"
    if not file.exists():
        return []
    try:
        entries = read_list(file)
        for entry in entries:
            check_entry(entry)
        return entries
    except (OSError, ValueError, KeyError, TypeError, OverflowError, GanvasError) as error:
        words = error.message if isinstance(error, GanvasError) else str(error)
        raise GanvasError(f"{file} is damaged: {words}.", "Remove it and evaluate again.") from error


def check_entry(entry: dict[str, Any]) -> None:
    """Raises an error unless `entry` is as `keep` writes one."""
    from_json(entry)
    images, data = entry["images"], entry["data"]
    if not isinstance(images, int) or isinstance(images, bool) or not isinstance(data, str):
        raise TypeError("an entry does not name its data or the images seen")


def protocol_of(entry: dict[str, Any]) -> dict[str, Any]:
    """A score's card without what changes from one evaluation to the next, or follows from the run and the rest."""
    card = {key: value for key, value in entry["score"]["card"].items() if key not in ("versions", "notes")}
    settings = card.get("settings", {}).items()
    return card | {"settings": {key: value for key, value in settings if key not in ("likelihood", "training data")}}


def to_json(row: Row) -> dict[str, Any]:
    named = {"score": row.score, "floor": row.floor, "untrained": row.untrained}
    scores = {name: None if score is None else score.to_dict() for name, score in named.items()}
    return {**scores, "untrained_reach_it": row.untrained_reach_it}


def from_json(entry: dict[str, Any]) -> Row:
    """The opposite of `to_json`."""
    score, floor, untrained = (
        None if entry[n] is None else Score.from_dict(entry[n]) for n in ("score", "floor", "untrained")
    )
    if score is None:
        raise ValueError("an entry has no score")
    return Row(score, floor, untrained)


def rounded(score: Score | None) -> str:
    """A score with as many digits as its error allows; "" for none."""
    return "" if score is None else with_error(score.value, score.error)


def with_error(value: float, error: float | None) -> str:
    """A value with as many digits as its error allows: 92.41 ± 0.12."""
    # The error of a share that is 1 in every example is 0, or rounding alone.
    if error is None or not math.isfinite(value) or error <= 1e-9 * abs(value):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
    digits = max(0, min(6, 1 - math.floor(math.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
