"""What a user looks at: recipes, data, a run's report and its health."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganvas.data import ImageOptions, batches, open_data, representative, summary
from ganvas.data.domains.pictures import save_picture
from ganvas.data.sources import cache as data_cache
from ganvas.data.sources.by_name import Source
from ganvas.errors import GanvasError
from ganvas.health import Diagnosis, diagnose
from ganvas.jobs.stages import STAGED
from ganvas.machine import storage
from ganvas.machine.checks import at_least
from ganvas.recipes import RECIPES
from ganvas.report import write_report
from ganvas.report.reader import read_run
from ganvas.report.verdict import Verdict, verdict
from ganvas.runs.directory import Directory
from ganvas.training.contract import Facts, dry_step
from ganvas.training.recipe import build, card, example, learnt, resolved
from ganvas.training.trainer import Trainer
from ganvas.use.abilities import abilities_of
from ganvas.use.opening import find_recipe


@dataclass(frozen=True)
class RecipeFacts:
    """A line of `ganvas recipes`. abilities: what its model can do, see `use.abilities`. learns: kinds of examples."""

    name: str
    summary: str
    paper: str
    players: tuple[str, ...]
    abilities: tuple[str, ...]
    learns: tuple[str, ...]
    options: dict[str, Any]


def recipes() -> list[RecipeFacts]:
    """The recipes."""
    facts: list[RecipeFacts] = []
    for function in RECIPES.values():
        about, model = card(function), build(function, example(function), {}).model
        players = tuple(player.name for player in model.players())
        abilities = tuple(ability.name for ability in abilities_of(model))
        own = resolved(function, {})
        facts.append(RecipeFacts(about.name, about.summary, about.paper, players, abilities, learnt(function), own))
    staged = ((card(function), resolved(function, {})) for function in STAGED.values())
    return [
        *facts,
        *(RecipeFacts(about.name, about.summary, about.paper, (), (), ("images",), own) for about, own in staged),
    ]


def data(
    source: Source, *, out: Path | None = None, num: int = 100, image_options: ImageOptions = ImageOptions()
) -> dict[str, Any]:
    """Facts about a data source. Draws its first `num` examples to `out`."""
    at_least(num, 1, "num")
    loaded = open_data(source, image_options)
    if out is not None:
        shown = num if loaded.info.domain.in_rows else len(loaded.train)
        save_picture(loaded.train.batch(representative(loaded.train, shown)).x, out, loaded.info)
    return summary(loaded)


def clear_cache() -> tuple[int, int]:
    """Removes the cache of decoded folders. Returns the number of folders and bytes."""
    return data_cache.clear()


def check(file: str, *, data: Source = "glyphs", image_options: ImageOptions = ImageOptions()) -> Facts:
    """One dry step of a recipe on a data source: players, terms, and parameters without a gradient."""
    function = find_recipe(file).function
    loaded = open_data(data, image_options)
    recipe = build(function, loaded.info, {})
    trainer = Trainer(recipe.model, recipe.optimizers, transform=recipe.transform)
    return dry_step(trainer, next(batches(loaded.train, min(recipe.batch_size, len(loaded.train)), seed=0)))


def report(path: str | Path) -> Path:
    """Writes a run's report.html again."""
    Directory(Path(path)).settings()
    return write_report(Path(path))


@dataclass(frozen=True)
class Checkup:
    """The result of `ganvas doctor`. running: whether a process on this machine trains the run. quality: of samples."""

    path: str
    recipe: str
    data: str
    running: bool
    diagnosis: Diagnosis
    quality: Verdict


def doctor(path: str | Path) -> Checkup:
    """Diagnoses a run, finished or in training, by its metrics. Skips damaged lines with a warning.

    Raises GanvasError if the run does not exist or has no metrics.
    """
    directory = Directory(Path(path))
    settings = directory.settings()
    lines, damage = directory.log.intact()
    if not lines:
        raise GanvasError(
            f"The run {path} has no metrics yet.",
            "An exported model has no metrics; a run has metrics once it trains.",
        )
    if damage:
        warnings.warn(damage, stacklevel=2)
    diagnosis = diagnose([line.record() for line in lines], settings.arguments)
    quality = verdict(read_run(directory.path))
    return Checkup(str(path), settings.recipe, settings.source, storage.in_use(directory.path), diagnosis, quality)
