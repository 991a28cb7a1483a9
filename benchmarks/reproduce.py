"""Published numbers beside what ganvas obtains: trains, measures, and writes docs/evidence.md.

    python benchmarks/reproduce.py iwae-mnist --data idx:path/to/mnist      runs it (or goes on with it), then writes the page
    python benchmarks/reproduce.py page                                     writes the page from the results that there are

Runs lie in runs/evidence/, results in benchmarks/results/NAME.json. A number on the page is never typed by hand.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ganvas
from ganvas import service
from ganvas.evaluation import Protocol

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Experiment:
    """One protocol. images: its full budget; published: score name to the published figure and where it stands."""

    name: str
    title: str
    recipe: str
    options: dict[str, Any]
    images: int
    protocols: tuple[Protocol, ...]
    published: dict[str, tuple[str, str]]
    seeds: tuple[int, ...] = (0,)
    notes: str = ""


@dataclass
class Result:
    """One seed's scores. images: what it was trained on."""

    seed: int
    images: int
    seconds: float
    scores: dict[str, float]
    errors: dict[str, float | None] = field(default_factory=dict)


LIKELIHOOD = (Protocol(("elbo",), num=10_000), Protocol(("nll",), num=1_000, importance_samples=5_000))
SHORT = "Burda et al.'s nets, 50 epochs of Adadelta; a public reproduction of the short protocol"
EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "iwae-mnist",
            "VAE, binarised MNIST, short protocol",
            "iwae-mnist",
            {},
            3_000_000,
            LIKELIHOOD,
            {"nll": ("92.67", SHORT)},
            notes="nats, on one fixed draw of black and white pixels: the bound on all 10,000 test images, "
            "−log p with 5,000 importance samples on 1,000 of them, chosen by the seed",
        ),
        Experiment(
            "iwae-mnist-5",
            "IWAE k = 5, binarised MNIST, short protocol",
            "iwae-mnist",
            {"k": 5},
            3_000_000,
            LIKELIHOOD,
            {"nll": ("85.54 with the full protocol of 3,280 epochs", "Burda et al. 2016, table 1")},
            notes="as above; the published figure is of a budget 66 times as long",
        ),
    )
}


def run(experiment: Experiment, data: str, images: int | None) -> None:
    """Every seed, from where an earlier attempt stopped; results are written as they come."""
    budget = images or experiment.images
    results: list[Result] = []
    for seed in experiment.seeds:
        out = ROOT / "runs" / "evidence" / f"{experiment.name}-{seed}"
        if (out / "recipe.json").exists():
            trained = ganvas.train(resume=out, images=budget)
        else:
            trained = ganvas.train(
                experiment.recipe, data=data, out=out, seed=seed, images=budget, **experiment.options
            )
        rows = [row for protocol in experiment.protocols for row in service.evaluate(trained, protocol=protocol)]
        scores = {row.score.name: row.score.value for row in rows}
        errors = {row.score.name: row.score.error for row in rows}
        results.append(Result(seed, trained.images_seen, seconds(out), scores, errors))
        RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"images": budget, "results": [asdict(r) for r in results]}, indent=2)
        (RESULTS / f"{experiment.name}.json").write_text(text + "\n")


def seconds(run_directory: Path) -> float:
    lines = [json.loads(line) for line in (run_directory / "metrics.jsonl").read_text().splitlines()]
    return max(line.get("seconds", 0.0) for line in lines)


def page() -> str:
    """docs/evidence.md, from the results that there are."""
    lines = [
        "# Evidence",
        "",
        "Published numbers beside those that ganvas obtained. Every row was written by its command from runs that were",
        "really made; a budget below the protocol's is said in its row. Several seeds are given as mean ± standard error;",
        "with one seed, ± is the standard error over test examples.",
        "",
        "| what | score | published | obtained | seeds | images seen / protocol's | training | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for experiment in EXPERIMENTS.values():
        file = RESULTS / f"{experiment.name}.json"
        if file.exists():
            results = [Result(**r) for r in json.loads(file.read_text())["results"]]
            lines += rows(experiment, results)
    lines += [
        "",
        *(f"- **{e.title}**: {e.notes}." for e in EXPERIMENTS.values() if (RESULTS / f"{e.name}.json").exists()),
        "",
    ]
    return "\n".join(lines)


def rows(experiment: Experiment, results: Sequence[Result]) -> list[str]:
    command = f"`python benchmarks/reproduce.py {experiment.name} --data SOURCE`"
    seen, minutes = results[0].images, statistics.mean(r.seconds for r in results) / 60
    made = []
    for name in results[0].scores:
        published = " — ".join(experiment.published[name]) if name in experiment.published else ""
        budget = f"{seen:,} / {experiment.images:,}"
        made.append(
            f"| {experiment.title} | {name} | {published} | {obtained(name, results)} | {len(results)} | {budget} "
            f"| {minutes:.0f} min | {command} |"
        )
    return made


def obtained(name: str, results: Sequence[Result]) -> str:
    values = [r.scores[name] for r in results]
    if len(values) > 1:
        return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) / len(values) ** 0.5:.2f}"
    error = results[0].errors.get(name)
    return f"{values[0]:.2f}" + (f" ± {error:.2f}" if error else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=[*EXPERIMENTS, "all", "page"])
    parser.add_argument("--data", default="idx:../shared/data/mnist", help="the data source, MNIST's four files")
    parser.add_argument("--images", type=int, help="a shorter budget than the protocol's; the page says so")
    given = parser.parse_args()
    for name in EXPERIMENTS if given.name == "all" else [n for n in EXPERIMENTS if n == given.name]:
        run(EXPERIMENTS[name], given.data, given.images)
    (ROOT / "docs" / "evidence.md").write_text(page())


if __name__ == "__main__":
    main()
