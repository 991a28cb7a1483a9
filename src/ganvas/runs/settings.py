"""What a run was asked to do: recipe, data and training options, as recipe.json holds them."""

import dataclasses
import functools
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_type_hints

import ganvas
from ganvas.data import DataInfo, ImageOptions
from ganvas.errors import GanvasError, option
from ganvas.machine.checks import at_least
from ganvas.machine.precision import Precision
from ganvas.training.callbacks import Every, Sparser, When
from ganvas.training.recipe import describe, fits

GROWING = {
    "log_every": Sparser(1_000),
    "validate_every": Sparser(10_000),
    "metrics_every": Sparser(10_000),
    "health_every": Sparser(2_500, doublings=6),
}
"""The default periods of training. Checkpoints have none: they depend on elapsed time."""

PERIODS = ("checkpoint_every", *GROWING)


def grows(period: str) -> str:
    """The help text for a period's default."""
    how = GROWING[period]
    return f"default: {how.first:,} at first, and up to {1 << how.doublings} times as many later"


@dataclass(frozen=True)
class About:
    """What help says about an option, and the least number that it may be."""

    help: str
    least: int | None = None


@dataclass(frozen=True, kw_only=True)
class Training:
    """The options of a training run that do not belong to the recipe.

    The command line makes flags of these fields, `train` takes them as keyword arguments, and `recipe.json` holds them.
    The recipe sets fields without a default. Periods are in images seen; None means the period of `GROWING`. Raises
    GanvasError for a wrong type or range.
    """

    images: Annotated[int, About("total number of images to see", least=1)]
    batch_size: Annotated[int, About("images per step", least=1)]
    seed: Annotated[int, About("seed of weights, order and noise")] = 0
    labels: Annotated[
        int | None,
        About("number of training examples that keep labels, for recipes with few labels; default: all", 1),
    ] = None
    device: Annotated[str, About("cpu, cuda, mps or auto")] = "cpu"
    log_every: Annotated[int | None, About(f"images between two lines of metrics; {grows('log_every')}", 1)] = None
    validate_every: Annotated[
        int | None, About(f"images between two validations on held-out data; {grows('validate_every')}", 1)
    ] = None
    checkpoint_every: Annotated[
        int | None,
        About("images between two checkpoints; default: 5 seconds, or 200 times the saving time if longer", 1),
    ] = None
    keep: Annotated[int, About("number of newest checkpoints to keep, besides the best", 1)] = 2
    metrics: Annotated[
        tuple[str, ...],
        About("metrics to compute during training, on few samples: names with commas, see ganvas metrics"),
    ] = ()
    metrics_every: Annotated[int | None, About(f"images between two measurements; {grows('metrics_every')}", 1)] = None
    keep_best: Annotated[
        str | None, About("keep the checkpoint with the best value of this metric; open it with best")
    ] = None
    health_every: Annotated[
        int | None, About(f"images between two examinations of the model's health; {grows('health_every')}", 1)
    ] = None
    rewinds: Annotated[int, About("how often to return to a checkpoint after NaN or infinity", 0)] = 3
    skip_gradient_norm: Annotated[
        float | None, About("skip steps with a gradient norm this many times the usual one; 10, say")
    ] = None
    sync_batchnorm: Annotated[
        bool, About("with several processes, normalise over the whole batch, as one process does")
    ] = False
    precision: Annotated[
        Precision,
        About("precision of networks in training; bf16 needs hardware support; sensitive parts stay in float32"),
    ] = "float32"
    compile: Annotated[
        bool, About("compile each player's turn with torch.compile; adds about a minute at the start")
    ] = False

    def __post_init__(self) -> None:
        for name, (kind, about) in training_options().items():
            value = getattr(self, name)
            if not fits(value, kind):
                raise GanvasError(f"{option(name)} cannot be {value!r}.", f"It takes {describe(kind)}.")
            if value is not None and about.least is not None:
                at_least(value, about.least, name)
        if self.skip_gradient_norm is not None and not self.skip_gradient_norm > 1:
            raise GanvasError(
                f"{option('skip_gradient_norm')} must be above 1, not {self.skip_gradient_norm:g}.",
                "It is the maximum gradient norm of a move, in units of the usual one: for example 10.",
            )

    def when(self, period: str) -> When:
        """When an action with this period, a key of `GROWING`, is due."""
        given = getattr(self, period)
        return GROWING[period] if given is None else Every(given)

    def not_named(self, old: "Training") -> "Training":
        """These options; missing periods are taken from `old`."""
        return replace(self, **{name: getattr(old, name) for name in PERIODS if getattr(self, name) is None})


@functools.cache
def training_options() -> dict[str, tuple[Any, About]]:
    """The type and description of each training option."""
    hints = get_type_hints(Training, include_extras=True)
    split = {field.name: get_args(hints[field.name]) for field in dataclasses.fields(Training)}
    return {name: (parts[0], parts[1]) for name, parts in split.items()}


OF_TRAIN = (
    "recipe data out image_options overwrite resume resume_if_there changed_data init_from callbacks quiet file help"
)
"""Arguments of `train` and of the command line, besides the fields of `Training`."""

RESERVED = frozenset(OF_TRAIN.split()).union(
    (field.name for field in dataclasses.fields(ImageOptions)), (field.name for field in dataclasses.fields(Training))
)
"""Names that a recipe's own options cannot have: training takes what is given by them."""


@dataclass(frozen=True)
class Settings:
    """The content of `recipe.json`: enough to build the same model and to train it again.

    recipe: a name of `ganvas recipes`, or of a function in `file`. arguments: all of the recipe's arguments.
    launch: the launch of `torchrun` that started the run, see `distributed.launch`.
    init_from: the run with whose weights this one began.
    abilities: what the model can do, by the names of `use.abilities`; version 0.1.0 did not write them.
    """

    recipe: str
    file: str | None
    summary: str
    paper: str
    arguments: dict[str, Any]
    source: str
    options: ImageOptions
    info: DataInfo
    training: Training
    command: str
    launch: str | None = None
    init_from: str | None = None
    abilities: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "file": self.file,
            "summary": self.summary,
            "paper": self.paper,
            "abilities": list(self.abilities),
            "arguments": self.arguments,
            "data": {
                "source": self.source,
                "options": dataclasses.asdict(self.options),
                "info": self.info.to_json(),
            },
            "training": dataclasses.asdict(self.training),
            "ganvas": ganvas.__version__,
            "command": self.command,
            "launch": self.launch,
            "init_from": self.init_from,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Settings":
        data = given["data"]
        # Version 0.1.0 knew no other split, and no other white than the largest value of the format.
        options: dict[str, Any] = {"split_by": "name", "white": 65_535, **data["options"]}
        return cls(
            recipe=text(given["recipe"]),
            file=None if given["file"] is None else text(given["file"]),
            summary=text(given["summary"]),
            paper=text(given["paper"]),
            arguments={text(k): tuple(v) if isinstance(v, list) else v for k, v in dict(given["arguments"]).items()},
            source=text(data["source"]),
            options=ImageOptions(**options),
            info=DataInfo.from_json(data["info"]),
            training=training_from_json(given["training"]),
            command=text(given["command"]),
            launch=None if given.get("launch") is None else text(given["launch"]),
            init_from=None if given.get("init_from") is None else text(given["init_from"]),
            abilities=tuple(map(text, given.get("abilities", ()))),
        )


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be text")
    return value


def training_from_json(given: Mapping[str, Any]) -> Training:
    """What `recipe.json` holds of training. Raises ValueError or TypeError when it is not as a run writes it."""
    try:
        options: dict[str, Any] = {
            name: tuple(cast(list[Any], value)) if isinstance(value, list) else value for name, value in given.items()
        }
        return Training(**options)
    except GanvasError as error:
        raise ValueError(f"training option {error.message}") from error


def published_settings(settings: Settings) -> dict[str, Any]:
    """The settings in an export: without this machine's folders and command line."""
    prefix, colon, rest = settings.source.rpartition(":")
    source = prefix + colon + Path(rest).name
    return replace(
        settings,
        source=source,
        command="",
        launch=None,
        init_from=None,
        training=replace(settings.training, device="cpu"),
    ).to_json()


def described(info: DataInfo) -> str:
    return f"{info.num_train} examples of shape {info.shape} in {len(info.classes)} classes"


def slug(source: str) -> str:
    """A source's name as part of a folder's name."""
    name = (
        Path(source.partition(":")[2] or source).name.removesuffix(".npz").removesuffix(".npy").removesuffix(".zip")
        or "data"
    )
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def command_line() -> str:
    """The command line of this process, or ""."""
    started = Path(sys.argv[0]).name in ("ganvas", "__main__.py")
    return shlex.join(["ganvas", *sys.argv[1:]]) if started else ""
