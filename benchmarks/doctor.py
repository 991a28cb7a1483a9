"""Trains runs with a known problem, and healthy runs: how often is each detector of `ganvas doctor` right?

    python benchmarks/doctor.py              trains missing runs; writes results/doctor.json and docs/health.md
    python benchmarks/doctor.py --report     trains nothing, diagnoses the kept histories again
    python benchmarks/doctor.py --seeds 0 --only memorisation        a small part

Thresholds were chosen on the seeds of `FIT` only; the page reports those of `FRESH`. Each run's history is written to --work
after training, so an interrupted command continues.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.data import Data, batches, open_data
from ganvas.health import DETECTORS, Watch, course, detectors
from ganvas.jobs import signals
from ganvas.jobs.signals import Examination
from ganvas.nn.quantize import EMAQuantizer
from ganvas.recipes import RECIPES
from ganvas.runs import log
from ganvas.runs.settings import GROWING
from ganvas.training.callbacks import Every, Examine, Log, Tally
from ganvas.training.recipe import Recipe
from ganvas.training.trainer import Trainer
from ganvas.training.verdicts import NotFinite
from ganvas.use.opening import seeded_build

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "doctor.json"
TEMPLATE, PAGE = ROOT / "benchmarks" / "doctor.template.md", ROOT / "docs" / "health.md"
FIT, FRESH = (0, 1, 2), (103, 104)

IMAGES = {"ring8": 150_000, "digits": 40_000, "glyphs": 30_000}
"""Budgets at which the healthy recipes below roughly learn the data, in 5 to 15 seconds of one core."""

Change = Callable[[Recipe], None]


def same(recipe: Recipe) -> None:
    """Changes nothing."""


@dataclass(frozen=True)
class Case:
    """One kind of run. illness: its provoked problem; "" for a healthy run. few: number of training examples."""

    illness: str
    source: str
    recipe: str
    options: dict[str, Any] = field(default_factory=dict)
    change: Change = same
    few: int | None = None

    @property
    def images(self) -> int:
        """The budget; smaller for tiny data, whose small batches give many steps."""
        return IMAGES[self.source] // (32 // self.few if self.few else 1)

    @property
    def name(self) -> str:
        return f"{self.illness or 'healthy'} {self.recipe} {self.source}".replace(" ", "-")


class OneMode(nn.Module):
    """A generator that uses one code for a whole batch, and so generates one example at a time."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z[:1].expand_as(z), y)


def one_mode(recipe: Recipe) -> None:
    recipe.model.generator = OneMode(recipe.model.generator)  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def dead_codes(recipe: Recipe) -> None:
    """A codebook with all entries except two far from all vectors, and without revival."""
    quantizer = recipe.model.quantizer
    assert isinstance(quantizer, EMAQuantizer)
    quantizer.revive_below = 0.0
    quantizer.codebook.add_(1e3)
    quantizer.codebook[:2] -= 1e3
    quantizer.usage.fill_(1.0)
    quantizer.sums.copy_(quantizer.codebook)
    quantizer.initialised.fill_(True)


SIZE: dict[str, dict[str, Any]] = {"ring8": {}, "digits": {"width": 8}, "glyphs": {"width": 8}}
"""Sizes of the networks: defaults on points, small ones on images."""

SMOOTH: dict[str, dict[str, Any]] = {
    "ring8": {"r1": 1.0},
    "digits": {},
    "glyphs": {"r1": 1.0, "learning_rate": 2e-3, "critic_learning_rate": 2e-3},
}
"""Options with which a GAN learns the data within its budget; the recipe's defaults need more, or circle."""

UNHELD: dict[str, Any] = {"r1": 0.0, "critic_steps": 5, "critic_learning_rate": 5e-3}
"""A critic without any penalty."""

RACING: dict[str, Any] = {"r1": 0.0, "ema": 0, "beta1": 0.9, "critic_learning_rate": 5e-4}
"""A critic without a penalty, and a fast generator whose momentum makes it overshoot."""


def ill(s: str) -> list[Case]:
    size, code = SIZE[s], {**SIZE[s], "latent": 2 if s == "ring8" else 8}
    found = [
        Case("critic overpowering", s, "gan", {**size, **UNHELD, "learning_rate": 1e-5}),
        Case("vanishing generator gradient", s, "gan", {**size, **UNHELD, "loss": "minimax", "learning_rate": 2e-5}),
        Case("oscillation", s, "gan", {**size, **RACING, "learning_rate": 5e-3 if s == "glyphs" else 1e-2}),
        Case("mode collapse", s, "gan", {**size, **SMOOTH[s]}, one_mode),
        Case("posterior collapse", s, "vae", {**code, "beta": 100.0}),
        Case("memorisation", s, "vae", code, few=8 if s == "ring8" else 16),
        Case("divergence", s, "vae", {**code, "learning_rate": 0.5}),
        Case("divergence", s, "gan", {**size, **UNHELD, "loss": "wasserstein", "learning_rate": 1e-4}),
    ]
    if s != "ring8":  # a grid of codes needs images
        found.append(Case("codebook collapse", s, "vq-vae", {**size, "codes": 64, "code_size": 8}, dead_codes))
    return found


def healthy(s: str) -> list[Case]:
    size, code = SIZE[s], {**SIZE[s], "latent": 2 if s == "ring8" else 8}
    found = [
        Case("", s, "gan", {**size, **SMOOTH[s]}),
        Case("", s, "wgan-gp", {**size, "learning_rate": 1e-3, "critic_steps": 2}),
        Case("", s, "r3gan", size),
        Case("", s, "vae", code),
        Case("", s, "aae", code),
    ]
    if s != "ring8":  # a grid of codes needs images, and the VAE-GAN learns the ring slowly
        found += [
            Case("", s, "vq-vae", {**size, "codes": 64, "code_size": 8}),
            Case("", s, "vaegan", {**code, "learning_rate": 2e-3 if s == "glyphs" else 6e-4}),
        ]
    return found


def cases() -> list[Case]:
    return [case for source in IMAGES for case in (*ill(source), *healthy(source))]


def history(case: Case, seed: int) -> dict[str, Any]:
    """Trains a case, and returns the lines that its metrics.jsonl would hold."""
    data = open_data(case.source)
    if case.few:
        rows = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[: case.few]
        data = Data(data.source, data.train.select(rows), data.held_out, data.info)
    recipe = seeded_build(RECIPES[case.recipe], data.info, case.options, seed)
    case.change(recipe)
    trainer = Trainer(
        recipe.model,
        recipe.optimizers,
        learning_rate=recipe.learning_rate,
        ema_half_life=recipe.ema_half_life,
        transform=recipe.transform,
        seed=seed,
    )
    lines: list[Any] = []

    def record(kind: str, /, **fields: Any) -> None:
        lines.append(log.line(kind, **fields).record())

    examination = Examination(data, seed, "cpu", recipe.num_classes, recipe.transform)
    callbacks = [
        Log(GROWING["log_every"], record, lambda: 0.0),
        Tally(Every(10_000), record),
        Examine(GROWING["health_every"], record, examination),
    ]
    start = time.process_time()
    try:
        trainer.fit(
            batches(data.train, min(recipe.batch_size, len(data.train)), seed),
            case.images,
            callbacks,
        )
        stopped = ""
    except NotFinite as error:
        stopped = error.message
    return {"lines": lines, "seconds": time.process_time() - start, "stopped": stopped}


def train(work: Path, seeds: list[int], only: str) -> None:
    """Trains what is not in `work` yet."""
    for seed in seeds:
        for case in cases():
            file = work / f"{case.name}-{seed}.json"
            if only not in case.name.replace("-", " ") or file.exists():
                continue
            found = history(case, seed)
            part = file.with_suffix(".part")
            part.write_text(json.dumps(found))
            part.rename(file)
            print(f"{file.stem}: {found['seconds']:.0f} CPU seconds {found['stopped']}", flush=True)


@dataclass(frozen=True)
class Told:
    """The findings about a run during training. found: from problem to the share of the run at which it was found."""

    case: Case
    seed: int
    found: dict[str, float]


def told(work: Path, seeds: Sequence[int]) -> list[Told]:
    """The kept histories of these seeds, read line by line as a run that trains reads them."""
    runs: list[Told] = []
    for case in cases():
        for seed in seeds:
            file = work / f"{case.name}-{seed}.json"
            if not file.exists():
                raise SystemExit(f"{file} is missing: leave --report away, and it is trained.")
            watch, found = Watch({}), dict[str, float]()
            lines = json.loads(file.read_text())["lines"]
            for line in lines:
                for change in watch.feed(line):
                    if change.kind == "found":
                        found.setdefault(change.finding.illness, line["images"] / lines[-1]["images"])
            runs.append(Told(case, seed, found))
    return runs


def rates(runs: Sequence[Told]) -> dict[str, Any]:
    """For each problem: its runs and those found; healthy runs and false alarms; other problems in its runs."""
    healthy_runs = [run for run in runs if not run.case.illness]
    found: dict[str, Any] = {}
    for illness in DETECTORS:
        ill_runs = [run for run in runs if run.case.illness == illness]
        places = sorted(run.found[illness] for run in ill_runs if illness in run.found)
        others = {other: sum(other in run.found for run in ill_runs) for other in DETECTORS if other != illness}
        found[illness] = {
            "ill": len(ill_runs),
            "found": len(places),
            "healthy": len(healthy_runs),
            "false_alarms": sum(illness in run.found for run in healthy_runs),
            "found_at": statistics.median(places) if places else None,
            "also_seen": {other: count for other, count in others.items() if count},
            "missed": [f"{run.case.name}-{run.seed}" for run in ill_runs if illness not in run.found],
            "false_alarms_in": [f"{run.case.name}-{run.seed}" for run in healthy_runs if illness in run.found],
        }
    return found


def report(work: Path, fresh: Sequence[int]) -> None:
    """Writes results/doctor.json and docs/health.md from the kept histories."""
    results: dict[str, Any] = {"images": IMAGES}
    for name, seeds in (("fit", FIT), ("fresh", fresh)):
        runs = told(work, seeds)
        healthy_runs = [run for run in runs if not run.case.illness]
        alarmed = sum(bool(run.found) for run in healthy_runs)
        results[name] = {
            "seeds": list(seeds),
            "runs": len(runs),
            "healthy": len(healthy_runs),
            "healthy_with_a_false_alarm": alarmed,
            "detectors": rates(runs),
        }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    constants = {
        **vars(course),
        **vars(detectors),
        **{name: vars(signals)[name] for name in ("NUM", "NUM_CODED", "SEARCHED")},
    }
    thresholds = {name: value for name, value in constants.items() if isinstance(value, int | float) and name.isupper()}
    how = GROWING["health_every"]
    periods = {"first": how.first, "sparser": 8 * how.first, "last": how.first << how.doublings}
    words = {"table": table(results["fresh"]), "fresh": summary(results["fresh"]), "fit": summary(results["fit"])}
    PAGE.write_text(TEMPLATE.read_text().format(**thresholds, **periods, **words))


def table(results: dict[str, Any]) -> str:
    """A row for each detector."""
    headings = (
        "detector",
        "found in faulty runs",
        "false alarms in healthy runs",
        "found after",
        "other problems in these runs",
    )
    rows = [headings, ("---",) * len(headings)]
    for illness, r in results["detectors"].items():
        also = ", ".join(f"{other} ({count})" for other, count in r["also_seen"].items())
        at = "" if r["found_at"] is None else f"{r['found_at']:.0%} of the run"
        rows.append((illness, share(r["found"], r["ill"]), share(r["false_alarms"], r["healthy"]), at, also))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def share(count: int, of: int) -> str:
    return f"{count} of {of} ({count / of:.0%})"


def summary(results: dict[str, Any]) -> str:
    """A summary of the runs of some seeds, with all wrong results."""
    found = results["detectors"]
    missed = [name for r in found.values() for name in r["missed"]]
    alarms = [f"{name} ({illness})" for illness, r in found.items() for name in r["false_alarms_in"]]
    ill = share(sum(r["found"] for r in found.values()), sum(r["ill"] for r in found.values()))
    healthy = share(results["healthy_with_a_false_alarm"], results["healthy"])
    return (
        f"The provoked problem was found in {ill} of the faulty runs. {healthy} of the healthy runs had a false alarm of any"
        f" kind at any time. Missed: {', '.join(missed) or 'none'}. False alarms: {', '.join(alarms) or 'none'}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/doctor"), help="folder of histories")
    parser.add_argument("--seeds", default=",".join(map(str, (*FIT, *FRESH))))
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--report", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if not arguments.report:
        train(arguments.work, seeds, arguments.only)
    if not arguments.only:
        report(arguments.work, [seed for seed in seeds if seed not in FIT])


if __name__ == "__main__":
    main()
