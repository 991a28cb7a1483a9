"""Going on with a run whose training ended, or was ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganvas.data import open_data
from ganvas.data.dataset import renamed
from ganvas.data.sources.by_name import Source
from ganvas.data.sources.memory import PREFIX
from ganvas.errors import GanvasError, option
from ganvas.jobs.checks import check_budget, check_sizes
from ganvas.jobs.job import Job
from ganvas.jobs.known_data import DATA_CHANGED, identity_of
from ganvas.machine import distributed
from ganvas.machine.devices import resolve_device
from ganvas.runs.directory import Directory
from ganvas.runs.settings import Settings, described
from ganvas.training import checkpoint
from ganvas.training.trainer import Trainer
from ganvas.use.opening import Found, most_weights, opened, recipe_of, seeded_build
from ganvas.use.run import Run

CHANGEABLE, RATES = frozenset(("images", "device", "batch_size")), frozenset(("learning_rate",))
"""What may change when a run goes on: options of training, and of the recipe."""


def go_on(
    path: Path,
    recipe: str | Found | None,
    given: Mapping[str, Any],
    own: Mapping[str, Any],
    quiet: bool,
    changed_data: bool,
    data: Source | None = None,
    callbacks: Sequence[Callable[[Trainer], object]] = (),
) -> Run:
    """Trains a run on from its newest checkpoint. recipe: its name, or the user's file that it was made from.

    given, own: options of training and of the recipe that may change: `CHANGEABLE` and `RATES`. The run's log says which did.
    changed_data: whether the data may have changed. data: those of a run that cannot open them by their name.
    """
    device = str(given.get("device", "cpu"))
    place = distributed.join(resolve_device(device))
    settings = Directory(path).settings()
    if Directory(path).published:
        raise GanvasError(
            f"{path} is an export: it holds only the networks for inference.",
            f"Train the run it was exported from: {option('resume', 'RUN')}.",
        )
    if isinstance(recipe, str):
        file = recipe if recipe.endswith(".py") else None
        if file is None and recipe != settings.recipe:
            raise GanvasError(f"The run {path} has the recipe {settings.recipe!r}, not {recipe!r}.")
        found = recipe_of(settings, path, file)
    else:
        found = recipe or recipe_of(settings, path, None)
    if data is not None and not settings.source.startswith(PREFIX):
        raise GanvasError(
            f"A resumed run keeps its own data: {settings.source}.", f"Leave {option('data', 'SOURCE')} out."
        )
    loaded = renamed(open_data(settings.source if data is None else data, settings.options), settings.source)
    then, now = settings.info, loaded.info
    if then != (replace(now, num_train=then.num_train) if changed_data else now):
        raise GanvasError(
            f"The data {settings.source!r} is not what the run was trained on: then {described(then)},"
            f" now {described(now)}.",
            "Restore the old data, or start a new run."
            if (then.shape, then.classes) != (now.shape, now.classes)
            else DATA_CHANGED,
        )
    known = identity_of(path, loaded, place, changed_data, quiet)
    training = replace(settings.training, **{**given, "device": device})
    arguments = {**settings.arguments, **{name: value for name, value in own.items() if value is not None}}
    check_budget(path, settings.training.images, training.images)
    check_sizes(training, loaded, place)
    most = most_weights(Directory(path)) if checkpoint.checkpoints(Directory(path).checkpoints) else None
    built = seeded_build(found.function, loaded.info, arguments, training.seed, most)
    change = changed(settings, training.batch_size, arguments)
    settings = replace(settings, training=training, info=now, arguments=arguments)
    Job(path, settings, built, loaded, False, place, quiet, known, change, callbacks).run()
    return opened(path, found.function, device, file=found.file)


def changed(before: Settings, batch_size: int, arguments: Mapping[str, Any]) -> str:
    """What is different in a run's options from now on, in words; "" for nothing."""
    values = [("batch size", before.training.batch_size, batch_size)]
    values += [(name.replace("_", " "), before.arguments.get(name), arguments.get(name)) for name in sorted(RATES)]
    found = [f"{name} {new:g} instead of {old:g}" for name, old, new in values if old != new]
    return f"Goes on with {' and '.join(found)}." if found else ""
