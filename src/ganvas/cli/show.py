"""What verbs print, for people and as JSON."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganvas.contract import Facts
from ganvas.evaluation import rounded, to_json
from ganvas.listing import RunFacts
from ganvas.metrics.catalog import Row
from ganvas.service import RecipeFacts


def show_recipes(facts: Sequence[RecipeFacts], as_json: bool) -> None:
    """One line a recipe with its paper."""
    if as_json:
        print(json.dumps([dataclasses.asdict(f) for f in facts], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("recipe", "what it is", "encodes", "paper"):
        table.add_column(heading, overflow="fold")
    for f in facts:
        table.add_row(f.name, f.summary.partition(": ")[2] or f.summary, "yes" if f.encodes else "", short(f.paper))
    Console().print(table)
    print("\nA recipe's own options: ganvas train RECIPE --help")


def short(paper: str) -> str:
    """Authors and year."""
    return paper.partition(",")[0]


def show_data(facts: Mapping[str, Any], as_json: bool) -> None:
    """A source's facts, one a line."""
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if value not in (None, [], {}, ""):
            print(f"{name.replace('_', ' '):<14} {in_words(value)}")


def in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {in_words(item)}" for key, item in value.items())
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "".join(f"\n  {in_words(item)}" for item in value)
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show_check(facts: Facts, as_json: bool) -> None:
    """Players with their terms, and what is wrong."""
    if as_json:
        print(json.dumps(dataclasses.asdict(facts), indent=2))
        return
    for player in facts.players:
        when = "" if player.every == 1 else f", plays every {player.every} steps"
        when += f", joins at step {player.after}" if player.after else ""
        print(f"{player.name}: moves {player.parameters:,} parameters{when}")
        for name, value in {**player.terms, **player.penalties}.items():
            print(f"    {name} = {value:.4g}")
    for title, names in (("no term reaches", facts.unreached), ("nobody moves", facts.unmoved)):
        if names:
            print(f"{title}: {', '.join(names)}")
    if not facts.unreached and not facts.unmoved:
        print("Every parameter is moved by a player and reached by one of its terms.")


def show_scores(rows: Sequence[Row], as_json: bool) -> None:
    """One line a score: its value, the floor of real data, the untrained networks, and which way is better."""
    if as_json:
        print(json.dumps([to_json(row) for row in rows], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("score", "better", "this run", "real data", "untrained", "features", "samples"):
        table.add_column(
            heading, justify="left" if heading in ("score", "better", "features") else "right", no_wrap=True
        )
    for row in rows:
        card = row.score.card
        values = (rounded(row.score), rounded(row.floor), rounded(row.untrained))
        table.add_row(row.score.name, row.score.better, *values, card.features or "", f"{card.num_samples:,}")
    Console().print(table)
    for note in dict.fromkeys(note for row in rows for note in row.score.card.notes):
        print(f"note: {note}")


def show_runs(facts: Sequence[RunFacts], as_json: bool) -> None:
    """One line a run."""
    if as_json:
        print(json.dumps([dataclasses.asdict(f) for f in facts], indent=2))
        return
    if not facts:
        print("There are no runs. Train one with: ganvas train vae --data glyphs")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("run", "recipe", "data", "state", "images", "best, or newest scores"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "images" else "left")
    for f in facts:
        progress = f"{f.images:,}" + (f" of {f.wanted:,}" if f.images < f.wanted else "")
        best = f"{f.best['score']} {f.best['value']:.4g} at {f.best['images']:,}" if f.best else ""
        newest = ", ".join(f"{name} {value:.4g}" for name, value in list(f.scores.items())[:4])
        cells = (f.path, f.recipe, f.data, f.state, progress if f.recipe else "", f.problem or best or newest)
        table.add_row(*map(escape, cells))
    Console().print(table)


def show_metrics(facts: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """One line a metric."""
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("metric", "what it is", "better", "needs", "paper"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "metric")
    for f in facts:
        table.add_row(f["name"], f["summary"], f["better"], ", ".join(f["needs"]), short(f["paper"]))
    Console().print(table)
