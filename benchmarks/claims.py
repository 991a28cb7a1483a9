"""Tests claims of papers on MNIST: conditional samples, few labels, codebooks.

    python benchmarks/claims.py run [--data idx:path/to/mnist]     trains runs without a result, then writes the page
    python benchmarks/claims.py page                               docs/claims.md from the results that there are

Runs are in runs/claims. Results are in benchmarks/results/claims.jsonl, one line a run, written when the run ends. A result
is valid while its recipe's arguments and its budget stay the same. No number on the page is typed by hand.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from reproduce import RESULTS, ROOT
from zoo import head, line, spread

import ganvas
from ganvas import service
from ganvas.core.model import Classifies
from ganvas.data import Data, batches, open_data
from ganvas.data.domains.drawing import to_uint8
from ganvas.data.labels import keep_labels
from ganvas.metrics.codes import named
from ganvas.metrics.evaluation import Protocol
from ganvas.metrics.features.lenet import train_lenet
from ganvas.recipes import RECIPES
from ganvas.training.recipe import resolved
from ganvas.training.trainer import Trainer
from ganvas.use.opening import seeded_build
from ganvas.use.run import Run

FILE = RESULTS / "claims.jsonl"
PICTURE = ROOT / "docs" / "images" / "claims-codebooks.png"
SEEDS = (0, 1, 2)

CONDITIONAL = ("cvae", "cgan", "acgan")
NAMED = 0.9
"""The bar: how often a classifier should see the requested class."""
VARIETY = ("fid", "precision", "recall", "coverage")
"""Scores that detect a model with only one sample per class, which the classifier would accept."""

FEW = (100, 1_000)
SUPERVISED = ("the same encoder", "lenet")
"""Classifiers trained on the labelled examples only."""

CODEBOOKS = ("vq-vae", "vqgan")
USED = 0.8
"""The bar: the share of a codebook that should be used."""

IMAGES = {"conditional": 60_000, "few": 300_000, "codebooks": 60_000}


@dataclass
class Result:
    """One run of a claim. what: the recipe or its baseline. labels: how many it had, None for all."""

    claim: str
    what: str
    labels: int | None
    seed: int
    images: int
    arguments: dict[str, Any]
    cpu_seconds: float
    scores: dict[str, float]

    @property
    def key(self) -> tuple[str, str, int | None, int]:
        return self.claim, self.what, self.labels, self.seed

    @property
    def current(self) -> bool:
        """Whether the recipe's arguments and the budget are unchanged since this result."""
        recipe = self.what if self.what in RECIPES else "aae-semi"
        today = json.loads(json.dumps(resolved(RECIPES[recipe], {})))
        return self.images == IMAGES[self.claim] and self.arguments == today


def results() -> list[Result]:
    """The valid results; the last one for each kind and seed."""
    lines = [Result(**json.loads(text)) for text in FILE.read_text().splitlines()] if FILE.exists() else []
    return list({r.key: r for r in lines if r.current}.values())


def keep(result: Result) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
    print(*result.key, {name: round(value, 4) for name, value in result.scores.items()}, flush=True)


def run(location: str, seeds: Sequence[int]) -> None:
    """Trains and measures runs without a result, seed by seed."""
    for seed in seeds:
        for recipe in CONDITIONAL:
            measure(location, "conditional", recipe, None, seed, ("class-accuracy", "fid", "prdc"))
        for recipe in CODEBOOKS:
            measure(location, "codebooks", recipe, None, seed, ("mse", "lpd", "sharpness"))
        for labels in FEW:
            measure(location, "few", "aae-semi", labels, seed, ("label-accuracy",))
            for classifier in SUPERVISED:
                alone(location, classifier, labels, seed)


def measure(location: str, claim: str, recipe: str, labels: int | None, seed: int, metrics: tuple[str, ...]) -> None:
    """Trains a recipe with its defaults, or continues its run. Metrics use 10,000 samples or examples."""
    if (claim, recipe, labels, seed) in {r.key for r in results()}:
        return
    start = time.process_time()
    trained = ganvas.train(
        recipe,
        data=location,
        out=directory(recipe, labels, seed),
        images=IMAGES[claim],
        labels=labels,
        seed=seed,
        resume_if_there=True,
        checkpoint_every=50_000,
    )
    seconds = round(time.process_time() - start, 1)
    rows = service.evaluate(trained, protocol=Protocol(metrics, num=10_000))
    scores = {row.score.name: row.score.value for row in rows}
    if claim == "codebooks":
        scores |= {f"codebook_{what}": last(trained, f"codebook_{what}") for what in ("use", "perplexity")}
    arguments = trained.settings.arguments
    keep(Result(claim, recipe, labels, seed, IMAGES[claim], arguments, seconds, scores))


def directory(recipe: str, labels: int | None, seed: int) -> Path:
    return ROOT / "runs" / "claims" / f"{recipe}{'' if labels is None else f'-{labels}'}-{seed}"


def last(trained: Run, key: str) -> float:
    """A value from the last whole epoch in the run's log."""
    lines = [json.loads(text) for text in (trained.path / "metrics.jsonl").read_text().splitlines()]
    return [entry["metrics"][key] for entry in lines if key in entry.get("metrics", {}) and not entry["partial"]][-1]


@cache
def opened(location: str) -> Data:
    return open_data(location)


def alone(location: str, classifier: str, labels: int, seed: int) -> None:
    """Held-out accuracy of a classifier trained only on the run's labelled examples."""
    if ("few", classifier, labels, seed) in {r.key for r in results()}:
        return
    data = opened(location)
    held = data.held_out
    kept = keep_labels(data.train, data.info, labels, seed)
    assert kept.y is not None
    few = kept.select((kept.y >= 0).nonzero().squeeze(1))
    assert few.y is not None and held.y is not None
    start = time.process_time()
    if classifier == "lenet":
        accuracy = train_lenet(few.x, few.y, held.x, held.y, len(data.info.classes), seed=seed).accuracy
    else:
        accuracy = encoder_alone(Data(data.source, few, data.held_out, data.info), seed)
    seconds = round(time.process_time() - start, 1)
    arguments = json.loads(json.dumps(resolved(RECIPES["aae-semi"], {})))
    keep(Result("few", classifier, labels, seed, IMAGES["few"], arguments, seconds, {"label-accuracy": accuracy}))


def encoder_alone(few: Data, seed: int) -> float:
    """Trains the recipe's encoder as a classifier: same noise, optimiser, average and number of labelled examples."""
    recipe = seeded_build(RECIPES["aae-semi"], few.info, {}, seed)
    classifier = [player for player in recipe.model.players() if player.name == "classifier"]
    recipe.model.players = lambda: classifier
    optimizers = {player.name: recipe.optimizers[player.name] for player in classifier}
    trainer = Trainer(recipe.model, optimizers, ema_half_life=recipe.ema_half_life, seed=seed)
    share = recipe.labelled_share
    assert share is not None
    size = min(len(few.train), round(share * recipe.batch_size))
    trainer.fit(batches(few.train, size, seed), round(share * IMAGES["few"]))
    model = trainer.best_model
    assert isinstance(model, Classifies) and few.held_out.y is not None
    return (named(model, few.held_out.x) == few.held_out.y).double().mean().item()


# --- the page ---------------------------------------------------------------------------------------------------------


def page() -> str:
    """docs/claims.md, from the results that there are."""
    found = results()
    lines = [
        "# Claims put to the test",
        "",
        "This page tests claims of papers on MNIST, with each recipe's defaults. Scores use the 10,000 test images, or",
        "10,000 samples. Values are means ± standard error over seeds. Seconds are CPU time of training.",
        "`python benchmarks/claims.py run` repeats the measurement.",
        "",
    ]
    for section in (conditional, few_labels, codebooks):
        lines += section(found)
    return "\n".join(lines)


def conditional(found: Sequence[Result]) -> list[str]:
    rows = [(name, of(found, "conditional", name)) for name in CONDITIONAL]
    return [
        "## Conditional samples",
        "",
        f"Each model sees {IMAGES['conditional']:,} images and then draws 10,000 samples, 1,000 of each class. A LeNet",
        f"trained on real digits classifies them; the bar is {NAMED:.0%}. A model with one picture per class would pass this",
        "test. So recall and coverage, in the LeNet's features, measure how much of the real digits the samples cover.",
        "",
        head("recipe", "classified as the requested class", *VARIETY, "seeds", "CPU s"),
        *(
            line(
                f"`{name}`",
                mean(runs, "class-accuracy"),
                *(mean(runs, score) for score in VARIETY),
                len(runs),
                seconds(runs),
            )
            for name, runs in rows
            if runs
        ),
        "",
        "`ganvas train cgan --data SOURCE`, then `ganvas sample RUN --class 7 --out seven.png`.",
        "",
    ]


def few_labels(found: Sequence[Result]) -> list[str]:
    rows = [(name, labels, of(found, "few", name, labels)) for labels in FEW for name in ("aae-semi", *SUPERVISED)]
    return [
        "## Few labels",
        "",
        f"The semi-supervised AAE sees {IMAGES['few']:,} images. The first column says how many training images have a",
        "label; each class has equally many. Two baselines see the labelled images only: the AAE's own encoder, and the",
        "LeNet of the metrics. The encoder has the same noise, learning rate and number of labelled examples.",
        "",
        head("labels", "what", "accuracy on the test images", "seeds", "CPU s"),
        *(
            line(
                labels, f"`{name}`" if name in RECIPES else name, mean(runs, "label-accuracy"), len(runs), seconds(runs)
            )
            for name, labels, runs in rows
            if runs
        ),
        "",
        "`ganvas train aae-semi --data SOURCE --labels 100`, then `ganvas evaluate RUN --metrics label-accuracy`.",
        "",
    ]


def codebooks(found: Sequence[Result]) -> list[str]:
    rows = [(name, of(found, "codebooks", name)) for name in CODEBOOKS]
    shown = ("codebook_use", "codebook_perplexity", "mse", "lpd", "sharpness")
    picture = [f"![Digits above their reconstructions](images/{PICTURE.name})", ""] if PICTURE.exists() else []
    return [
        "## Codebooks",
        "",
        f"Both models see {IMAGES['codebooks']:,} images. They have the same encoder, grid and codebook, so the same rate.",
        "",
        f"- *use*: the share of codebook entries used in the last epoch; the bar is {USED:.0%};",
        "- `mse`: mean squared error, for pixels in [−1, 1];",
        "- `lpd`: squared error in the LeNet's features;",
        "- `sharpness`: gradient energy of the reconstructions, divided by that of the originals; 1 is equally sharp.",
        "",
        head("recipe", "use", "perplexity", "mse", "lpd", "sharpness", "seeds", "CPU s"),
        *(
            line(f"`{name}`", *(mean(runs, score) for score in shown), len(runs), seconds(runs))
            for name, runs in rows
            if runs
        ),
        "",
        *picture,
        "*Rows: held-out digits, reconstructions by the VQ-VAE, reconstructions by the VQGAN. Seed 0.*"
        if picture
        else "",
        "",
    ]


def of(found: Sequence[Result], claim: str, what: str, labels: int | None = None) -> list[Result]:
    return [r for r in found if r.key[:3] == (claim, what, labels)]


def mean(runs: Sequence[Result], score: str) -> str:
    return spread([r.scores[score] for r in runs])


def seconds(runs: Sequence[Result]) -> str:
    return f"{statistics.mean(r.cpu_seconds for r in runs):.0f}"


def draw(location: str, num: int = 16) -> None:
    """The picture of the section on codebooks, if this machine has its runs."""
    folders = [directory(recipe, None, 0) for recipe in CODEBOOKS]
    if all((folder / "recipe.json").exists() for folder in folders):
        x = opened(location).held_out.batch(torch.arange(num)).x
        rows = [x, *(ganvas.open(folder).reconstruct(x) for folder in folders)]
        tiles = to_uint8(torch.stack(rows))[:, :, 0]
        picture = Image.fromarray(tiles.transpose(1, 2).flatten(2).flatten(0, 1).numpy())
        picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST).save(PICTURE, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "page"))
    parser.add_argument("--data", default="idx:../shared/data/mnist", help="source of MNIST's four files")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    given = parser.parse_args()
    if given.action == "run":
        run(given.data, given.seeds)
        draw(given.data)
    (ROOT / "docs" / "claims.md").write_text(page())


if __name__ == "__main__":
    main()
