"""The verb `train`: its flags are made from `Training`, the fields of `ImageOptions` and the recipe's own options."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro
from tyro.conf import arg

from ganvas import service
from ganvas.cli import mistakes
from ganvas.cli.flags import PLAIN, CaptionColumn, Channels, Crop, FileColumn, Frames, LabelColumn, Size, White, listed
from ganvas.data import ImageOptions
from ganvas.errors import GanvasError
from ganvas.jobs.stages import STAGED
from ganvas.runs.settings import Training, training_options
from ganvas.training import recipe as recipe_module
from ganvas.use.opening import find_recipe

Field = tuple[str, Any, Any]

CHANGED_DATA = "continue a run although examples or labels were added, removed or changed"


@dataclasses.dataclass(kw_only=True)
class Place:
    """The flags of `train` that say where data comes from and where the run goes."""

    data: Annotated[str | None, arg(help="a data source: glyphs (the default), digits, ring8, a folder ...")] = None
    out: Annotated[Path | None, arg(help="the run's directory; default: runs/RECIPE-DATA")] = None
    size: Size = None
    crop: Crop = "center"
    channels: Channels = None
    white: White = None
    label_column: LabelColumn = None
    file_column: FileColumn = None
    caption_column: CaptionColumn = None
    frames: Frames = False
    overwrite: Annotated[bool, arg(help="replace the run at --out")] = False
    quiet: Annotated[bool, arg(help="print nothing")] = False


@dataclasses.dataclass(kw_only=True)
class PlaceOfRun(Place):
    """Those of one run: two stages always go on, and keep the data that they began with."""

    resume_if_there: Annotated[bool, arg(help="continue the run at --out if it exists, else start it")] = False
    changed_data: Annotated[bool, arg(help=CHANGED_DATA)] = False
    init_from: Annotated[Path | None, arg(help="begin with the weights of this run (fine-tuning)")] = None


IMAGE_OPTIONS = tuple(f.name for f in dataclasses.fields(ImageOptions) if f.name != "split_by")

RESUMED = ("images", "device", "batch_size")
"""Options of training that may change when a run continues."""


def train(arguments: Sequence[str]) -> None:
    """Train a recipe on a data source. The recipe's options are also flags."""
    given = list(arguments)
    name = given.pop(0) if given and not given[0].startswith("-") else None
    resume = take_resume(given)
    if resume is not None:
        go_on(name, resume, given)
        return
    if name is None:
        if any(flag in given for flag in ("-h", "--help")):
            print(TRAIN_HELP)
            return
        raise GanvasError("No recipe was named.", "Name a recipe, or your own file: ganvas train vae --data glyphs")
    if name in STAGED:
        train_stages(name, given)
        return
    found = find_recipe(name)
    about = recipe_module.card(found.function)
    flags = [*training_fields(), *recipe_fields(found.function)]
    kind = dataclasses.make_dataclass("Options", flags, bases=(PlaceOfRun,), kw_only=True)
    values = parsed(kind, given, f"ganvas train {name}", f"{about.summary}. {about.paper}")
    values["metrics"] = listed(values["metrics"])
    if values["data"] is None and not values["quiet"]:
        print(
            "No --data was named: training on glyphs, drawn characters. Your own pictures: --data FOLDER",
            file=sys.stderr,
        )
    service.train(found, image_options=image_options_of(values), **values)


def train_stages(name: str, given: Sequence[str]) -> None:
    """Train a system of two stages."""
    function = STAGED[name]
    about = recipe_module.card(function)
    placed = {field.name for field in dataclasses.fields(Place)}
    own = [field for field in recipe_fields(function) if field[0] not in (*placed, "image_options")]
    kind = dataclasses.make_dataclass("Options", own, bases=(Place,), kw_only=True)
    values = parsed(kind, given, f"ganvas train {name}", f"{about.summary}. {about.paper}")
    service.train(name, image_options=image_options_of(values), **values)


def image_options_of(values: dict[str, Any]) -> ImageOptions:
    """Takes the options of images out of the values of the flags."""
    return ImageOptions(**{key: values.pop(key) for key in IMAGE_OPTIONS})


def go_on(name: str | None, resume: Path | str, arguments: Sequence[str]) -> None:
    """Train a run on. resume: the run, or "" if --out names it."""
    out = ("out", Annotated[Path | None, arg(help="the run, unless --resume names it")], field_of(None))
    changed = ("changed_data", Annotated[bool, arg(help=CHANGED_DATA)], field_of(False))
    quiet = ("quiet", Annotated[bool, arg(help="print nothing")], field_of(False))
    rate = ("learning_rate", Annotated[float | None, arg(help="from now on; default: as before")], field_of(None))
    kind = dataclasses.make_dataclass("Resume", [out, *training_fields(RESUMED), rate, changed, quiet], kw_only=True)
    about = "Continue a run. Its data and other options stay the same. Its log and report say what changed."
    values = parsed(kind, arguments, "ganvas train --resume RUN", about)
    out = values.pop("out")
    if resume and out is not None:
        raise GanvasError("Both --resume and --out name a run.", "Leave --out out: a run stays in its directory.")
    if not resume and out is None:
        raise GanvasError("No run was named.", "Name it: ganvas train --resume RUN")
    service.train(name, resume=resume or out, **values)


def parsed(kind: type, arguments: Sequence[str], program: str, about: str) -> dict[str, Any]:
    """The values of a dataclass's fields by the flags that were given."""
    mistakes.check(arguments, get_type_hints(kind))
    values = tyro.cli(kind, args=list(arguments), prog=program, description=about, config=PLAIN)
    return {field.name: getattr(values, field.name) for field in dataclasses.fields(values)}


TRAIN_HELP = """\
usage: ganvas train pictures --data FOLDER   two stages for a folder of photographs or drawings
       ganvas train RECIPE|FILE [--data SOURCE] [--out DIR] [--images N] [--batch-size B] [--seed S] [--device D] ...
       ganvas train RECIPE --help         all flags, with those of the recipe
       ganvas train --resume RUN          continue a stopped run
       ganvas recipes                     list of recipes; FILE is your own Python file"""


def take_resume(arguments: list[str]) -> Path | str | None:
    """Removes `--resume [RUN]` from the arguments. Returns None without the flag, "" without a run."""
    for index, argument in enumerate(arguments):
        if argument == "--resume":
            named = index + 1 < len(arguments) and not arguments[index + 1].startswith("-")
            run = arguments[index + 1] if named else ""
            del arguments[index : index + 1 + named]
            return run
        if argument.startswith("--resume="):
            return arguments.pop(index).partition("=")[2]
    return None


def training_fields(names: Sequence[str] = ()) -> list[Field]:
    """Training's options as fields of a dataclass; those without a default may be left out. names: only these."""
    defaults = {field.name: field.default for field in dataclasses.fields(Training)}
    fields: list[Field] = []
    for name, (kind, about) in training_options().items():
        default = defaults[name]
        if default is dataclasses.MISSING:
            kind, default = kind | None, None
        if kind == tuple[str, ...]:  # names with commas between them
            kind, default = str, ",".join(default or ())
        if not names or name in names:
            fields.append((name, Annotated[kind, arg(help=about.help)], field_of(default)))
    return fields


def field_of(default: object) -> Any:
    return dataclasses.field(default=default)


def recipe_fields(function: Callable[..., Any]) -> list[Field]:
    """A recipe's arguments as fields of a dataclass, each with its line of the docstring's `Args:` as help."""
    lines = recipe_module.arguments_help(function)
    return [
        (o.name, Annotated[o.type, arg(help=lines.get(o.name, ""))], field_of(o.default))
        for o in recipe_module.options(function).values()
    ]
