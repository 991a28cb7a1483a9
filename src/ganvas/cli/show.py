"""The output of verbs, as text and as JSON."""

import dataclasses
import json
import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ganvas.errors import printable
from ganvas.jobs.suggestion import Suggestion
from ganvas.metrics.catalog import Row
from ganvas.runs.listing import RunFacts
from ganvas.runs.scores import rounded, to_json, with_error
from ganvas.service.looking import Checkup, RecipeFacts
from ganvas.training.contract import Facts


def show_recipes(facts: Sequence[RecipeFacts], as_json: bool) -> None:
    """One line a recipe with its paper."""
    if as_json:
        print(json.dumps([dataclasses.asdict(f) for f in facts], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("recipe", "what it is", "encodes", "paper"):
        table.add_column(heading, overflow="fold")
    for f in facts:
        table.add_row(
            f.name, f.summary.partition(": ")[2] or f.summary, "yes" if "encodes" in f.abilities else "", short(f.paper)
        )
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
            print(f"{printable(name.replace('_', ' ')):<14} {in_words(value)}")


def in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(key))} {in_words(item)}" for key, item in value.items())
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "".join(f"\n  {in_words(item)}" for item in value)
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def show_suggestion(found: Suggestion, as_json: bool) -> None:
    """The command, what it takes, and why."""
    if as_json:
        print(json.dumps(dataclasses.asdict(found) | {"command": found.command}, indent=2))
        return
    print(f"{printable(found.command)}\n")
    measured = ", ".join(f"{name} {value:,.0f} a second" for name, value in found.speeds.items())
    print(f"About {found.minutes:g} minutes on this machine, measured at: {measured}.")
    for reason in found.reasons:
        print(f"- {printable(reason)}")


def show_check(facts: Facts, as_json: bool) -> None:
    """Players with their terms, and errors."""
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
    """One line a score: its value, real data's, the untrained networks', and which direction is better."""
    if as_json:
        print(json.dumps([to_json(row) for row in rows], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("score", "better", "this run", "real data", "untrained", "features", "samples"):
        justify = "left" if heading in ("score", "better", "features") else "right"
        table.add_column(heading, justify=justify, no_wrap=heading == "score", overflow="fold")  # no digit is cut off
    for row in rows:
        card = row.score.card
        around = ["" if score is None else with_error(score.value, None) for score in (row.floor, row.untrained)]
        around[1] += " *" if row.untrained_reach_it else ""
        values = (rounded(row.score), *around)  # three errors would not fit into a terminal of 80 columns
        table.add_row(row.score.name, row.score.better, *values, card.features or "", f"{card.num_samples:,}")
    Console().print(table)
    if any(row.untrained_reach_it for row in rows):
        print("* The untrained networks reach this score, too: it says nothing about what the run has learned.")
    for note in dict.fromkeys(note for row in rows for note in row.score.card.notes):
        print(f"note: {printable(note)}")


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
        table.add_row(*(escape(printable(cell)) for cell in cells))
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


def show_diagnosis(checkup: Checkup, as_json: bool) -> None:
    """Findings with curves as evidence, then problems that are absent, and problems that could not be checked."""
    found = checkup.diagnosis
    if as_json:
        print(json.dumps(dataclasses.asdict(checkup), indent=2))
        return
    console = Console(soft_wrap=False, highlight=False)
    state = "in training" if checkup.running else "not in training"
    looks = f"{found.examinations:,} examination{'s' * (found.examinations != 1)}"
    console.print(plain(f"{checkup.recipe} on {checkup.data}, {state}: {found.images:,} images, {looks}"))
    for finding in found.findings:
        console.print(Text(f"\n{finding.illness} since {finding.since:,} images", "bold red"))
        console.print(
            Padding(Text("\n").join([plain(finding.evidence), plain(finding.advice)]), (0, 0, 0, 2), expand=False)
        )
        show_curves({name: found.curves[name] for name in finding.curves if name in found.curves}, console)
    for healed in found.healed:
        told = f"\n{healed.finding.illness} from {healed.finding.since:,} to {healed.images:,} images, gone since"
        console.print(Text(told, "bold yellow"))
        console.print(Padding(plain(healed.finding.evidence), (0, 0, 0, 2), expand=False))
    console.print(Text(f"\nQuality of samples: {checkup.quality.short}", "bold"))
    console.print(Padding(plain(checkup.quality.words), (0, 0, 0, 2), expand=False))
    if found.well:
        console.print(Text("\nTraining: checked, and no sign of", "bold"))
        show_pairs(found.well, console)
        console.print(Text(f"  {NO_VERDICT}"))
    if found.unjudged:
        console.print(Text("\nNot judged", "bold"))
        show_pairs(found.unjudged, console)
    console.print(Text(f"\nThe curves, drawn: ganvas report {shlex.quote(checkup.path)}"))


def show_curves(curves: Mapping[str, Sequence[tuple[int, float]]], console: Console) -> None:
    """Each curve as a line of blocks, with its first, smallest, largest and last value."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, show_header=False)
    for name, points in curves.items():
        values = [value for _, value in points]
        numbers = f"{values[0]:.3g} → {values[-1]:.3g}, from {min(values):.3g} to {max(values):.3g}"
        table.add_row(plain(f"  {name}"), Text(sparkline(points), "cyan"), Text(numbers))
    console.print(table)


def show_pairs(pairs: Mapping[str, str], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, show_header=False)
    for name, words in pairs.items():
        table.add_row(plain(f"  {name}"), plain(words))
    console.print(table)


def plain(words: str) -> Text:
    """Text that may quote a run's files, as one line without control characters."""
    return Text(printable(words))


NO_VERDICT = "These checks look for failures of training. They do not judge how good the pictures are."

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(points: Sequence[tuple[int, float]], width: int = 32) -> str:
    """A curve over images seen in at most `width` blocks, each the mean of its part. The lowest block is 0 or the minimum.

    The scale is logarithmic if all values are positive and span more than a factor of 100.
    """
    values = [value for _, value in points]
    powers = min(values) > 0 and max(values) > 100 * min(values)
    values = list(map(math.log, values)) if powers else values
    last = max(1, points[-1][0])
    groups: dict[int, list[float]] = {}
    for (images, _), value in zip(points, values, strict=True):
        groups.setdefault(min(width - 1, images * width // last), []).append(value)
    means = [statistics.fmean(groups[place]) for place in sorted(groups)]
    low, high = min(means) if powers else min(0.0, *means), max(means)
    if low == high:
        return BLOCKS[0] * len(means)
    return "".join(BLOCKS[round((mean - low) / (high - low) * (len(BLOCKS) - 1))] for mean in means)
