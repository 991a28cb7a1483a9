"""Starting a training run, or going on with one: every option checked before a file is written."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ganvas.data import Data, ImageOptions, open_data
from ganvas.errors import GanvasError, did_you_mean
from ganvas.jobs.job import Job
from ganvas.jobs.known_data import DATA_CHANGED, identity_of
from ganvas.machine import distributed, storage
from ganvas.machine.checks import at_least
from ganvas.machine.devices import check_precision, resolve_device
from ganvas.machine.precision import PRECISIONS, Precision
from ganvas.metrics.catalog import metric
from ganvas.nn.synchronised import batch_norms
from ganvas.runs.directory import Directory, numbered
from ganvas.runs.settings import GROWING, PERIODS, Settings, Training, command_line, described, slug
from ganvas.training import checkpoint
from ganvas.training.recipe import Recipe, card, resolved
from ganvas.use.opening import find_recipe, most_weights, open_run, recipe_of, seeded_build
from ganvas.use.run import Run


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
    changed_data: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Trains a recipe on a data source (by default `glyphs`), and returns the run.

    recipe: a name of `recipes()`, or a Python file. out: the run's directory, by default runs/RECIPE-SOURCE.
        Where `torchrun` restarts processes that failed, they go on with the run that they began.
    images: how many to see in all. resume: a run to go on with; all but `images` and `device` are then as they were.
    labels: so many training examples keep theirs, as many of each class, chosen by the seed; for recipes that learn from few.
    resume_if_there: go on with the run at `out` if it is there, else begin it: one command for every restart.
    changed_data: go on with a run although its data are not what they were; their shape and classes must be.
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
        resumed(Path(resume), recipe, file, images, device, place, quiet, changed_data).run()
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
    old = Directory(path).settings() if goes_on else None
    if old is not None:
        image_options = replace(image_options, split_by=old.options.split_by)
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
        then = replace(old.info, num_train=loaded.info.num_train) if changed_data else old.info
        same_run(path, replace(old, info=then), settings)
        check_budget(path, old.training.images, training.images)
    known = identity_of(path if goes_on else None, loaded, place, changed_data, quiet)
    Job(path, settings, built, loaded, fresh=not goes_on, place=place, quiet=quiet, identity=known).run()
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
    changed_data: bool,
) -> Job:
    """The job that goes on with a run. changed_data: whether its data may have changed."""
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
    then, now = settings.info, loaded.info
    if then != (replace(now, num_train=then.num_train) if changed_data else now):
        raise GanvasError(
            f"The data {settings.source!r} is not what the run was trained on: then {described(then)},"
            f" now {described(now)}.",
            "Put the data back as it was, or start a new run."
            if (then.shape, then.classes) != (now.shape, now.classes)
            else DATA_CHANGED,
        )
    known = identity_of(path, loaded, place, changed_data, quiet)
    settings = replace(settings, info=now)
    training = replace(settings.training, images=images or settings.training.images, device=device)
    check_budget(path, settings.training.images, training.images)
    check_sizes(training, loaded, place)
    most = most_weights(Directory(path)) if checkpoint.checkpoints(Directory(path).checkpoints) else None
    recipe_again = seeded_build(function, loaded.info, settings.arguments, training.seed, most)
    again = replace(settings, training=training)
    return Job(path, again, recipe_again, loaded, fresh=False, place=place, quiet=quiet, identity=known)


def measured(metrics: Sequence[str], every: int | None, keep_best: str | None) -> tuple[str, ...]:
    """What is measured during training: the metrics asked for, and the one that says which checkpoint is best."""
    asked = [*metrics] if keep_best is None else [*metrics, keep_best]
    names = tuple(dict.fromkeys(asked))
    for name in names:
        metric(name)
    if every is not None and not names:
        raise GanvasError("--metrics-every says when to measure, but not what.", "Name metrics: --metrics fid,kid")
    return names


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
