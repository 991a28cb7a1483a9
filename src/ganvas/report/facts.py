"""A run in words: how it ended, its data, its cost and its settings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ganvas.report import glossary
from ganvas.report.figures import count, duration, plain
from ganvas.report.reader import Run, mapping, number

CHANNELS = {1: "grey", 3: "colour", 4: "colour-and-transparency"}


MAX_ITEMS = 12
"""The maximum number of list items shown in the settings."""


@dataclass(frozen=True)
class Status:
    """A run's state. kind: "finished", "stopped" or "unfinished", for the colour."""

    kind: str
    words: str


def status(run: Run) -> Status:
    ends = [event for event in run.history.events if event.event not in ("rewound", "began", "changed")]
    last = ends[-1] if ends else None
    wanted = run.recipe.images
    share = f" after {count(run.history.images)} of {count(wanted)} images" if wanted else ""
    if last and last.event == "finished":
        return Status("finished", "finished")
    if last:
        return Status("stopped", glossary.words(last.event) + share)
    return Status("unfinished", "in training, or interrupted," + share)


def has_encoder(run: Run) -> bool:
    return bool(run.reconstructions) or any("encoder" in glossary.words(name) for name in run.networks)


@dataclass(frozen=True)
class Facts:
    """The run in words; empty if nothing is known."""

    data: str
    players: str
    took: str
    speed: str
    parameters: str


def facts(run: Run) -> Facts:
    history = run.history
    return Facts(
        data=_describe_data(run.recipe.data_info),
        players=_enumerate([glossary.words(name) for name in history.terms]),
        took=duration(history.seconds) if history.seconds else "",
        speed=plain(history.images / history.seconds, 3) if history.seconds else "",
        parameters=_parameters(sum(run.networks.values())) if run.networks else "",
    )


LONGEST = 200
"""Letters of a description that are shown: a file may be a stranger's."""


def _describe_data(info: Mapping[str, object]) -> str:
    """28 × 28 grey images in 62 classes"""
    shape = info.get("shape")
    sizes = [number(size) for size in shape] if isinstance(shape, list) else []
    if not sizes or not all(map(math.isfinite, sizes)):
        return ""
    if isinstance(given := info.get("words"), str):
        words = given[:LONGEST]
    elif len(sizes) == 3:
        kind = CHANNELS.get(int(sizes[0]), f"{sizes[0]:.0f}-channel")
        words = f"{sizes[1]:.0f} × {sizes[2]:.0f} {kind} images"
    else:
        words = f"points in {' × '.join(f'{size:.0f}' for size in sizes)} dimensions"
    classes = info.get("classes")
    return f"{words} in {len(classes)} classes" if isinstance(classes, list) and classes else words


def _enumerate(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _parameters(total: int) -> str:
    return f"{plain(total / 1e6, 3)} million" if total >= 1_000_000 else count(total)


def settings(run: Run) -> dict[str, list[tuple[str, str]]]:
    """Tables of names and values: everything needed to understand or repeat the run."""
    recipe = run.recipe
    chosen = {"recipe": recipe.name} | ({"file": recipe.file} if recipe.file else {})
    data = {"source": recipe.source, **recipe.data_options, **recipe.data_info}
    return {
        "Recipe": rows(chosen | recipe.arguments),
        "Training": rows(recipe.training | ({"ganvas": recipe.version} if recipe.version else {})),
        "Data": rows(data),
    }


def rows(entries: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values as text; a nested table becomes one row per entry."""
    found: list[tuple[str, str]] = []
    for name, value in entries.items():
        words = glossary.words(name)
        if isinstance(value, dict) and value:
            found += [(f"{words}: {inner}", text) for inner, text in rows(mapping(value))]
        else:
            found.append((words, _value(value)))
    return found


def _value(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, list):
        shown = ", ".join(_value(item) for item in value[:MAX_ITEMS])
        return f"{shown} … ({len(value)} in all)" if len(value) > MAX_ITEMS else shown or "none"
    return str(value)
