"""What is checked of a training run before a file is written. Each check raises GanvasError."""

from dataclasses import asdict, replace
from pathlib import Path

from ganvas.data import Data
from ganvas.errors import GanvasError, option
from ganvas.machine import distributed, storage
from ganvas.machine.devices import check_precision, resolve_device
from ganvas.metrics.catalog import metric
from ganvas.nn.synchronised import batch_norms
from ganvas.runs.directory import FIRST_RUN, Directory
from ganvas.runs.settings import GROWING, Settings, Training, described
from ganvas.training import checkpoint
from ganvas.training.recipe import Recipe


def check(training: Training, name: str, built: Recipe, loaded: Data, place: distributed.Place) -> None:
    """Raises GanvasError when a new run's options do not go with each other, with its recipe or with its data."""
    if training.labels is not None:
        may_hide_labels(name, built)
    if training.sync_batchnorm and not batch_norms(built.model):
        raise GanvasError(
            f"The networks of recipe {name!r} have no batch normalisation here.",
            f"Leave {option('sync_batchnorm')} out: there is nothing to be the same on several processes.",
        )
    if training.compile and built.model.takes_second_derivatives:
        raise GanvasError(
            f"Recipe {name!r} differentiates its own gradients, which compiled code does not support.",
            f"Leave {option('compile')} out.",
        )
    first_measured = training.metrics_every or GROWING["metrics_every"].first
    if training.keep_best and first_measured > training.images:
        raise GanvasError(
            f"{option('keep_best')} measures after {first_measured} images first, and the run sees only"
            f" {training.images}.",
            f"Measure more often: {option('metrics_every', 'N')}",
        )
    check_sizes(training, loaded, place)


def check_sizes(training: Training, loaded: Data, place: distributed.Place) -> None:
    """Raises GanvasError when the batch fits neither the data nor the processes, or the device lacks the precision."""
    check_precision(training.precision, resolve_device(training.device))
    num = len(loaded.train)
    if training.batch_size > num:
        raise GanvasError(
            f"A batch of {training.batch_size} is larger than the data with its {num} training examples.",
            f"Use {option('batch_size', num)} or less.",
        )
    if training.batch_size % place.world_size:
        raise GanvasError(
            f"A batch of {training.batch_size} cannot be divided evenly between {place.world_size} processes."
        )


def may_hide_labels(name: str, recipe: Recipe) -> None:
    """Raises GanvasError if a recipe cannot learn from few labels."""
    if recipe.labelled_share == 0:
        why = "needs the class of every example" if recipe.num_classes else "does not use labels"
        raise GanvasError(
            f"Recipe {name!r} {why}, so {option('labels')} is not for it.", "aae-semi learns from few labels."
        )


def measured(metrics: tuple[str, ...], every: int | None, keep_best: str | None) -> tuple[str, ...]:
    """The metrics computed during training: the requested ones, and that of `keep_best`."""
    asked = metrics if keep_best is None else (*metrics, keep_best)
    names = tuple(dict.fromkeys(asked))
    for name in names:
        metric(name)
    if every is not None and not names:
        raise GanvasError(
            f"{option('metrics_every')} says when to measure, but not what.",
            f"Name metrics: {option('metrics', ('fid', 'kid'))}",
        )
    return names


def check_free(path: Path, overwrite: bool) -> None:
    """Raises GanvasError if something at `path` must not be overwritten."""
    allowed = {*storage.leftovers(path), path / FIRST_RUN}
    if not path.exists() or (path.is_dir() and not set(path.iterdir()) - allowed):
        return
    if not (path / "recipe.json").is_file():
        raise GanvasError(
            f"{path} exists and is not a run, so it is not overwritten.", f"Name another {option('out')}."
        )
    if not overwrite:
        raise GanvasError(
            f"A run exists at {path}; it is overwritten only with {option('overwrite')}.",
            f"Continue it ({option('resume', path)}), replace it ({option('overwrite', True)}), or name another"
            f" {option('out')}.",
        )


def check_same(path: Path, old: Settings | None, new: Settings, changed_data: bool) -> None:
    """Raises GanvasError if a run would continue with other settings; more images are allowed.

    old: None for a new run. changed_data: whether the number of examples may differ.
    """
    if old is None:
        return
    if changed_data:
        old = replace(old, info=replace(old.info, num_train=new.info.num_train))
    check_budget(path, old.training.images, new.training.images)
    then, now = (
        {
            "recipe": s.recipe,
            "data": s.source,
            "init_from": s.init_from,
            "the data": described(s.info),
            **asdict(s.options),
            **asdict(s.training),
            **s.arguments,
        }
        for s in (old, new)
    )
    for name in now.keys() - {"images", "device"}:
        if then.get(name) != now[name]:
            named = name if name in ("recipe", "the data") else option(name)
            raise GanvasError(
                f"The run {path} was trained with {named} {then.get(name)}, not {now[name]}.",
                f"Name another {option('out')}, or continue with the old settings: {option('resume', path)}.",
            )


def check_budget(path: Path, planned: int, images: int) -> None:
    """Raises GanvasError if a run should end before its current position. planned, images: old and new total."""
    seen = max((int(p.stem) for p in checkpoint.checkpoints(Directory(path).checkpoints)), default=0)
    if images < min(planned, seen):  # whole batches: a run may see more than planned
        raise GanvasError(
            f"The run {path} has seen {seen} images already, and cannot end after {images}.",
            f"Ask for more of them, or begin another run: {option('out', 'DIR')}",
        )


def check_resumed(placed: bool, changed: bool) -> None:
    """Raises GanvasError if a run to resume is given what it keeps.

    placed: whether a directory or image options were given. changed: whether data or options were.
    """
    if placed:
        raise GanvasError(
            f"A resumed run keeps its directory and its pictures' size: {option('resume')} has no use for"
            f" {option('out')}, {option('overwrite')}, {option('resume_if_there')}, {option('init_from')} and image options.",
            f"Leave them out, or start a new run without {option('resume')}.",
        )
    if changed:
        raise GanvasError(
            "A resumed run keeps its own data, labels and options.",
            f"Give only {option('images')}, {option('batch_size')}, {option('learning_rate')} and {option('device')} with"
            f" {option('resume')}. To train with other options, begin with its weights: {option('init_from', 'RUN')}.",
        )
