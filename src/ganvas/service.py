"""Each thing a user does, as one function. The command line, Python users and the web page call these and nothing else."""

import math
import shlex
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas import checkpoint, comparison, distributed, evaluation, memory, rng, storage
from ganvas.contract import Facts, dry_step
from ganvas.data import Data, DataInfo, ImageOptions, Split, batches, open_data, read_image, summary
from ganvas.data import cache as data_cache
from ganvas.devices import check_precision, resolve_device
from ganvas.errors import GanvasError, did_you_mean
from ganvas.evaluation import Protocol
from ganvas.explain.inversion import Search
from ganvas.export import export as export
from ganvas.export import pull
from ganvas.health import Diagnosis, diagnose
from ganvas.jobs import Job
from ganvas.metrics.catalog import Row, metric
from ganvas.model import Autoencoder
from ganvas.nn.synchronised import batch_norms
from ganvas.pictures import PAIR_COLUMNS, beside, save_arrays, save_film, save_folder, save_picture, to_arrays
from ganvas.precision import PRECISIONS, Precision
from ganvas.recipe import Recipe, RecipeFunction, build, card, resolved
from ganvas.recipes import RECIPES, from_file
from ganvas.report import write_report
from ganvas.runs import GROWING, PERIODS, PUBLISHED, Directory, Run, Settings, Training, numbered, parsed
from ganvas.samplers import PostHocPrior
from ganvas.trainer import Trainer

HUB = "hub:"
"""What the name of a model on the Hugging Face hub begins with, where a run's directory may stand."""


@dataclass(frozen=True)
class RecipeFacts:
    """A line of `ganvas recipes`. encodes: whether its model goes from examples to codes as well."""

    name: str
    summary: str
    paper: str
    players: tuple[str, ...]
    encodes: bool
    options: dict[str, Any]


def recipes() -> list[RecipeFacts]:
    """What can be trained."""
    example = DataInfo(shape=(1, 28, 28), classes=("a", "b"), num_train=1_000)
    facts: list[RecipeFacts] = []
    for function in RECIPES.values():
        about, model = card(function), build(function, example, {}).model
        players = tuple(player.name for player in model.players())
        encodes = isinstance(model, Autoencoder)
        facts.append(RecipeFacts(about.name, about.summary, about.paper, players, encodes, resolved(function, {})))
    return facts


def data(
    source: str, *, out: Path | None = None, num: int = 100, image_options: ImageOptions = ImageOptions()
) -> dict[str, Any]:
    """Facts about a data source, and in `out` a picture of its first `num` examples."""
    at_least(num, 1, "--num")
    loaded = open_data(source, image_options)
    if out is not None:
        shown = num if len(loaded.info.shape) == 3 else len(loaded.train)
        save_picture(loaded.train.batch(torch.arange(min(shown, len(loaded.train)))).x, out, loaded.info)
    return summary(loaded)


def clear_cache() -> tuple[int, int]:
    """Removes the decoded pictures that were kept of folders. Returns of how many folders, and how many bytes."""
    return data_cache.clear()


def check(file: str, *, data: str = "glyphs", image_options: ImageOptions = ImageOptions()) -> Facts:
    """One dry step of a recipe on a data source: players, terms, and the parameters that no term reaches."""
    function, _ = find_recipe(file)
    loaded = open_data(data, image_options)
    recipe = build(function, loaded.info, {})
    trainer = Trainer(recipe.model, recipe.optimizers, transform=recipe.transform)
    return dry_step(trainer, next(batches(loaded.train, min(recipe.batch_size, len(loaded.train)), seed=0)))


def train(
    recipe: str | None = None,
    *,
    data: str | None = None,
    out: str | Path | None = None,
    images: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    labels: int | None = None,
    device: str = "cpu",
    image_options: ImageOptions = ImageOptions(),
    log_every: int | None = None,
    validate_every: int | None = None,
    checkpoint_every: int | None = None,
    keep: int = 2,
    metrics: Sequence[str] = (),
    metrics_every: int | None = None,
    keep_best: str | None = None,
    health_every: int | None = None,
    rewinds: int = 3,
    skip_gradient_norm: float | None = None,
    precision: Precision = "float32",
    compile: bool = False,
    sync_batchnorm: bool = False,
    overwrite: bool = False,
    resume: str | Path | None = None,
    resume_if_there: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Trains a recipe on a data source (by default `glyphs`), and returns the run.

    recipe: a name of `recipes()`, or a Python file. out: the run's directory, by default runs/RECIPE-SOURCE.
        Where `torchrun` restarts processes that failed, they go on with the run that they began.
    images: how many to see in all. resume: a run to go on with; all but `images` and `device` are then as they were.
    labels: so many training examples keep theirs, as many of each class, chosen by the seed; for recipes that learn from few.
    resume_if_there: go on with the run at `out` if it is there, else begin it: one command for every restart.
    log_every, validate_every, metrics_every, health_every: periods in images seen. Where none is given, it begins with 1,000,
        10,000, 10,000 and 2,500 images, and is doubled at 8, 16 and 32 times as many, that of health three times more.
    checkpoint_every: likewise; where it is not given, 5 seconds lie between two, and at least 200 times as long as saving
        takes. A run whose numbers stop being finite goes back to one, and to the same one each time only with a period.
    keep: so many of the newest checkpoints stay, besides the best.
    metrics: names of `metrics()`, to be taken of few samples during training. keep_best: the metric (its first score,
        where it has several) whose best checkpoint is kept, for `open_run(..., best=True)`.
    rewinds: how often training may go back to its last checkpoint when numbers stop being finite.
    skip_gradient_norm: moves whose gradient norm is more than so many times the usual one are not taken.
    precision: of what networks compute in training; weights are float32 in any case.
    compile: torch.compile makes one graph of each player's forward and loss; see docs/speed.md for when that pays.
    sync_batchnorm: several processes normalise over the whole batch together, as one process does.
    options: the recipe's own. Raises GanvasError for all that a user can get wrong.
    """
    here = resolve_device(device)
    place = distributed.join(here)
    if resume is not None:
        if options or data is not None or batch_size is not None or labels is not None:
            raise GanvasError(
                "A run that is resumed goes on with its own data, labels, batch size and options.",
                "Give only --images and --device with --resume.",
            )
        file = recipe if recipe is not None and recipe.endswith(".py") else None
        resumed(Path(resume), recipe, file, images, device, place, quiet).run()
        return open_run(resume, file=file, device=device)
    if recipe is None:
        raise GanvasError("What should be trained?", "Name a recipe: ganvas train vae --data glyphs")
    function, file = find_recipe(recipe)
    source = data or "glyphs"
    path = Path(out) if out else own_path(Path("runs") / f"{card(function).name}-{slug(source)}", place, here)
    if resume_if_there and (out is None or overwrite):
        raise GanvasError(
            "--resume-if-there needs the run's directory, and overwrites nothing.", "Write --out DIR, not --overwrite."
        )
    there = Directory(path).recipe.is_file() if resume_if_there else is_mine(path)
    goes_on = bool(distributed.from_leader(int(there), here))
    if place.leads and not goes_on:
        check_free(path, overwrite)
    loaded = open_data(source, image_options)
    built = seeded_build(function, loaded.info, options, seed)
    if labels is not None:
        may_hide_labels(card(function).name, built)
    if sync_batchnorm and not batch_norms(built.model):
        raise GanvasError(
            f"The networks of recipe {card(function).name!r} have no batch normalisation here.",
            "Leave --sync-batchnorm out: there is nothing to be the same on several processes.",
        )
    if compile and built.model.takes_second_derivatives:
        raise GanvasError(
            f"Recipe {card(function).name!r} takes gradients of its gradients, which no compiled turn has.",
            "Leave --compile out.",
        )
    training = Training(
        images=images if images is not None else built.images,
        batch_size=batch_size if batch_size is not None else built.batch_size,
        seed=seed,
        labels=labels,
        device=device,
        log_every=built.report_every if log_every is None else log_every,
        validate_every=built.report_every if validate_every is None else validate_every,
        checkpoint_every=checkpoint_every,
        keep=keep,
        metrics=measured(metrics, metrics_every, keep_best),
        metrics_every=built.report_every if metrics_every is None else metrics_every,
        keep_best=keep_best,
        health_every=health_every,
        rewinds=rewinds,
        skip_gradient_norm=None if skip_gradient_norm is None else float(skip_gradient_norm),
        sync_batchnorm=sync_batchnorm,
        precision=precision,
        compile=compile,
    )
    old = Directory(path).settings() if goes_on else None
    if old is not None:
        training = training.not_named(old.training)
    first_measured = training.metrics_every or GROWING["metrics_every"].first
    if keep_best and first_measured > training.images:
        raise GanvasError(
            f"--keep-best measures after {first_measured} images first, and the run sees only {training.images}.",
            "Measure more often: --metrics-every N",
        )
    check_sizes(training, loaded, place)
    settings = Settings(
        recipe=card(function).name,
        file=str(file) if file else None,
        summary=card(function).summary,
        paper=card(function).paper,
        arguments=resolved(function, options),
        source=source,
        options=image_options,
        info=loaded.info,
        training=training,
        command=command_line(),
        launch=distributed.launch(),
    )
    if old is not None:
        same_run(path, old, settings)
        check_budget(path, old.training.images, training.images)
    Job(path, settings, built, loaded, fresh=not goes_on, place=place, quiet=quiet).run()
    return open_run(path, file=str(file) if file else None, device=device)


def own_path(path: Path, place: distributed.Place, device: str) -> Path:
    """`path`, or path-2, -3 ...: the first that does not exist, or that this launch began before it was restarted.

    The first process says which, for all of them.
    """
    paths = (numbered(path, number) for number in range(1, 10_000))
    found = next(n for n, p in enumerate(paths, 1) if is_mine(p) or not p.exists()) if place.leads else 0
    return numbered(path, distributed.from_leader(found, device))


def is_mine(path: Path) -> bool:
    """Whether this launch of `torchrun` began the run, and was restarted since."""
    return distributed.restarted() and Directory(path).begun_by(distributed.launch())


def same_run(path: Path, old: Settings, new: Settings) -> None:
    """Raises GanvasError when a run would go on as something else than what it was; more images are no matter."""
    then, now = (
        {
            "recipe": s.recipe,
            "--data": s.source,
            "the data": described(s.info),
            **{
                f"--{name}": value for name, value in {**asdict(s.options), **asdict(s.training), **s.arguments}.items()
            },
        }
        for s in (old, new)
    )
    for name in now.keys() - {"--images", "--device"}:
        if then.get(name) != now[name]:
            raise GanvasError(
                f"The run {path} was trained with {name.replace('_', '-')} {then.get(name)}, not {now[name]}.",
                "Name another --out, or go on with it as it was: --resume.",
            )


def check_budget(path: Path, planned: int, images: int) -> None:
    """Raises GanvasError when a run is to end before where it stands. planned, images: to be seen in all, then and now."""
    seen = max((int(p.stem) for p in checkpoint.checkpoints(Directory(path).checkpoints)), default=0)
    if images < min(planned, seen):  # a run sees whole batches, and so more than was planned
        raise GanvasError(
            f"The run {path} has seen {seen} images already, and cannot end after {images}.",
            "Ask for more of them, or begin another run: --out DIR",
        )


def resumed(
    path: Path,
    recipe: str | None,
    file: str | None,
    images: int | None,
    device: str,
    place: distributed.Place,
    quiet: bool,
) -> Job:
    """The job that goes on with a run."""
    settings = Directory(path).settings()
    if Directory(path).published:
        raise GanvasError(
            f"{path} was exported from a run, and holds only what samples are made with.",
            "Train the run it was exported from: --resume RUN.",
        )
    if recipe is not None and file is None and recipe != settings.recipe:
        raise GanvasError(f"The run {path} is of recipe {settings.recipe!r}, not {recipe!r}.")
    function = recipe_of(settings, path, file)
    loaded = open_data(settings.source, settings.options)
    if loaded.info != settings.info:
        raise GanvasError(
            f"The data {settings.source!r} is not what the run was trained on: then {described(settings.info)},"
            f" now {described(loaded.info)}.",
            "Put the data back as it was, or start a new run.",
        )
    training = replace(settings.training, images=images or settings.training.images, device=device)
    check_budget(path, settings.training.images, training.images)
    check_sizes(training, loaded, place)
    most = most_weights(Directory(path)) if checkpoint.checkpoints(Directory(path).checkpoints) else None
    recipe_again = seeded_build(function, loaded.info, settings.arguments, training.seed, most)
    return Job(path, replace(settings, training=training), recipe_again, loaded, fresh=False, place=place, quiet=quiet)


def measured(metrics: Sequence[str], every: int | None, keep_best: str | None) -> tuple[str, ...]:
    """What is measured during training: the metrics asked for, and the one that says which checkpoint is best."""
    asked = [*metrics] if keep_best is None else [*metrics, keep_best]
    names = tuple(dict.fromkeys(asked))
    for name in names:
        metric(name)
    if every is not None and not names:
        raise GanvasError("--metrics-every says when to measure, but not what.", "Name metrics: --metrics fid,kid")
    return names


def open_run(path: str | Path, *, file: str | None = None, device: str = "cpu", best: bool = False) -> Run:
    """A trained run, ready to be used; or a model that was exported from one, in a folder or on the hub (hub:USER/NAME).

    file: the user's own Python file, for a run that was made from one. best: the checkpoint that `--keep-best` kept.
    """
    folder = pull(str(path)[len(HUB) :]) if str(path).startswith(HUB) else Path(path)
    settings = Directory(folder).settings()
    function = recipe_of(settings, folder, file)
    return Run(
        folder,
        settings,
        lambda: seeded_build(
            function, settings.info, settings.arguments, settings.training.seed, most_weights(Directory(folder))
        ),
        resolve_device(device),
        best,
    )


def seeded_build(
    function: RecipeFunction, info: DataInfo, options: Mapping[str, Any], seed: int, most: int | None = None
) -> Recipe:
    """A recipe whose first weights follow from the seed.

    most: bytes that making them may take; where none is given, what lets them be trained: weights, gradients and two
    averages of these. GanvasError before more is taken.
    """
    what, hint = "These networks", "Ask for smaller ones: a smaller --width, for example."
    if most is not None:
        what, hint = "The networks that recipe.json asks for", "They are larger than what the run holds: it is damaged."
    limit = memory.room() // 4 if most is None else min(most, memory.room())
    with memory.at_most(limit, what, hint), rng.seeded(seed, "weights"):
        return build(function, info, options)


def most_weights(directory: Directory) -> int:
    """Bytes that a run's networks may take to make: its files hold the weights, so that they say how much there can be.

    An export lacks the networks that only training needs.
    """
    files = [directory.path / PUBLISHED, *directory.checkpoints.glob("*.safetensors")]
    return 64 * 2**20 + 16 * max((file.stat().st_size for file in files if file.is_file()), default=0)


def sample(
    run: Run,
    out: Path,
    *,
    num: int = 64,
    seed: int = 0,
    classes: str | None = None,
    prior: PostHocPrior | None = None,
    truncation: float | None = None,
) -> Path:
    """`num` samples: a grid (.png), arrays (.npz; images are uint8 (N, H, W, C)), or a folder of one file each.

    classes: of a conditional run, the name of one class, or "all" for equal shares in their order.
    prior: to be fitted to the codes of the run's training data, in place of the one it was trained with.
    truncation: ψ, how far codes stay from the prior's mean: 1 as drawn, 0.7 more typical and less varied.
    """
    at_least(num, 1, "--num")
    memory.must_fit(8 * num * math.prod(run.info.shape), f"{num:,} samples", "Ask for fewer: --num 64")
    if not out.suffix and len(run.info.shape) != 3:
        raise GanvasError("Points are no pictures: a folder cannot hold them.", "Write --out samples.npz or points.png")
    y = None if classes is None else class_numbers(run, classes, num)
    if prior is not None and truncation is not None:
        raise GanvasError("Truncation is of the model's own prior.", "Leave out --prior, or --truncation.")
    if prior is None:
        x = run.sample(num, y=y, seed=seed, truncation=truncation)
    else:
        must_encode(run, "have a prior fitted to its codes")
        train = as_trained(run, run.settings.source).train
        seen = [train.batch(rows) for rows in torch.arange(len(train)).split(1_000)]
        z = torch.cat([run.codes(batch.x, batch.y, seed=seed) for batch in seen])
        x = run.generate(prior.fit(z, seed).sample(num, seed), y, seed=seed)
    if out.suffix == ".npz":
        return save_arrays(out, **{"images" if x.dim() == 4 else "points": to_arrays(x)})
    return save_picture(x, out, run.info) if out.suffix else save_folder(x, out)


def class_numbers(run: Run, name: str, num: int) -> Tensor:
    """(num,) class numbers for a class's name, or for "all"."""
    if name == "all" and "all" not in run.info.classes:
        must_be_conditional(run)
        return torch.arange(num) * len(run.info.classes) // num
    return one_class(run, name).expand(num)


def one_class(run: Run, name: str) -> Tensor:
    """(1,) the number of a class. Raises GanvasError when there is none of that name, or the run knows no classes."""
    must_be_conditional(run)
    names = run.info.classes
    if name not in names:
        raise GanvasError(f"There is no class {name!r}.", did_you_mean(name, names))
    return torch.tensor([names.index(name)])


def must_be_conditional(run: Run) -> None:
    if not run.recipe.num_classes:
        raise GanvasError(
            f"Run {run.path} is not conditional: it was never told what classes are.",
            "Train a conditional recipe: cgan, acgan or cvae.",
        )


def reconstruct(run: Run, data: str, out: Path, *, num: int = 32, search: Search | None = None) -> Path:
    """A grid of held-out examples of a source, each row of originals above the row of their reconstructions.

    search: how codes are searched for, for a run without an encoder.
    """
    at_least(num, 1, "--num")
    if search is None:
        must_encode(run, "reconstruct")
    split = as_trained(run, data).held_out
    must_hold_out(data, len(split))
    batch = split.batch(torch.arange(min(num, len(split))))
    y = batch.y if run.recipe.num_classes else None
    made = run.reconstruct(batch.x, batch.y) if search is None else search(run.model, batch.x, y).reconstructions
    return save_picture(beside(batch.x, made.cpu()), out, run.info, columns=min(PAIR_COLUMNS, len(batch)))


def must_hold_out(source: str, num: int) -> None:
    if not num:
        raise GanvasError(
            f"{source!r} has no held-out examples.", "Add some: of two pictures that can be read one is held out."
        )


def must_encode(run: Run, verb: str) -> None:
    """Raises GanvasError, with the recipes that could, when the run's model has no encoder."""
    if not isinstance(run.model, Autoencoder):
        able = ", ".join(facts.name for facts in recipes() if facts.encodes)
        raise GanvasError(
            f"Recipe {run.settings.recipe!r} cannot {verb}: it has no encoder, only a way from codes to examples.",
            f"These recipes can: {able}. With --invert, codes of single pictures are searched for.",
        )


def interpolate(
    run: Run,
    out: Path,
    *,
    start: Path | None = None,
    end: Path | None = None,
    num: int = 11,
    seed: int = 0,
    class_name: str | None = None,
) -> Path:
    """A walk of `num` pictures between two images, or two draws from the prior: a strip (.png) or a film (.gif).

    class_name: of a conditional run, the class of all of them; one chosen by the seed where none is named.
    """
    at_least(num, 2, "--num")
    memory.must_fit(8 * num * math.prod(run.info.shape), f"A walk of {num:,} pictures", "Ask for fewer: --num 11")
    if len(run.info.shape) != 3:
        raise GanvasError("The run was trained on points, and a walk is a row of pictures.")
    if (start is None) != (end is None):
        raise GanvasError("A walk has two ends.", "Give both --from and --to, or neither.")
    y = None if class_name is None else one_class(run, class_name)
    a, b = (None if path is None else read_image(path, run.info.shape).unsqueeze(0) for path in (start, end))
    walk = run.interpolate(a, b, num, seed, y=y)
    return save_film(walk, out, run.info) if out.suffix == ".gif" else save_picture(walk, out, run.info, columns=num)


def encode(
    run: Run, data: str, out: Path, *, split: str = "train", limit: int | None = None, search: Search | None = None
) -> Path:
    """Codes of a source's examples in an .npz: the posterior's `mean` and `scale` (N, L), and `labels` where known.

    limit: so many of the first examples. search: how codes are searched for, for a run without an encoder; then there is
    no `scale`, but each code's mean squared `error`.
    """
    if search is None:
        must_encode(run, "encode")
    loaded = as_trained(run, data)
    examples = {"train": loaded.train, "held-out": loaded.held_out}[split]
    must_hold_out(data, len(examples))
    rows = torch.arange(len(examples) if limit is None else min(limit, len(examples)))
    parts = [examples.batch(some) for some in rows.split(1_000)]
    if search is None:
        codes = [run.encode(part.x, part.y) for part in parts]
        arrays = {"mean": torch.cat([m for m, _ in codes]).numpy(), "scale": torch.cat([s for _, s in codes]).numpy()}
    else:
        told = [part.y if run.recipe.num_classes else None for part in parts]
        found = [search(run.model, part.x, y) for part, y in zip(parts, told, strict=True)]
        arrays = {
            "mean": torch.cat([f.codes for f in found]).numpy(),
            "error": torch.cat([f.errors for f in found]).numpy(),
        }
    if examples.y is not None:
        arrays |= {"labels": examples.y[rows].numpy(), "class_names": np.array(loaded.info.classes)}
    return save_arrays(out, **arrays)


def metrics() -> list[dict[str, Any]]:
    """What can be measured: each metric's name, what it needs, which way is better, and its paper."""
    return evaluation.facts()


def evaluate(run: Run, data: str | None = None, *, protocol: Protocol = Protocol()) -> list[Row]:
    """Scores of a run on a source's held-out examples (by default its own), kept in the run's evaluation.json.

    The run's page, where it has one, is written again with them.
    """
    source = data or run.settings.source
    loaded = as_trained(run, source)
    must_hold_out(source, len(loaded.held_out))
    rows = evaluation.scores(run, loaded, protocol, trained_on(run, source, loaded))
    evaluation.keep(run, rows, source, protocol)
    if (run.path / "report.html").exists():
        write_report(run.path)
    return rows


def compare(runs: Sequence[Run], out: Path, *, data: str | None = None, protocol: Protocol = Protocol()) -> Path:
    """Scores, pictures and costs of runs side by side, in `out`: index.html, which is returned, and compare.json.

    data: whose held-out examples are taken; by default the source that all runs were trained on.
    """
    sources = list(dict.fromkeys(run.settings.source for run in runs))
    if data is None and len(sources) > 1:
        raise GanvasError(
            f"These runs were trained on different data: {', '.join(sources)}.",
            "Say whose held-out examples all of them are measured on: --data SOURCE",
        )
    source = data or "".join(sources)
    loaded: dict[ImageOptions, Data] = {}

    def load(run: Run) -> tuple[Data, Split | str | None]:
        options = run.settings.options
        if options not in loaded:
            loaded[options] = as_trained(run, source)
            must_hold_out(source, len(loaded[options].held_out))
        return loaded[options], trained_on(run, source, loaded[options])

    return comparison.compare(runs, load, source, protocol, out)


def report(path: str | Path) -> Path:
    """Writes a run's report.html again."""
    Directory(Path(path)).settings()
    return write_report(Path(path))


@dataclass(frozen=True)
class Checkup:
    """What `ganvas doctor` tells of a run. running: whether a process on this machine trains it."""

    path: str
    recipe: str
    data: str
    running: bool
    diagnosis: Diagnosis


def doctor(path: str | Path) -> Checkup:
    """What ails a run, by the lines of its metrics; it may be in training. Damaged lines are passed over with a warning.

    Raises GanvasError when there is no such run, or nothing was recorded of it.
    """
    directory = Directory(Path(path))
    settings = directory.settings()
    lines = [line for line in storage.lines(directory.metrics) if line.endswith("\n")]  # the last may be half written
    facts = [fact for fact in map(parsed, lines) if fact]
    if not facts:
        raise GanvasError(
            f"Nothing was recorded of the run {path} yet.",
            "An exported model has no metrics; a run has some as soon as it trains.",
        )
    if len(facts) < len(lines):
        damaged = len(lines) - len(facts)
        warnings.warn(f"{damaged} damaged line{'s' * (damaged > 1)} of metrics.jsonl left out.", stacklevel=2)
    diagnosis = diagnose(facts, settings.arguments)
    return Checkup(str(path), settings.recipe, settings.source, storage.in_use(directory.path), diagnosis)


def find_recipe(name: str) -> tuple[RecipeFunction, Path | None]:
    """A recipe by its name, or from a Python file, which is executed."""
    if name.endswith(".py"):
        return from_file(Path(name)), Path(name)
    if name not in RECIPES:
        raise GanvasError(f"No recipe is called {name!r}.", did_you_mean(name, RECIPES))
    return RECIPES[name], None


def recipe_of(settings: Settings, path: Path, file: str | None) -> RecipeFunction:
    """A run's recipe function. The code of a user's file is executed only when the user names the file."""
    if settings.file is None:
        return find_recipe(settings.recipe)[0]
    if file is None:
        raise GanvasError(
            f"The run {path} was made from the file {settings.file}, whose code is never executed unasked.",
            "If you trust that file, name it: --file FILE (ganvas train FILE --resume RUN; in Python open(run, file=FILE)).",
        )
    return from_file(Path(file), settings.recipe)


def as_trained(run: Run, source: str) -> Data:
    """A source with its images brought to the shape that the run was trained on."""
    shape, options = run.info.shape, run.settings.options
    if len(shape) == 3:
        options = replace(options, size=shape[1], channels=shape[0])
    loaded = open_data(source, options)
    if loaded.info.shape != shape:
        raise GanvasError(f"{source!r} has examples of shape {loaded.info.shape}; the run was trained on {shape}.")
    return loaded


def trained_on(run: Run, source: str, loaded: Data) -> Split | str | None:
    """What a run was trained on, where that is not the training split of `loaded`; or why it cannot be read."""
    if source == run.settings.source:
        return None
    try:
        own = as_trained(run, run.settings.source).train
    except GanvasError as error:
        return error.message
    return None if torch.equal(own.x, loaded.train.x) else own


def check_sizes(training: Training, loaded: Data, place: distributed.Place) -> None:
    given = [name for name in PERIODS if getattr(training, name) is not None]
    for name in ("images", "batch_size", *given):
        at_least(getattr(training, name), 1, "--" + name.replace("_", "-"))
    at_least(training.keep, 1, "--keep")
    at_least(training.rewinds, 0, "--rewinds")
    if training.skip_gradient_norm is not None and not 1 < training.skip_gradient_norm < math.inf:
        raise GanvasError(
            f"--skip-gradient-norm must be above 1, not {training.skip_gradient_norm:g}.",
            "It is how many times its usual gradient norm a move may have: 10, say.",
        )
    if training.precision not in PRECISIONS:
        raise GanvasError(
            f"There is no precision {training.precision!r}.", did_you_mean(training.precision, PRECISIONS)
        )
    check_precision(training.precision, resolve_device(training.device))
    num = len(loaded.train)
    if training.batch_size > num:
        raise GanvasError(
            f"A batch of {training.batch_size} is larger than the data, which has {num} training examples.",
            f"Use --batch-size {num} or less.",
        )
    if training.batch_size % place.world_size:
        raise GanvasError(
            f"A batch of {training.batch_size} cannot be shared out evenly among {place.world_size} processes."
        )


def may_hide_labels(name: str, recipe: Recipe) -> None:
    """Raises GanvasError when a recipe cannot learn from few labels."""
    if recipe.labelled_share == 0:
        why = "is told the class of every example" if recipe.num_classes else "has no use for labels"
        raise GanvasError(f"Recipe {name!r} {why}, so --labels is not for it.", "aae-semi learns from few labels.")


def check_free(path: Path, overwrite: bool) -> None:
    """Raises GanvasError when something is at `path` that must not be lost."""
    if not path.exists() or (path.is_dir() and not set(path.iterdir()) - set(storage.leftovers(path))):
        return
    if not (path / "recipe.json").is_file():
        raise GanvasError(f"{path} exists and is not a run, so it will not be touched.", "Name another --out.")
    if not overwrite:
        raise GanvasError(
            f"A run exists at {path}, and what was trained is never overwritten unasked.",
            f"Go on with it (--resume {path}), replace it (--overwrite), or name another --out.",
        )


def at_least(value: int, least: int, flag: str) -> None:
    if value < least:
        raise GanvasError(f"{flag} must be at least {least}, not {value}.")


def described(info: DataInfo) -> str:
    return f"{info.num_train} examples of shape {info.shape} in {len(info.classes)} classes"


def slug(source: str) -> str:
    """A source's name as part of a folder's."""
    name = Path(source.partition(":")[2] or source).name.removesuffix(".npz") or "data"
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def command_line() -> str:
    """How this was started, if from the command line."""
    started = Path(sys.argv[0]).name in ("ganvas", "__main__.py")
    return shlex.join(["ganvas", *sys.argv[1:]]) if started else ""
