"""Compares published numbers with those of ganvas: trains, measures, and writes docs/evidence.md.

    python benchmarks/reproduce.py ring-gan         runs or continues it, then writes the page
    python benchmarks/reproduce.py all              the same for every protocol without a result, the cheapest first
    python benchmarks/reproduce.py page             writes the page from the results

The protocols are in protocols.py. Runs are in runs/evidence/. Results are in benchmarks/results/evidence/NAME.jsonl, one line
a seed, written when a run ends. No number on the page is typed by hand.
"""

import argparse
import json
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from protocols import EXPERIMENTS, MNIST, Experiment, Training

import ganvas
from ganvas import service
from ganvas.metrics.card import Better
from ganvas.metrics.catalog import Row
from ganvas.metrics.evaluation import Evaluation, Protocol
from ganvas.runs.scores import with_error
from ganvas.studies import measuring
from ganvas.use.opening import as_trained
from ganvas.use.run import Run

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
EVIDENCE = RESULTS / "evidence"
RUNS = ROOT / "runs" / "evidence"


PREFACE = """\
# Evidence

This page compares published numbers with numbers that ganvas obtained. `python benchmarks/reproduce.py NAME` runs a row
again and writes it; NAME is in the last column.

- *Obtained*: mean ± standard error over seeds. With one seed, ± is the standard error over test examples.
- *Real data*: the score of training examples in place of samples. *Untrained*: the same networks before their first step.
- ↓ and ↑ say which direction is better.
- *Budget*: a row with a smaller budget than the protocol's says so. Do not compare its number with the published one.
- ✗ marks a number that is worse than the published one by more than two standard errors of both.

| what | score | published | obtained | real data | untrained | seeds | budget / protocol's | time a seed | NAME |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Measured:
    """A score. floor: of real data; untrained: of the networks before training; None where there is none."""

    name: str
    value: float
    error: float | None = None
    better: Better | None = None
    floor: float | None = None
    untrained: float | None = None
    card: dict[str, Any] | None = None


@dataclass(frozen=True)
class Result:
    """One seed's scores.

    images: the budget, which a run's last batch may exceed; 0 for a computation. seconds: of training, or of the computation.
    """

    seed: int
    images: int
    seconds: float
    scores: tuple[Measured, ...]


def run(experiment: Experiment, mnist: str = MNIST, images: int | None = None) -> None:
    """Runs every seed without a result of this budget and writes each result at once. Interrupted runs continue."""
    how = experiment.how
    budget = (images or how.budget) if isinstance(how, Training) else 0
    done = {result.seed for result in results(experiment) if result.images == budget}
    for seed in experiment.seeds:
        if seed in done:
            continue
        if isinstance(how, Training):
            keep(experiment, trained(experiment.name, how, seed, mnist, budget))
        else:
            start = time.monotonic()
            scores = tuple(Measured(name, value) for name, value in how(seed).items())
            keep(experiment, Result(seed, 0, time.monotonic() - start, scores))


def trained(name: str, how: Training, seed: int, mnist: str, budget: int) -> Result:
    out, data = RUNS / f"{name}-{seed}", how.data.format(mnist=mnist)
    if (out / "recipe.json").exists():
        run = ganvas.train(resume=out, images=budget)
    else:
        every = max(10_000, budget // 50)
        run = ganvas.train(
            how.recipe, data=data, out=out, seed=seed, images=budget, checkpoint_every=every, **how.options
        )
    rows = [row for protocol in how.protocols for row in service.evaluate(run, protocol=protocol)]
    rows += [row for protocol in how.dear for row in without_untrained(run, protocol)]
    return Result(seed, budget, run.directory.log.seconds(), tuple(map(measured, rows)))


def without_untrained(run: Run, protocol: Protocol) -> list[Row]:
    """The rows of `service.evaluate`, without the scores of the untrained networks."""
    source = run.settings.source
    here = Evaluation.of(run.model, run.recipe, as_trained(run, source), protocol)
    rows = [row for name in here.names() for row in here.rows(name)]
    measuring.keep(run, rows, source, protocol)
    return rows


def measured(row: Row) -> Measured:
    score = row.score
    floor, untrained = (None if other is None else other.value for other in (row.floor, row.untrained))
    return Measured(score.name, score.value, score.error, score.better, floor, untrained, score.to_dict()["card"])


def file_of(experiment: Experiment) -> Path:
    return EVIDENCE / f"{experiment.name}.jsonl"


def keep(experiment: Experiment, result: Result) -> None:
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    with file_of(experiment).open("a") as stream:
        stream.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
    print(experiment.name, result.seed, {score.name: score.value for score in result.scores}, flush=True)


def results(experiment: Experiment) -> list[Result]:
    """All results, of any budget; the newest for each seed and budget."""
    if not file_of(experiment).exists():
        return []
    found: dict[tuple[int, int], Result] = {}
    for line in file_of(experiment).read_text().splitlines():
        kept = json.loads(line)
        scores = tuple(Measured(**score) for score in kept["scores"])
        result = Result(kept["seed"], kept["images"], kept["seconds"], scores)
        found[result.seed, result.images] = result
    return list(found.values())


def shown(experiment: Experiment) -> list[Result]:
    """The results of one budget: the one that most seeds have, and of several the longest."""
    found = results(experiment)
    seeds = Counter(result.images for result in found)
    longest = max(seeds, key=lambda images: (seeds[images], images), default=0)
    return [result for result in found if result.images == longest]


def page() -> str:
    """docs/evidence.md, from the results that there are."""
    made = {e.name: shown(e) for e in EXPERIMENTS.values()}
    missing = [f"`{name}`" for name, found in made.items() if not found]
    notes = [f"- **{e.title}** ({e.source}): {e.notes}." for e in EXPERIMENTS.values() if made[e.name]]
    table = [line for name, found in made.items() if found for line in rows(EXPERIMENTS[name], found)]
    lines = [PREFACE, *table, "", "## Sources, protocols, and why numbers differ", "", *notes, ""]
    if missing:
        lines += [f"No result yet: {', '.join(missing)}. `python benchmarks/reproduce.py all` runs them.", ""]
    return "\n".join(lines)


def rows(experiment: Experiment, found: Sequence[Result]) -> list[str]:
    """A line for each score, those with a published number first."""
    names = [score.name for score in found[0].scores]
    names.sort(key=lambda name: name not in experiment.published)
    made: list[str] = []
    for name in names:
        scores = [score for result in found for score in result.scores if score.name == name]
        published = experiment.published.get(name, "")
        value = obtained(scores) + (" ✗" if falls_short(scores, published) else "")
        floor, untrained = (mean_of([getattr(s, which) for s in scores]) for which in ("floor", "untrained"))
        arrow = {"lower": " ↓", "higher": " ↑", None: ""}[scores[0].better]
        cells = [
            experiment.title,
            name + arrow,
            published,
            value,
            floor,
            untrained,
            str(len(found)),
            *effort(experiment, found),
        ]
        made.append(f"| {' | '.join(cells)} |")
    return made


def effort(experiment: Experiment, found: Sequence[Result]) -> list[str]:
    """Budget and protocol's, time, command."""
    how, images = experiment.how, found[0].images
    seconds = statistics.mean(result.seconds for result in found)
    took = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    if not isinstance(how, Training):
        return ["whole", took, f"`{experiment.name}`"]
    budget = f"{images:,} / {how.images:,} images"
    if images < how.images:
        budget += f": **1/{how.images / images:.3g} of the protocol**"
    asked = "" if images == how.budget else f" --images {images}"
    return [budget, took, f"`{experiment.name}{asked}`"]


def obtained(scores: Sequence[Measured]) -> str:
    """Mean ± standard error over seeds. With one seed, the score with its own error."""
    value, error = mean_and_error(scores)
    return f"{digits(value, None)} ± 0" if len(scores) > 1 and error == 0 else digits(value, error)


def mean_and_error(scores: Sequence[Measured]) -> tuple[float, float | None]:
    values = [score.value for score in scores]
    if len(values) == 1:
        return values[0], scores[0].error
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5


def falls_short(scores: Sequence[Measured], published: str) -> bool:
    """Whether the mean is worse than a published number by more than two standard errors of both."""
    number = re.match(r"([\d.]+)(?: ± ([\d.]+))?", published)
    better = scores[0].better
    if number is None or better is None:
        return False
    value, error = mean_and_error(scores)
    theirs, spread = float(number[1]), float(number[2] or 0)
    behind = value - theirs if better == "lower" else theirs - value
    return behind > 2 * ((error or 0) ** 2 + spread**2) ** 0.5


def mean_of(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return digits(statistics.mean(known), None) if known else ""


def digits(value: float, error: float | None) -> str:
    return with_error(value, error) if error or abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=[*EXPERIMENTS, "all", "page"])
    parser.add_argument("--mnist", default=MNIST, help="the folder of MNIST's four files")
    parser.add_argument("--images", type=int, help="another budget for each seed; the page shows it")
    given = parser.parse_args()
    for name in EXPERIMENTS if given.name == "all" else [n for n in EXPERIMENTS if n == given.name]:
        run(EXPERIMENTS[name], given.mnist, given.images)
        (ROOT / "docs" / "evidence.md").write_text(page())
    (ROOT / "docs" / "evidence.md").write_text(page())


if __name__ == "__main__":
    main()
