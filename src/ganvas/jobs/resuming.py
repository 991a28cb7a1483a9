"""Going on with a run whose training ended, or was ended."""

from collections.abc import Mapping
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
from ganvas.runs.settings import described
from ganvas.training import checkpoint
from ganvas.use.opening import Found, most_weights, opened, recipe_of, seeded_build
from ganvas.use.run import Run


def go_on(
    path: Path,
    recipe: str | Found | None,
    given: Mapping[str, Any],
    quiet: bool,
    changed_data: bool,
    data: Source | None = None,
) -> Run:
    """Trains a run on from its newest checkpoint. recipe: its name, or the user's file that it was made from.

    given: training's options that may change. changed_data: whether the data may have changed.
    data: those of a run that cannot open them by their name.
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
    training = replace(settings.training, images=given.get("images", settings.training.images), device=device)
    check_budget(path, settings.training.images, training.images)
    check_sizes(training, loaded, place)
    most = most_weights(Directory(path)) if checkpoint.checkpoints(Directory(path).checkpoints) else None
    built = seeded_build(found.function, loaded.info, settings.arguments, training.seed, most)
    settings = replace(settings, training=training, info=now)
    Job(path, settings, built, loaded, fresh=False, place=place, quiet=quiet, identity=known).run()
    return opened(path, found.function, device)
