"""Opening a run: its recipe, its networks, its data."""

import functools
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.data import Data, DataInfo, ImageOptions, Split, add_source, identity, open_data
from ganvas.data.domains.codes import Coded
from ganvas.data.identity import Identity
from ganvas.data.sources.by_name import Source
from ganvas.errors import GanvasError, command, did_you_mean, either, option
from ganvas.machine import memory, rng
from ganvas.machine.devices import resolve_device
from ganvas.machine.storage import atomically, read_object
from ganvas.recipes import RECIPES, from_file
from ganvas.runs.directory import PUBLISHED, Directory
from ganvas.runs.settings import RESERVED, Settings
from ganvas.training.recipe import Recipe, RecipeFunction, build, recipe_name
from ganvas.training.recipe import options as recipe_options
from ganvas.use.codes_source import (
    FIRST,
    PREFIX,
    STANDARD,
    first_path,
    is_codes,
    read_codes,
    stage_of,
    standard_from,
    stored,
    with_domain,
)
from ganvas.use.hub import pull, write_hub_folder
from ganvas.use.run import Run

HUB = "hub:"
"""The prefix of a model on the Hugging Face hub, in place of a run's directory."""


@dataclass(frozen=True)
class Found:
    """A recipe's function, and the user's file that it stands in; None for one of ganvas's own."""

    function: RecipeFunction
    file: Path | None = None


def open_run(path: str | Path, *, file: str | None = None, device: str = "cpu", best: bool = False) -> Run:
    """Opens a trained run, or an exported model in a folder or on the hub (hub:USER/NAME).

    file: the user's own Python file, for a run that was made from one. best: the checkpoint that `keep_best` kept.
    """
    folder = pull(str(path)[len(HUB) :]) if str(path).startswith(HUB) else Path(path)
    settings = Directory(folder).settings()
    found = recipe_of(settings, folder, file)
    return opened(folder, found.function, device, best, found.file)


def opened(
    folder: Path, function: RecipeFunction, device: str = "cpu", best: bool = False, file: Path | None = None
) -> Run:
    """The run in a folder, whose recipe was found before. file: the user's file that it was found in."""
    settings = Directory(folder).settings()
    if is_codes(settings.source):
        settings = replace(settings, info=with_domain(settings.info, *first_stage(folder, settings.source, device)))
    return Run(
        folder,
        settings,
        lambda: seeded_build(
            function, settings.info, settings.arguments, settings.training.seed, most_weights(Directory(folder))
        ),
        resolve_device(device),
        best,
        functools.partial(
            open_run, folder.absolute(), file=None if file is None else str(file), device=device, best=best
        ),
    )


def first_stage(folder: Path, source: str, device: str) -> tuple[Run, list[Tensor] | None]:
    """The first stage of a run in a folder, and the scale of its codes.

    It is what the run keeps of it; a run that lacks it has only the name of its first stage.
    """
    kept = folder / FIRST
    if not kept.is_dir():
        raise GanvasError(
            f"The run {folder} lacks the folder {FIRST} with its first stage, so its codes cannot be decoded.",
            f"Copy it from where the run was trained; its first stage was {first_path(source)}.",
        )
    try:
        return open_run(kept, device=device), standard_from(read_object(kept / STANDARD))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise GanvasError(
            f"{kept / STANDARD} is damaged: {error}.", "Copy it from where the run was trained."
        ) from error


def keep_first_stage(folder: Path, domain: Coded) -> None:
    """Puts the networks of a first stage into the folder of the run that learns its codes, unless they are there."""
    if (folder / FIRST / STANDARD).is_file():  # the last to be written
        return
    stage, place = stage_of(domain), folder / FIRST
    place.mkdir(exist_ok=True)
    write_hub_folder(stage.run, place)
    atomically(place / STANDARD, lambda part: part.write_text(json.dumps(stored(stage))))


def codes(name: str, options: ImageOptions, limit: int | None) -> Data:
    """The source codes:RUN. GanvasError for a run that is not finished, or that has no codes."""
    run = open_run(name)
    if not run.directory.published and run.images_seen < run.settings.training.images:
        raise GanvasError(
            f"The run {name} is not finished: it has seen {run.images_seen:,} of {run.settings.training.images:,} images.",
            f"Train it to its end, or shorten it: {command('train', resume=name, images=run.images_seen)}",
        )
    data = as_trained(run, run.settings.source)
    if limit is not None:
        kept = [split.select(torch.arange(min(limit, len(split)))) for split in (data.train, data.held_out)]
        data = replace(data, train=kept[0], held_out=kept[1])
    return read_codes(run, data, options, f"{PREFIX}{name}")


add_source(PREFIX.removesuffix(":"), codes)


def seeded_build(
    function: RecipeFunction, info: DataInfo, options: Mapping[str, Any], seed: int, most: int | None = None
) -> Recipe:
    """Builds a recipe; the seed determines the initial weights.

    most: maximum bytes for the networks. By default they must fit for training: weights, gradients and two averages of
    these. Raises GanvasError before more memory is allocated.
    """
    what, hint = "These networks", f"Ask for smaller ones: a smaller {option('width')}, for example."
    if most is not None:
        what, hint = "The networks of recipe.json", "They are larger than the run's files: the run is damaged."
    limit = memory.room() // 4 if most is None else min(most, memory.room())
    with memory.at_most(limit, what, hint), rng.building(seed, "weights"):
        return build(function, info, options)


def most_weights(directory: Directory) -> int:
    """Maximum bytes of a run's networks: its files hold the weights, so their size is a bound.

    An export does not hold the networks that only training needs.
    """
    files = [directory.path / PUBLISHED, *directory.checkpoints.glob("*.safetensors")]
    return 64 * 2**20 + 16 * max((file.stat().st_size for file in files if file.is_file()), default=0)


def find_recipe(name: str) -> Found:
    """A recipe by its name, or from a Python file, which is executed. GanvasError when an option has a reserved name."""
    if name.endswith(".py"):
        function = from_file(Path(name))
        refuse_reserved(function)
        return Found(function, Path(name))
    if name not in RECIPES:
        if Path(name).exists():
            raise GanvasError(
                f"{name!r} is no recipe: it looks like data.",
                f"Name a recipe first: {command('train', 'vaegan', data=name)}",
            )
        raise GanvasError(f"There is no recipe {name!r}.", did_you_mean(name, RECIPES))
    return Found(RECIPES[name])


def refuse_reserved(function: RecipeFunction) -> None:
    """Raises GanvasError when a recipe's option has a name by which training takes an option of its own."""
    taken = sorted(RESERVED.intersection(recipe_options(function)))
    if taken:
        raise GanvasError(
            f"Recipe {recipe_name(function)!r} has an option {taken[0]!r}, which is a name of training's own options.",
            f"Give it another name, such as {taken[0]}_of_network. Reserved are: {', '.join(sorted(RESERVED))}.",
        )


def recipe_of(settings: Settings, path: Path, file: str | None) -> Found:
    """A run's recipe. The code of a user's file is executed only when the user names the file."""
    if settings.file is None:
        return find_recipe(settings.recipe)
    if file is None:
        raise GanvasError(
            f"The run {path} was made from the file {settings.file}, which is executed only if you name it.",
            f"If you trust that file, name it: {either('--file FILE', '`ganvas.open(run, file=FILE)`')}; to train on:"
            f" {either('ganvas train FILE --resume RUN', '`ganvas.train(FILE, resume=RUN)`')}.",
        )
    return Found(from_file(Path(file), settings.recipe), Path(file))


def as_trained(run: Run, source: Source) -> Data:
    """A source with its images converted to the shape of the run's examples."""
    about = run.info if isinstance(source, str) and is_codes(source) else run.shown
    shape, options = about.shape, run.settings.options
    if about.domain.kind == "images":
        options = replace(options, size=shape[1], channels=shape[0])
    loaded = open_data(source, options)
    if loaded.info.shape != shape:
        raise GanvasError(
            f"{loaded.source!r} has examples of shape {loaded.info.shape}; the run was trained on {shape}."
        )
    return loaded


def trained_on(run: Run, source: str, loaded: Data) -> Split | str | None:
    """The run's training data if it is not the training split of `loaded`, or the reason why it cannot be read."""
    if source == run.settings.source:
        return None
    try:
        own = as_trained(run, run.settings.source).train
    except GanvasError as error:
        return error.message
    return None if torch.equal(own.x, loaded.train.x) else own


def must_hold_out(source: str, num: int) -> None:
    if not num:
        raise GanvasError(
            f"{source!r} has no held-out examples.",
            "Add some: of two different pictures that can be read one is held out, unless it is all that a class has.",
        )


def warn_of_known(run: Run, source: str, loaded: Data) -> None:
    """Warns if a run's own data have changed, and if it was trained on examples that it is to be measured on."""
    then = identity.read(run.path)
    if then is None:
        return
    now = Identity.of(loaded)
    different = then.differences(now) if source == run.settings.source else []
    if different:
        warnings.warn(f"The data of the run {run.path} have changed: {'; '.join(different)}.", stacklevel=3)
    known, num = then.trained_on(now.held_out.numbers), len(loaded.held_out)
    if known:
        warnings.warn(
            f"The run {run.path} was trained on {known:,} of these {num:,} held-out examples ({known / num:.0%}):"
            " scores are better than on examples that it has not seen.",
            stacklevel=3,
        )
