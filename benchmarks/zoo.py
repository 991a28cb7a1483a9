"""Trains every recipe, compares it with its untrained network and with the others, and writes docs/zoo.md.

    python benchmarks/zoo.py run        trains what has no result yet; --table, --data, --recipes and --seeds choose
    python benchmarks/zoo.py page       docs/zoo.md and its pictures, from the results that there are

Results are in benchmarks/results/zoo/TABLE-SOURCE.jsonl, one line a run, written when the run ends. A result is valid while
the recipe's arguments and the budget stay the same. No number on the page is typed by hand.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from PIL import Image, ImageDraw
from reproduce import RESULTS, ROOT

from ganvas.core.model import Autoencoder, Model
from ganvas.data import Data, batches, open_data
from ganvas.data.domains.drawing import to_uint8
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.metrics.catalog import METRICS
from ganvas.metrics.cost import num_parameters
from ganvas.metrics.coverage import Mixture, mixture_coverage
from ganvas.metrics.evaluation import Evaluation, Protocol
from ganvas.recipes import RECIPES
from ganvas.training.recipe import Recipe, options, resolved
from ganvas.training.trainer import Trainer
from ganvas.use.opening import seeded_build

ZOO = RESULTS / "zoo"
STRIPS = ROOT / "runs" / "zoo"
POINTS, IMAGES = ("ring8", "grid25"), ("glyphs", "mnist")
NUM_SAMPLES, NUM_PAIRS = 14, 3


@dataclass(frozen=True)
class Table:
    """One way to train all recipes.

    images: the budget by source. given: options that override every recipe's; a recipe without them has no row.
    width: of the networks on images, if the recipe has no default width.
    """

    name: str
    images: Mapping[str, int]
    seeds: tuple[int, ...] = (0, 1, 2)
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    width: int | None = None
    batch_size: int | None = None

    def options(self, recipe: str, source: str) -> dict[str, Any]:
        """The options for a recipe."""
        width = options(RECIPES[recipe]).get("width")
        narrow = self.width and kind(source) == "images" and width is not None and width.default is None
        return {**self.given, "width": self.width} if narrow else dict(self.given)


TABLES = {
    t.name: t
    for t in (
        Table("defaults", {"ring8": 300_000, "grid25": 300_000, "glyphs": 25_600, "mnist": 25_600}, width=16),
        Table("equal", {"glyphs": 32_000, "mnist": 32_000}, given={"network": "mlp", "width": 256}, batch_size=64),
    )
}

SCORES = {"modes": "modes", "high-quality": "modes", "fid": "fid", "mse": "mse", "knn": "knn", "elbo": "elbo"} | {
    "nll": "nll",
    "lpd": "lpd",
}
"""The catalogue's metric for each score."""

ALWAYS = {"points": ("modes", "mse", "elbo"), "images": ("fid", "mse", "knn", "elbo")}
"""Metrics for every model that supports them."""

FIGURES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("vae", "tc-vae", "vamp-vae", "mixture-vae", "cvae", "factor-vae", "avb", "iwae-mnist", "article-vae"),
        ("elbo", "elbo"),
    ),
    "iwae": ("nll", "nll"),
    "bigan": ("high-quality", "knn"),
    "pacgan": ("modes", "fid"),
    "pacgan-ring": ("modes", "fid"),
    "aae-semi": ("mse", "knn"),
    "vq-vae": ("mse", "mse"),
    "vqgan": ("lpd", "lpd"),
}
"""The main score of each recipe's paper, on points and on images. All other recipes use the quality of samples."""
SAMPLING = ("high-quality", "fid")

NOT_FOR: dict[tuple[str, str], str] = {
    ("points", "dcgan"): "convolutions need images",
    ("points", "projected-gan"): "a feature network needs images",
    ("points", "fastgan"): "convolutions need images",
    ("points", "stylegan2"): "convolutions need images",
    ("points", "stylegan"): "convolutions need images",
    ("points", "progan"): "convolutions need images",
    ("points", "biggan"): "convolutions need images",
    ("points", "vq-vae"): "a grid of codes needs images",
    ("points", "vqgan"): "a grid of codes needs images",
    ("points", "iwae-mnist"): "its likelihood needs black and white pixels",
    ("points", "article-vae"): "its likelihood needs pixels",
    ("points", "article-gan"): "made for pictures; use `gan` for points",
    ("points", "pacgan-stacked"): "convolutions need images",
    ("images", "pacgan-stacked"): "the paper's small networks for stacked digits; `pacgan` is the general form",
    ("images", "pacgan-ring"): "the paper's experiment on points; use `pacgan` for images",
}
"""Why a recipe is not trained on a kind of data."""


@dataclass
class Result:
    """One run. scores: by name the trained model's value and the untrained one's. failed: what stopped it."""

    recipe: str
    seed: int
    images: int
    batch_size: int
    arguments: dict[str, Any]
    parameters: int = 0
    cpu_seconds: float = 0.0
    skipped_steps: int = 0
    scores: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    failed: str | None = None


def kind(source: str) -> str:
    return "points" if source in POINTS else "images"


def figure(recipe: str, source: str) -> str:
    """The main score of a recipe. On the grid it is `modes` and not `high-quality`: untrained networks often give one point
    near the middle mode, which counts as high quality."""
    score = FIGURES.get(recipe, SAMPLING)[kind(source) == "images"]
    return "modes" if (source, score) == ("grid25", "high-quality") else score


def higher_is_better(score: str) -> bool:
    metric = METRICS[SCORES[score]]
    return (metric.better == "higher") != (score in metric.reverse)


def left_out(table: Table, recipe: str, source: str) -> str | None:
    """The reason why a table has no row for a recipe, or None."""
    if table.given and not set(table.given) <= set(options(RECIPES[recipe])):
        return "its networks are fixed by its paper"
    return NOT_FOR.get((kind(source), recipe))


# --- training and measuring -------------------------------------------------------------------------------------------


def run(table: Table, source: str, location: str, recipes: Sequence[str], seeds: Sequence[int]) -> None:
    """Trains all runs without a result, seed by seed: a table that is interrupted then has every recipe."""
    data = open_data(location)
    bench = Bench(table, source, data)
    done = {(r.recipe, r.seed) for r in results(table, source)}
    for seed in seeds:
        for recipe in recipes:
            if (recipe, seed) not in done and left_out(table, recipe, source) is None:
                keep(table, source, bench.result(recipe, seed))


class Bench:
    """A table's protocol on one data source. Objects that all runs share are built once."""

    def __init__(self, table: Table, source: str, data: Data) -> None:
        self.table, self.source, self.data = table, source, data
        self.evaluation: Evaluation | None = None

    def result(self, recipe: str, seed: int) -> Result:
        given = self.table.options(recipe, self.source)
        untrained = seeded_build(RECIPES[recipe], self.data.info, given, seed)
        built = seeded_build(RECIPES[recipe], self.data.info, given, seed)
        size = self.table.batch_size or built.batch_size
        images = self.table.images[self.source]
        made = Result(recipe, seed, images, size, resolved(RECIPES[recipe], given), num_parameters(built.model))
        trainer = Trainer(
            built.model,
            built.optimizers,
            learning_rate=built.learning_rate,
            ema_half_life=built.ema_half_life,
            transform=built.transform,
            seed=seed,
        )
        start = time.process_time()
        try:
            trainer.fit(batches(self.data.train, size, seed), images)
            made.cpu_seconds = round(time.process_time() - start, 2)
            made.skipped_steps = trainer.verdicts.skipped_steps
            made.scores = self.scores(recipe, trainer.best_model.eval(), untrained)
        except GanvasError as error:
            made.failed = error.message
        if seed == 0 and kind(self.source) == "images" and made.failed is None:
            self.draw(recipe, trainer.best_model, built)
        return made

    def scores(self, recipe: str, model: Model, untrained: Recipe) -> dict[str, tuple[float, float]]:
        evaluation = self.of(model, untrained)
        before = evaluation.on(untrained.model.eval())
        wanted = dict.fromkeys((*ALWAYS[kind(self.source)], SCORES[figure(recipe, self.source)]))
        found: dict[str, tuple[float, float]] = {}
        for name in wanted:
            if evaluation.lacks(name) is None:
                pairs = zip(evaluation.scores(name), before.scores(name), strict=True)
                found |= {a.name: (a.value, b.value) for a, b in pairs}
        return found

    def of(self, model: Model, recipe: Recipe) -> Evaluation:
        """The evaluation of a model. The features of real data are computed once and reused."""
        if self.evaluation is None:
            protocol = Protocol(num=2_500 if kind(self.source) == "points" else 2_000, importance_samples=10)
            self.evaluation = Evaluation.of(model, recipe, self.data, protocol)
        fresh = Evaluation.of(model, recipe, self.data, replace(self.evaluation.protocol, metrics=("elbo",)))
        context = replace(self.evaluation.context, model=model, conditional=fresh.context.conditional)
        return replace(self.evaluation, context=context, binary=fresh.binary)

    @torch.inference_mode()
    def draw(self, recipe: str, model: Model, built: Recipe) -> None:
        """A strip: samples, then held-out examples, each with its reconstruction (blank without an encoder)."""
        y = torch.arange(NUM_SAMPLES) % built.num_classes if built.num_classes else None
        with rng.seeded(0, "strip"):
            tiles = [model.sample(NUM_SAMPLES, y)]
        some = self.data.held_out.batch(torch.arange(NUM_PAIRS))
        if isinstance(model, Autoencoder):
            copies = model.reconstruct(some.x, some.y if built.num_classes else None)
            tiles.append(torch.stack([some.x, copies], 1).flatten(0, 1))
        else:
            tiles.append(torch.ones(2 * NUM_PAIRS, *some.x.shape[1:]))
        folder = STRIPS / f"{self.table.name}-{self.source}"
        folder.mkdir(parents=True, exist_ok=True)
        strip = to_uint8(torch.cat(tiles))[:, 0].permute(1, 0, 2).flatten(1)
        Image.fromarray(strip.numpy()).save(folder / f"{recipe}.png")


def results(table: Table, source: str) -> list[Result]:
    """Results with the current budget and arguments; the last one for each recipe and seed."""
    file = ZOO / f"{table.name}-{source}.jsonl"
    lines = [Result(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
    return list({(r.recipe, r.seed): r for r in lines if current(table, source, r)}.values())


def current(table: Table, source: str, result: Result) -> bool:
    function = RECIPES.get(result.recipe)
    if function is None or result.images != table.images[source]:
        return False
    return result.arguments == json.loads(json.dumps(resolved(function, table.options(result.recipe, source))))


def keep(table: Table, source: str, result: Result) -> None:
    ZOO.mkdir(parents=True, exist_ok=True)
    with (ZOO / f"{table.name}-{source}.jsonl").open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
    name = figure(result.recipe, source)
    told = result.failed or f"{name} {result.scores[name][0]:.4g}, untrained {result.scores[name][1]:.4g}"
    print(f"{table.name} {source} {result.recipe} seed {result.seed}: {told}, {result.cpu_seconds:.0f} s", flush=True)


# --- the page ---------------------------------------------------------------------------------------------------------

EXPLAINED = {
    "modes": "number of modes that 2,500 samples reach",
    "high-quality": "share of samples within 3 σ of a mode",
    "fid": "Fréchet distance between 2,000 samples and 2,000 held-out images, in features of a LeNet",
    "mse": "mean squared error of held-out reconstructions, pixels in [−1, 1]",
    "knn": "accuracy of the nearest neighbour in codes",
    "elbo": "lower bound on log p(x) of held-out examples, nats",
    "nll": "−log p(x) of held-out examples with 10 importance samples, nats",
    "lpd": "squared error of reconstructions in features of the LeNet",
}


def page() -> str:
    """docs/zoo.md, from the results that there are."""
    lines = [
        "# The zoo",
        "",
        "First, every recipe is trained with its defaults and compared with its own untrained network. Then recipes are",
        "compared on the same networks and the same budget. Values are means ± standard error over seeds.",
        "",
        "Budgets are small: an afternoon of a shared CPU. They show that a recipe learns, and how recipes compare early in",
        "training. They do not show the final quality. `python benchmarks/zoo.py run` trains, and",
        "`python benchmarks/zoo.py page` writes this page.",
        "",
        *(f"- **{score}**: {text}." for score, text in EXPLAINED.items()),
        "",
    ]
    for source in (*POINTS, *IMAGES):
        lines += defaults(source)
    for source in IMAGES:
        lines += equal(source)
    return "\n".join(lines)


def defaults(source: str) -> list[str]:
    """The section of one source with each recipe's defaults."""
    table = TABLES["defaults"]
    found = by_recipe(results(table, source))
    if not found:
        return []
    shown = ("modes", "high-quality", "mse") if kind(source) == "points" else ("fid", "mse", "knn")
    narrow = f". Networks have width {table.width}, unless the recipe sets its own" if kind(source) == "images" else ""
    beaten = sum(beats(runs, figure(name, source)) for name, runs in found.items())
    return [
        f"## Defaults on {source}",
        "",
        f"{table.images[source]:,} images seen{narrow}.",
        f"{beaten} of {len(found)} recipes beat their untrained network in every seed by their paper's main score, *figure*.",
        *([even_noise(source)] if kind(source) == "points" else []),
        "",
        head("recipe", "figure", "trained", "untrained", "beats it", *shown, "seeds", "batch", "CPU s"),
        *(row(name, runs, source, shown) for name, runs in found.items()),
        "",
        *sheet(table, source, found),
        *absent(table, source, found),
        "",
    ]


def even_noise(source: str) -> str:
    """The scores of uniform noise on the square of the data. A model with such scores found no modes."""
    info = open_data(source).info
    assert info.modes is not None
    centres = torch.tensor(info.modes.centres)
    with rng.seeded(0, "even noise"):
        noise = (2 * torch.rand(2_500, *info.shape) - 1) * centres.abs().max()
    found = mixture_coverage(noise, Mixture(centres, info.modes.sigma))
    assert found.high_quality is not None
    modes, share = found.modes[0], found.high_quality[0]
    return (
        f"Even noise over the square of the data reaches {modes:.0f} modes with {share:.1%} of high quality:"
        " models that do no better than that have found the square and not yet its modes."
    )


def row(name: str, runs: Sequence[Result], source: str, shown: Sequence[str]) -> str:
    score = figure(name, source)
    good = [r for r in runs if r.failed is None]
    verdict = "yes" if beats(runs, score) else "**no**"
    if len(good) < len(runs):
        verdict = f"**{len(runs) - len(good)} of {len(runs)} failed**: {next(r.failed for r in runs if r.failed)}"
    before = spread([r.scores[score][1] for r in good])
    cells = [measured(good, s) for s in shown]
    seconds = statistics.mean([r.cpu_seconds for r in good] or [math.nan])
    return line(
        f"`{name}`",
        score,
        measured(good, score),
        before,
        verdict,
        *cells,
        len(runs),
        runs[0].batch_size,
        f"{seconds:.0f}",
    )


def equal(source: str) -> list[str]:
    """The section of one source with equal networks, sorted by the quality of samples."""
    table = TABLES["equal"]
    found = by_recipe([r for r in results(table, source) if r.failed is None])
    if not found:
        return []
    ranked = sorted(found, key=lambda name: statistics.mean(r.scores["fid"][0] for r in found[name]))
    given = ", ".join(f"{name} {value}" for name, value in table.given.items())
    shown = ("fid", "mse", "knn", "elbo")
    return [
        f"## Equal networks and budget on {source}",
        "",
        f"All recipes have {given}, batches of {table.batch_size} and {table.images[source]:,} images seen.",
        "All other options are the recipe's defaults. The best FID comes first. Parameters are those of all players.",
        "Seconds are of one CPU core.",
        "",
        head("recipe", *shown, "seeds", "CPU s", "parameters"),
        *(
            line(
                f"`{name}`",
                *(measured(found[name], s) for s in shown),
                len(found[name]),
                f"{statistics.mean(r.cpu_seconds for r in found[name]):.0f}",
                f"{found[name][0].parameters:,}",
            )
            for name in ranked
        ),
        "",
        *sheet(table, source, ranked),
        *absent(table, source, found),
        "",
    ]


def by_recipe(found: Sequence[Result]) -> dict[str, list[Result]]:
    """Runs by recipe, in the order of `ganvas recipes`."""
    groups = {name: [r for r in found if r.recipe == name] for name in RECIPES}
    return {name: runs for name, runs in groups.items() if runs}


def beats(runs: Sequence[Result], score: str) -> bool:
    """Whether every run is better than its untrained networks."""
    sign = 1 if higher_is_better(score) else -1
    return all(r.failed is None and sign * r.scores[score][0] > sign * r.scores[score][1] for r in runs)


def measured(runs: Sequence[Result], score: str) -> str:
    return spread([r.scores[score][0] for r in runs if score in r.scores])


def spread(values: Sequence[float]) -> str:
    """Mean ± standard error, with digits by its size; "" if there are no values."""
    if not values:
        return ""
    mean = statistics.mean(values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    if 0 < abs(mean) < 1e-3:
        return f"{mean:.1e}" + (f" ± {error:.0e}" if error is not None else "")
    digits = max(0, min(4, 2 - math.floor(math.log10(abs(mean))))) if mean else 0
    return f"{mean:,.{digits}f}" + (f" ± {error:,.{digits}f}" if error is not None else "")


def absent(table: Table, source: str, found: Mapping[str, object]) -> Iterator[str]:
    """Recipes without a row, and the reasons."""
    reasons = {name: left_out(table, name, source) for name in RECIPES if name not in found}
    told = [f"`{name}`: {reason}" for name, reason in reasons.items() if reason]
    if told:
        yield f"Not in this table: {'; '.join(told)}."
    if owed := [f"`{name}`" for name, reason in reasons.items() if not reason]:
        yield f"Not yet run with these defaults: {', '.join(owed)}."


def sheet(table: Table, source: str, names: Sequence[str] | Mapping[str, object]) -> list[str]:
    picture = f"images/zoo-{table.name}-{source}.png"
    if not (ROOT / "docs" / picture).exists():
        return []
    return [
        f"![A row of samples for each recipe]({picture})",
        "",
        "*Seed 0. Left: samples. Right: held-out images, each with its reconstruction if the model has an encoder.*",
        "",
    ]


def head(*cells: object) -> str:
    return f"{line(*cells)}\n|{'---|' * len(cells)}"


def line(*cells: object) -> str:
    return f"| {' | '.join(str(c) for c in cells)} |"


def draw_sheets() -> None:
    """docs/images/zoo-TABLE-SOURCE.png, a labelled row for each recipe, from strips on this machine."""
    for table in TABLES.values():
        for source in IMAGES:
            folder = STRIPS / f"{table.name}-{source}"
            strips = [(n, Image.open(folder / f"{n}.png")) for n in RECIPES if (folder / f"{n}.png").exists()]
            if strips:
                contact(strips).save(ROOT / "docs" / "images" / f"zoo-{table.name}-{source}.png", optimize=True)


def contact(strips: Sequence[tuple[str, Image.Image]], margin: int = 96) -> Image.Image:
    """Strips in a column, each with its name at the left."""
    width, height = strips[0][1].size
    canvas = Image.new("L", (margin + width, len(strips) * (height + 2)), 255)
    pen = ImageDraw.Draw(canvas)
    for i, (name, strip) in enumerate(strips):
        canvas.paste(strip, (margin, i * (height + 2)))
        pen.text((4, i * (height + 2) + height // 2 - 6), name, fill=0)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "page"))
    parser.add_argument("--table", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--data", nargs="+", choices=(*POINTS, *IMAGES), default=[*POINTS, *IMAGES])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=[*RECIPES])
    parser.add_argument("--seeds", nargs="+", type=int, default=None, help="default: those of the table")
    parser.add_argument("--mnist", default="idx:../shared/data/mnist", help="source of MNIST's four files")
    given = parser.parse_args()
    if given.action == "run":
        for table in (TABLES[name] for name in given.table):
            for source in (s for s in given.data if s in table.images):
                location = given.mnist if source == "mnist" else source
                run(table, source, location, given.recipes, table.seeds if given.seeds is None else given.seeds)
    draw_sheets()
    (ROOT / "docs" / "zoo.md").write_text(page())


if __name__ == "__main__":
    main()
