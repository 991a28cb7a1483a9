"""Starting a training run, or going on with one: every option checked before a file is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from ganvas.data import Data, ImageOptions, open_data
from ganvas.data.sources.by_name import Source, source_name
from ganvas.errors import GanvasError, command, option
from ganvas.jobs.checks import check, check_free, check_resumed, check_same, measured
from ganvas.jobs.job import Job
from ganvas.jobs.known_data import identity_of
from ganvas.jobs.resuming import CHANGEABLE, RATES, go_on
from ganvas.machine import distributed
from ganvas.machine.devices import resolve_device
from ganvas.runs.directory import Directory, numbered
from ganvas.runs.settings import Settings, Training, command_line, slug, training_options
from ganvas.training.recipe import Recipe, card, resolved
from ganvas.training.trainer import Trainer
from ganvas.use.abilities import abilities_of
from ganvas.use.opening import Found, find_recipe, opened, seeded_build
from ganvas.use.run import Run

OF_TABLES = ("label_column", "file_column", "caption_column", "frames")
"""Further fields of `ImageOptions` that `train` takes by their names."""


def train(
    recipe: str | Found | None = None,
    *,
    data: Source | None = None,
    out: str | Path | None = None,
    image_options: ImageOptions = ImageOptions(),
    overwrite: bool = False,
    resume: str | Path | None = None,
    resume_if_there: bool = False,
    changed_data: bool = False,
    init_from: str | Path | None = None,
    callbacks: Sequence[Callable[[Trainer], object]] = (),
    quiet: bool = False,
    size: int | None = None,
    crop: Literal["center", "none"] | None = None,
    channels: int | None = None,
    white: int | None = None,
    **options: Any,
) -> Run:
    """Trains a recipe on a data source (by default `glyphs`), and returns the run.

    data: the name of a source; in Python also a Path, a list of files, an array or tensor of images or points, a Dataset of
        torch or of `datasets`, or a pair of an array and its labels. A run on all but the first two cannot open its data.
    size, crop, channels, white, and label_column and others: fields of `ImageOptions`, in place of `image_options`.
    recipe: a name of `recipes()`, a Python file, or what `find_recipe` made of either. out: the run's directory, by default
        runs/RECIPE-SOURCE. After a failure, processes restarted by `torchrun` continue their own run.
    resume: a run to continue: only `CHANGEABLE` options and `RATES` may change, and `data` if the run cannot open its own.
    resume_if_there: continue the run at `out` if it exists, else start it: one command for every restart.
    changed_data: continue a run although its data changed; shape and classes must be the same.
    init_from: a run with whose weights and averages the new run begins. callbacks: functions of the trainer, called with
        each line of metrics; `trainer.stop()` ends training.
    options: the fields of `Training`, such as `images`, and those of the recipe. None means not given.

    Raises GanvasError for all mistakes of a user.
    """
    tables = {name: options.pop(name) for name in OF_TABLES if name in options}
    given, own = parted(options)
    check_callbacks(callbacks)
    image_options = with_named(image_options, size=size, crop=crop, channels=channels, white=white, **tables)
    if resume is not None:
        placed = out is not None or overwrite or resume_if_there or image_options != ImageOptions()
        check_resumed(placed or init_from is not None, bool(own.keys() - RATES) or not given.keys() <= CHANGEABLE)
        return go_on(Path(resume), recipe, given, own, quiet, changed_data, data, callbacks)
    found = named(recipe)
    source = "glyphs" if data is None else data
    check_restart(resume_if_there, out, overwrite)
    place, path = place_of(found, source, given, out)
    goes_on = may_go_on(path, resume_if_there, overwrite, place, resolve_device(str(given.get("device", "cpu"))))
    old = Directory(path).settings() if goes_on else None
    image_options = as_before(image_options, old)
    loaded = open_data(source, image_options)
    built = seeded_build(found.function, loaded.info, own, given.get("seed", 0))
    training = planned(given, built) if old is None else planned(given, built).not_named(old.training)
    check(training, card(found.function).name, built, loaded, place)
    settings = settled(found, own, image_options, loaded, training, built, init_from)
    check_same(path, old, settings, changed_data)
    known = identity_of(path if goes_on else None, loaded, place, changed_data, quiet)
    Job(path, settings, built, loaded, not goes_on, place, quiet, known, callbacks=callbacks).run()
    return opened(path, found.function, training.device, file=found.file)


def named(recipe: str | Found | None) -> Found:
    """The recipe of a name; GanvasError without one."""
    if recipe is None:
        raise GanvasError("No recipe was named.", f"Name a recipe: {command('train', 'vae', data='glyphs')}")
    return find_recipe(recipe) if isinstance(recipe, str) else recipe


def check_callbacks(callbacks: Sequence[Callable[[Trainer], object]]) -> None:
    """GanvasError unless these are functions."""
    wrong = [each for each in callbacks if not callable(each)]
    if wrong:
        raise GanvasError(
            f"A callback is a function of the trainer, not {type(wrong[0]).__name__}.", "Write `callbacks=[function]`."
        )


def place_of(
    found: Found, source: Source, given: Mapping[str, Any], out: str | Path | None
) -> tuple[distributed.Place, Path]:
    """This process's place among those that train, and the run's directory."""
    here = resolve_device(str(given.get("device", "cpu")))
    place = distributed.join(here)
    default = Path("runs") / f"{card(found.function).name}-{slug(source_name(source))}"
    return place, Path(out) if out else own_path(default, place, here)


def check_restart(resume_if_there: bool, out: str | Path | None, overwrite: bool) -> None:
    """GanvasError for a run to be continued if it exists whose place is not named, or that would be overwritten."""
    if resume_if_there and (out is None or overwrite):
        raise GanvasError(
            f"{option('resume_if_there')} needs {option('out')}, and excludes {option('overwrite')}.",
            f"Write {option('out', 'DIR')}, and leave {option('overwrite')} out.",
        )


def with_named(options: ImageOptions, **named: Any) -> ImageOptions:
    """The options with those fields that were given by their own names."""
    return replace(options, **{name: value for name, value in named.items() if value is not None})


def as_before(options: ImageOptions, old: Settings | None) -> ImageOptions:
    """The options of a run. One that goes on keeps its split, and the white that was told from its data."""
    if old is None:
        return options
    return replace(options, split_by=old.options.split_by, white=options.white or old.options.white)


def may_go_on(path: Path, resume_if_there: bool, overwrite: bool, place: distributed.Place, device: str) -> bool:
    """Whether there is a run to go on with. GanvasError when something is there that must not be lost."""
    there = Directory(path).recipe.is_file() if resume_if_there else is_mine(path)
    goes_on = bool(distributed.from_leader(int(there), device))
    if place.leads and not goes_on:
        check_free(path, overwrite)
    return goes_on


def parted(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Training's options that were given, and the recipe's own."""
    known = training_options()
    given = {name: value for name, value in options.items() if name in known and value is not None}
    values: dict[str, Any] = {"images": 1, "batch_size": 1, **in_form(given)}
    Training(**values)  # refuses what has the wrong type, before it is used
    return in_form(given), {name: value for name, value in options.items() if name not in known}


def in_form(given: Mapping[str, Any]) -> dict[str, Any]:
    """Training's options as its fields hold them: lists as tuples, `skip_gradient_norm` as a float."""
    values: dict[str, Any] = {
        name: tuple(cast(list[Any], value)) if isinstance(value, list) else value for name, value in given.items()
    }
    norm = values.get("skip_gradient_norm")
    return values | ({"skip_gradient_norm": float(norm)} if isinstance(norm, int) else {})


def planned(given: Mapping[str, Any], built: Recipe) -> Training:
    """How training goes: what was given, and the recipe's own budget, batch and periods for what was not."""
    default: dict[str, Any] = {"images": built.images, "batch_size": built.batch_size}
    default |= dict.fromkeys(("log_every", "validate_every", "metrics_every"), built.report_every)
    training = Training(**(default | dict(given)))
    return replace(training, metrics=measured(training.metrics, given.get("metrics_every"), training.keep_best))


def settled(
    found: Found,
    own: Mapping[str, Any],
    image_options: ImageOptions,
    loaded: Data,
    training: Training,
    built: Recipe,
    init_from: str | Path | None = None,
) -> Settings:
    """What recipe.json will hold. own: the recipe's options that were given."""
    about = card(found.function)
    return Settings(
        recipe=about.name,
        file=str(found.file) if found.file else None,
        summary=about.summary,
        paper=about.paper,
        arguments=resolved(found.function, own),
        source=loaded.source,
        options=replace(image_options, white=loaded.white or image_options.white),
        info=loaded.info,
        training=training,
        command=command_line(),
        launch=distributed.launch(),
        init_from=None if init_from is None else str(init_from),
        abilities=tuple(ability.name for ability in abilities_of(built.model)),
    )


def own_path(path: Path, place: distributed.Place, device: str) -> Path:
    """`path`, or path-2, path-3 ...: the first that does not exist, or that this launch started before a restart.

    The first process decides for all of them.
    """
    paths = (numbered(path, number) for number in range(1, 10_000))
    found = next(n for n, p in enumerate(paths, 1) if is_mine(p) or not p.exists()) if place.leads else 0
    return numbered(path, distributed.from_leader(found, device))


def is_mine(path: Path) -> bool:
    """Whether this launch of `torchrun` started the run and was restarted since."""
    return distributed.restarted() and Directory(path).begun_by(distributed.launch())
