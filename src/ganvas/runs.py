"""A run: a directory that holds what was trained and how, and the model in it, ready to use."""

import dataclasses
import json
import math
import os
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import ganvas
from ganvas import checkpoint, rng
from ganvas.callbacks import Every, Sparser, When
from ganvas.data import DataInfo, ImageOptions
from ganvas.errors import GanvasError, did_you_mean
from ganvas.machine import facts
from ganvas.model import Autoencoder, Model
from ganvas.precision import PRECISIONS, Precision
from ganvas.priors import truncated
from ganvas.recipe import Recipe
from ganvas.storage import atomically, leftovers, lines, parsed_object, read_object

PUBLISHED = "model.safetensors"
"""The weights of a folder that `ganvas export --to hub-folder` wrote; its config.json holds what a run's recipe.json does."""


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
        return cls(
            recipe=text(given["recipe"]),
            file=None if given["file"] is None else text(given["file"]),
            summary=text(given["summary"]),
            paper=text(given["paper"]),
            arguments={text(k): tuple(v) if isinstance(v, list) else v for k, v in dict(given["arguments"]).items()},
            source=text(data["source"]),
            options=ImageOptions(**data["options"]),
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


@dataclass(frozen=True)
class Directory:
    """The files of a run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.json"

    @property
    def published(self) -> bool:
        """Whether this is not a run, but what was exported of one: it can be used, and not be trained further."""
        return not self.recipe.is_file() and all((self.path / name).is_file() for name in ("config.json", PUBLISHED))

    def create(self, settings: Settings, recipe: Recipe) -> None:
        """Writes what is known before the first step."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.write("recipe.json", settings.to_json())  # the first: what has it is a run, however little else it has
        self.write("environment.json", environment(settings.training.device))
        self.complete(recipe)

    def complete(self, recipe: Recipe) -> None:
        """What else a run has before its first step, if it lacks it: it may have been killed while it was created."""
        self.samples.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        self.write("networks.json", networks(recipe.model))
        self.metrics.touch()

    def write(self, name: str, content: object) -> None:
        atomically(self.path / name, lambda part: part.write_text(json.dumps(content, indent=2)))

    def settings(self) -> Settings:
        """Reads `recipe.json`. Raises GanvasError when this is no run, or not one of ours."""
        if not self.path.exists():
            raise GanvasError(f"There is no run at {self.path}.", nearest_runs(self.path))
        if not self.recipe.is_file() and not self.published:
            raise GanvasError(f"{self.path} is not a run: it has no recipe.json.", nearest_runs(self.path))
        file = self.path / "config.json" if self.published else self.recipe
        try:
            return Settings.from_json(read_object(file))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise GanvasError(f"{file} is damaged, or no ganvas run's: {type(error).__name__}: {error}.") from error

    def begun_by(self, launch: str | None) -> bool:
        """Whether it was this launch of `torchrun` that began the run; never where there is none of either."""
        try:
            return launch is not None and read_object(self.recipe).get("launch") == launch
        except (OSError, ValueError):
            return False

    def record(self, line: Mapping[str, object]) -> None:
        """Adds one line to `metrics.jsonl`."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def seconds(self) -> float:
        """How long the run was trained so far, by its metrics."""
        facts = (parsed(line) for line in lines(self.metrics) if belongs(line, sys.maxsize))
        return max((number(fact.get("seconds")) for fact in facts), default=0.0)

    def latest(self, key: str) -> float | None:
        """The newest number of that name in the metrics; None where there is none."""
        found = [number(fact[key]) for fact in map(parsed, lines(self.metrics)) if key in fact]
        return found[-1] if found else None

    def facts(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`, without what a crash cut short."""
        return [fact for fact in map(parsed, lines(self.metrics)) if fact]

    def machine(self) -> str:
        """The device that the run was trained on, or its processor; nothing where that was not recorded."""
        try:
            about = read_object(self.path / "environment.json")
            return text(about["processor"] if about["device"] == "cpu" else about["device"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def erase(self) -> None:
        """Removes an old run's files, and only those that a run writes; but for recipe.json, which `create` replaces.

        Wherever this is interrupted, there is a run that can be overwritten.
        """
        for pattern in RUN_FILES:
            for old in self.path.glob(pattern):
                if old != self.recipe:
                    old.unlink()
        for part in (*leftovers(self.path), *leftovers(self.checkpoints)):
            part.unlink()

    def rewind(self, images: int) -> None:
        """Drops the metrics that a run wrote after the checkpoint at `images`, or because it ended there."""
        kept = [line for line in lines(self.metrics) if line.endswith("\n") and belongs(line, images)]
        atomically(self.metrics, lambda part: part.write_text("".join(kept)))
        for picture in self.samples.glob("*-*.png"):
            seen = picture.stem.rpartition("-")[2]
            if re.fullmatch("[0-9]{1,16}", seen) and int(seen) > images:
                picture.unlink()
        for part in leftovers(self.path):
            part.unlink()
        checkpoint.tidy(self.checkpoints, images)

    def guard(self) -> None:
        """Raises GanvasError when one of the run's files is a link: a stranger's run must not be written through it."""
        own = [self.samples, self.checkpoints, *(found for pattern in RUN_FILES for found in self.path.glob(pattern))]
        linked = [path for path in own if path.is_symlink()]
        if linked:
            raise GanvasError(
                f"{linked[0]} is a link, and a run is only written to within its own folder.",
                "Copy the run with what its links lead to (cp -rL), and go on with the copy.",
            )


RUN_FILES = (
    "samples/*.png",
    "checkpoints/*.json",
    "checkpoints/*.safetensors",
    "recipe.json",
    "environment.json",
    "networks.json",
    "metrics.jsonl",
    "evaluation.json",
    "neighbours.png",
    "report.html",
)


def parsed(line: str) -> dict[str, Any]:
    """A line of metrics; nothing of a line that a crash cut short."""
    try:
        return parsed_object(line)
    except ValueError:
        return {}


def number(value: object) -> float:
    """A number as the metrics hold it; 0 for everything else."""
    try:
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
    except OverflowError:
        return 0.0


def belongs(line: str, images: int) -> bool:
    """Whether a line is of the run as it was at so many images; one that a crash cut short is not."""
    fact = parsed(line)
    seen = fact.get("images")
    return isinstance(seen, int | float) and seen <= images and not fact.get("partial", False)


class Run:
    """A trained model with its settings.

    build: makes the run's recipe anew, with the weights that it began from.
    best: whether to take the checkpoint that was best by `--keep-best`, in place of the newest.
    x: images (N, C, H, W) in [−1, 1], or points (N, D). All methods leave torch's own generators as they were.
    """

    def __init__(
        self, path: Path, settings: Settings, build: Callable[[], Recipe], device: str = "cpu", best: bool = False
    ) -> None:
        self.path, self.settings, self.build, self.device, self.best = path, settings, build, device, best
        self.directory = Directory(path)

    @property
    def info(self) -> DataInfo:
        return self.settings.info

    @cached_property
    def recipe(self) -> Recipe:
        """What the run was made by."""
        return self.build()

    @cached_property
    def model(self) -> Model:
        """The model of the newest checkpoint, or the best, averaged where the run kept an average, ready to be used."""
        if self.directory.published:
            model = published_model(self.path, self.recipe.model)
            return finite(model, self.path).to(self.device).eval().requires_grad_(False)
        model = self.recipe.model
        facts, tensors = self.best_checkpoint() if self.best else self.newest_checkpoint()
        averaged = any(name.startswith("ema/") for name in tensors)
        checkpoint.fill(model, tensors, "ema/" if averaged else "model/")
        model.images_seen = facts["images_seen"]
        return finite(model, self.path).to(self.device).eval().requires_grad_(False)

    def newest_checkpoint(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        found = checkpoint.newest(self.directory.checkpoints, warn=warn)
        if found is None:
            raise GanvasError(f"The run {self.path} has no checkpoint yet.", "Train it further with --resume.")
        return found

    def best_checkpoint(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        best = checkpoint.read_best(self.directory.checkpoints)
        if best is None:
            raise GanvasError(
                f"The run {self.path} knows of no best checkpoint.", "One is kept by: ganvas train ... --keep-best fid"
            )
        return checkpoint.read(checkpoint.path_of(self.directory.checkpoints, best.images))

    @property
    def images_seen(self) -> int:
        """How many images the model was trained on."""
        return self.model.images_seen

    @torch.no_grad()
    def sample(
        self,
        num: int = 64,
        *,
        y: Tensor | None = None,
        seed: int = 0,
        batch_size: int = 256,
        truncation: float | None = None,
    ) -> Tensor:
        """`num` examples from the prior, (num, ...) on the CPU. y: (num,) classes for a conditional model.

        truncation: ψ of `priors.truncated`, for typical examples in place of all kinds.
        """
        with rng.seeded(seed, "sample"):
            z = torch.cat(
                [self.model.prior().sample((len(part),)).cpu() for part in torch.arange(num).split(batch_size)]
            )
        if truncation is not None:
            z = truncated(z, self.model.prior(), truncation)
        return self.generate(z, y, seed=seed, batch_size=batch_size)

    @torch.no_grad()
    def generate(self, z: Tensor, y: Tensor | None = None, *, seed: int = 0, batch_size: int = 256) -> Tensor:
        """Examples from codes, (N, ...) on the CPU. z: (N, L); y: (N,) classes for a conditional model, else random ones."""
        y = self.labels(len(z), y, seed)
        parts = [
            self.model.generate(z[rows].to(self.device), None if y is None else y[rows].to(self.device)).cpu()
            for rows in torch.arange(len(z)).split(batch_size)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def codes(self, x: Tensor, y: Tensor | None = None, *, seed: int = 0, batch_size: int = 256) -> Tensor:
        """A draw from q(z|x) for each example, (N, L) on the CPU."""
        model = self.autoencoder("encode")
        with rng.seeded(seed, "codes"):
            return torch.cat([model.encode(a, b).sample().cpu() for a, b in self.portions(x, y, batch_size)])

    def labels(self, num: int, y: Tensor | None, seed: int) -> Tensor | None:
        """The classes to sample: the given ones, or for a conditional model that was given none, random ones."""
        classes = self.recipe.num_classes
        if y is not None and not classes:
            raise GanvasError(
                f"Run {self.path} is not conditional: it cannot be asked for a class.",
                "Train a conditional recipe on labelled data.",
            )
        if y is not None and (len(y) != num or int(y.min()) < 0 or int(y.max()) >= classes):
            raise GanvasError(f"Classes must be {num} numbers from 0 to {classes - 1}.")
        if y is None and classes:
            return torch.randint(classes, (num,), generator=rng.generator(seed, "classes"))
        return y

    @torch.no_grad()
    def reconstruct(self, x: Tensor, y: Tensor | None = None, batch_size: int = 256) -> Tensor:
        """x through the code's mean and back, shaped as x, on the CPU."""
        model = self.autoencoder("reconstruct")
        return torch.cat([model.reconstruct(a, b).cpu() for a, b in self.portions(x, y, batch_size)])

    @torch.no_grad()
    def encode(self, x: Tensor, y: Tensor | None = None, batch_size: int = 256) -> tuple[Tensor, Tensor]:
        """The posterior's mean and standard deviation for each example, each (N, L), on the CPU."""
        model = self.autoencoder("encode")
        codes = [model.encode(a, b) for a, b in self.portions(x, y, batch_size)]
        return torch.cat([q.mean.cpu() for q in codes]), torch.cat([q.stddev.cpu() for q in codes])

    @torch.no_grad()
    def interpolate(
        self,
        a: Tensor | None = None,
        b: Tensor | None = None,
        steps: int = 11,
        seed: int = 0,
        *,
        y: Tensor | None = None,
    ) -> Tensor:
        """A walk of `steps` examples from a to b (each (1, ...)), along the line between their codes.

        Without a and b the walk goes between two codes of the prior, along the arc, whose points are as likely as its ends.
        y: (1,), the class of the whole walk, for a conditional model; a random one where none is given.
        """
        y = self.labels(1, y, seed)
        y = None if y is None else y.to(self.device)
        if a is None or b is None:
            with rng.seeded(seed, "walk"):
                return prior_walk(self.model, y, steps).cpu()
        return line_walk(self.autoencoder("encode"), a.to(self.device), b.to(self.device), y, steps).cpu()

    def autoencoder(self, verb: str) -> Autoencoder:
        """The model, if it has an encoder."""
        if not isinstance(self.model, Autoencoder):
            raise GanvasError(
                f"Recipe {self.settings.recipe!r} cannot {verb}: it has no encoder, only a way from codes to examples.",
                "Recipes with an encoder can; `ganvas recipes` marks them.",
            )
        return self.model

    def portions(self, x: Tensor, y: Tensor | None, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        if tuple(x.shape[1:]) != self.info.shape:
            raise GanvasError(
                f"The run was trained on examples of shape {self.info.shape}, not {tuple(x.shape[1:])}.",
                "Images are (N, C, H, W) in [-1, 1].",
            )
        for rows in torch.arange(len(x)).split(size):
            yield x[rows].to(self.device), None if y is None else y[rows].to(self.device)


def published_settings(settings: Settings) -> dict[str, Any]:
    """What an export says of how it was made: the settings, without this machine's folders and its command line."""
    prefix, colon, rest = settings.source.rpartition(":")
    source = prefix + colon + Path(rest).name
    return replace(
        settings, source=source, command="", launch=None, training=replace(settings.training, device="cpu")
    ).to_json()


def without(model: Model, networks: Sequence[str]) -> Model:
    """The model, from which these networks were taken."""
    for name in networks:
        setattr(model, name, torch.nn.Identity())
    return model


def published_model(path: Path, model: Model) -> Model:
    """The model of an exported folder: the networks that it names, with the weights that it holds, and no others."""
    try:
        facts = read_object(path / "config.json")
        kept = set(map(text, facts["networks"]))
        seen = checkpoint.count(facts["images_seen"])
        tensors = load_file(path / PUBLISHED)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise checkpoint.DamagedCheckpoint(
            f"The model in {path} cannot be read: {type(error).__name__}: {error}."
        ) from error
    unnamed = [(name, part) for name, part in model.named_children() if name not in kept]
    model = without(model, [name for name, part in unnamed if part.state_dict()])  # a prior, say, holds no weights
    checkpoint.fill(model, tensors, "")
    model.images_seen = seen
    return model


def finite(model: Model, path: Path) -> Model:
    """The model, or DamagedCheckpoint: training never writes weights that are not finite, and they make nothing."""
    for name, weights in model.named_parameters():
        if not torch.isfinite(weights).all():
            raise checkpoint.DamagedCheckpoint(
                f"The model in {path} has weights that are not finite: {name}.",
                "It is not what training wrote. Take it from where it came from again, or train it anew.",
            )
    return model


def line_walk(model: Autoencoder, a: Tensor, b: Tensor, y: Tensor | None, steps: int) -> Tensor:
    """`steps` examples whose codes lie on the line from a's to b's. a, b: (1, ...); y: (1,), the class of all."""
    start, end = model.encode(a, y).mean, model.encode(b, y).mean
    share = torch.linspace(0, 1, steps, device=start.device).view(-1, *[1] * (start.dim() - 1))
    return model.generate(torch.lerp(start, end, share), None if y is None else y.expand(steps))


def prior_walk(model: Model, y: Tensor | None, steps: int) -> Tensor:
    """`steps` examples whose codes lie on the arc between two draws from the prior. y: (1,), the class of all.

    White 2016, "Sampling Generative Networks", https://arxiv.org/abs/1609.04468
    """
    a, b = model.prior().sample((2,))
    share = torch.linspace(0, 1, steps, device=a.device).view(-1, *[1] * a.dim())
    cosine = (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)
    angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
    z = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return model.generate(z, None if y is None else y.expand(steps))


def warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def environment(device: str) -> dict[str, str | int]:
    """Where a run was trained."""
    return {
        "ganvas": ganvas.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "processor": facts.processor_name(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def networks(model: Model) -> dict[str, dict[str, int]]:
    """Each network's number of parameters."""
    counts = {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()}
    return {name: {"parameters": count} for name, count in counts.items() if count}


def nearest_runs(path: Path) -> str:
    """Runs near a place where somebody looked for one."""
    folders = {path.parent, path, Path("runs")}
    runs = sorted({str(p.parent) for f in folders if f.is_dir() for p in f.glob("*/recipe.json")})
    return did_you_mean(str(path), runs) if runs else "Train one with: ganvas train vae --data glyphs"


def numbered(path: Path, number: int) -> Path:
    """The path itself for 1, else path-2, -3 ..."""
    return path if number == 1 else path.with_name(f"{path.name}-{number}")
