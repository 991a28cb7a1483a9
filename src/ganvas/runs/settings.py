"""What a run was asked to do: recipe, data and training options, as recipe.json holds them."""

import dataclasses
import math
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ganvas
from ganvas.data import DataInfo, ImageOptions
from ganvas.machine.precision import PRECISIONS, Precision
from ganvas.training.callbacks import Every, Sparser, When

GROWING = {
    "log_every": Sparser(1_000),
    "validate_every": Sparser(10_000),
    "metrics_every": Sparser(10_000),
    "health_every": Sparser(2_500, doublings=6),
}
"""Training's periods where none is given, but for that of checkpoints, which goes by the clock."""

PERIODS = ("checkpoint_every", *GROWING)


@dataclass(frozen=True)
class Training:
    """The options of a training run that are not its recipe's. Periods are in images seen; None for those of `GROWING`.

    labels: so many training examples keep theirs, chosen by the seed; None for all that there are.
    keep: so many of the newest checkpoints stay, besides the best.
    health_every: between two looks at the model's vital signs. rewinds: how often training may go back to a checkpoint when
        numbers are not finite. skip_gradient_norm, precision, compile: see `Trainer`.
    sync_batchnorm: whether several processes normalise over the whole batch, and not each over its part of it.
    """

    images: int
    batch_size: int
    seed: int = 0
    labels: int | None = None
    device: str = "cpu"
    log_every: int | None = None
    validate_every: int | None = None
    checkpoint_every: int | None = None
    keep: int = 2
    metrics: tuple[str, ...] = ()
    metrics_every: int | None = None
    keep_best: str | None = None
    health_every: int | None = None
    rewinds: int = 3
    skip_gradient_norm: float | None = None
    sync_batchnorm: bool = False
    precision: Precision = "float32"
    compile: bool = False

    def when(self, period: str) -> When:
        """When what has this period, a key of `GROWING`, is due."""
        given = getattr(self, period)
        return GROWING[period] if given is None else Every(given)

    def not_named(self, old: "Training") -> "Training":
        """These options, with the periods of `old` where none are given."""
        return replace(self, **{name: getattr(old, name) for name in PERIODS if getattr(self, name) is None})


@dataclass(frozen=True)
class Settings:
    """What `recipe.json` holds: enough to build the same model and to train it again.

    recipe: a name of `ganvas recipes`, or of a function in `file`. arguments: all of the recipe's.
    launch: of `torchrun`, that began the run, see `distributed.launch`.
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

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "file": self.file,
            "summary": self.summary,
            "paper": self.paper,
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
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Settings":
        data = given["data"]
        options: dict[str, Any] = {"split_by": "name", **data["options"]}  # version 0.1.0 knew no other split
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
        )


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be text")
    return value


MAY_BE_NONE = ("labels", "skip_gradient_norm", *PERIODS)

LEAST = {"seed": -(2**63), "rewinds": 0}
"""Of training's whole numbers; of all others 1."""


def training_from_json(given: Mapping[str, Any]) -> Training:
    options: dict[str, Any] = {**given, "metrics": tuple(map(text, given.get("metrics", ())))}
    training = Training(**options)
    for field in dataclasses.fields(Training):
        value = getattr(training, field.name)
        if field.name == "device" or (field.name == "keep_best" and value is not None):
            text(value)
        elif field.name in ("sync_batchnorm", "compile"):
            if not isinstance(value, bool):
                raise TypeError(f"training option {field.name} cannot be {value!r}")
        elif field.name == "precision":
            if value not in PRECISIONS:
                raise TypeError(f"training option {field.name} cannot be {value!r}")
        elif field.name in ("metrics", "keep_best") or (field.name in MAY_BE_NONE and value is None):
            continue
        elif field.name == "skip_gradient_norm":
            if not isinstance(value, float) or not 1 < value < math.inf:
                raise TypeError(f"training option {field.name} cannot be {value!r}")
        elif not isinstance(value, int) or isinstance(value, bool) or value < LEAST.get(field.name, 1):
            raise TypeError(f"training option {field.name} cannot be {value!r}")
    return training


def published_settings(settings: Settings) -> dict[str, Any]:
    """What an export says of how it was made: the settings, without this machine's folders and its command line."""
    prefix, colon, rest = settings.source.rpartition(":")
    source = prefix + colon + Path(rest).name
    return replace(
        settings, source=source, command="", launch=None, training=replace(settings.training, device="cpu")
    ).to_json()


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
