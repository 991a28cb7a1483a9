"""A trained model with its settings, ready to be used."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.core.abilities import Encodes
from ganvas.core.model import FromCodes, Model
from ganvas.data import DataInfo
from ganvas.data.domains.codes import Coded
from ganvas.errors import GanvasError, option
from ganvas.machine import rng
from ganvas.machine.checks import at_least
from ganvas.runs.directory import Directory
from ganvas.runs.settings import Settings
from ganvas.training import checkpoint, state
from ganvas.training.recipe import Recipe
from ganvas.use.abilities import encoder, generator
from ganvas.use.labels import Labels, numbers_of
from ganvas.use.published import finite, published_model
from ganvas.use.sampling import choose
from ganvas.use.walks import line_walk, prior_walk

LARGEST_VALUE = 1.5
"""Of images given to an encoder, in absolute terms. Networks without a tanh draw values a little beyond 1."""

SCALE = "Scale images from 0 to 255 by x / 127.5 - 1."


class Run:
    """A trained model with its settings.

    build: builds the run's recipe with its initial weights.
    best: whether to use the checkpoint from `--keep-best` instead of the newest. reopen: opens the run again, for pickle.
    chosen: options of sampling that `sampling` was given.
    x: images (N, C, H, W) in [−1, 1], or points (N, D). No method changes torch's own generators.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        build: Callable[[], Recipe],
        device: str = "cpu",
        best: bool = False,
        reopen: "Callable[[], Run] | None" = None,
    ) -> None:
        self.path, self.settings, self.build, self.device, self.best = path, settings, build, device, best
        self.directory, self.reopen = Directory(path), reopen
        self.chosen: dict[str, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the run's absolute path, not its weights."""
        if self.reopen is None:
            raise GanvasError(f"The run {self.path} cannot be pickled: it was not opened from a folder.")
        return self.reopen, ()

    @property
    def info(self) -> DataInfo:
        return self.settings.info

    @property
    def shown(self) -> DataInfo:
        """What samples are: the run's examples, or for a run of codes, what they decode to."""
        domain = self.info.domain
        return (
            replace(self.info, shape=domain.first.shape, given=domain.first) if isinstance(domain, Coded) else self.info
        )

    def decoded(self, x: Tensor) -> Tensor:
        """What the model makes, as it is shown."""
        domain = self.info.domain
        return domain.decode(x) if isinstance(domain, Coded) else x

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that built the run."""
        return self.build()

    @cached_property
    def model(self) -> Model:
        """The model of the newest checkpoint, or of the best; with averaged weights if the run has them."""
        if self.directory.published:
            model = published_model(self.path, self.recipe.model)
            return finite(model, self.path).to(self.device).eval().requires_grad_(False)
        model = self.recipe.model
        facts, tensors = self.best_checkpoint() if self.best else self.newest_checkpoint()
        averaged = any(name.startswith("ema/") for name in tensors)
        state.fill(model, tensors, "ema/" if averaged else "model/")
        model.clock.images = facts["images_seen"]
        return finite(model, self.path).to(self.device).eval().requires_grad_(False)

    def newest_checkpoint(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        found = checkpoint.newest(self.directory.checkpoints, warn=warn)
        if found is None:
            raise GanvasError(
                f"The run {self.path} has no checkpoint yet.", f"Train it further with {option('resume')}."
            )
        return found

    def best_checkpoint(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        best = checkpoint.read_best(self.directory.checkpoints)
        if best is None:
            raise GanvasError(
                f"The run {self.path} has no best checkpoint.", f"Train with {option('keep_best', 'fid')} to keep one."
            )
        return checkpoint.read(checkpoint.path_of(self.directory.checkpoints, best.images))

    @property
    def images_seen(self) -> int:
        """Number of images that the model has seen."""
        return self.model.clock.images

    @property
    def latent_length(self) -> int:
        """The number of values of a code."""
        return math.prod(self.generator.prior().event_shape)

    def sampling(self, **options: Any) -> None:
        """Sets how the model draws examples from now on: its `sampling`, such as truncation=0.7. Others get their defaults.

        Raises GanvasError for an option that the model does not have, or a value that it cannot take.
        """
        choose(self.model, options)
        self.chosen = options

    @torch.no_grad()
    def sample(
        self, num: int = 64, *, y: Labels | None = None, seed: int = 0, batch_size: int = 256, **options: Any
    ) -> Tensor:
        """`num` examples from the prior, (num, ...) on the CPU.

        y: for a conditional model, the class of each, or one class for all: numbers or names.
        options: of the model's sampling, such as truncation=0.7, for these samples alone.
        """
        whole_number(num, "num")
        before = self.chosen
        try:
            if options:
                self.sampling(**before | options)
            with rng.seeded(seed, "sample"):
                z = torch.cat(
                    [self.generator.draw_codes(len(part)).cpu() for part in torch.arange(num).split(batch_size)]
                )
            return self.generate(z, y, seed=seed, batch_size=batch_size)
        finally:
            if options:
                self.sampling(**before)

    @torch.no_grad()
    def generate(self, z: Tensor, y: Labels | None = None, *, seed: int = 0, batch_size: int = 256) -> Tensor:
        """Examples from codes, (N, ...) on the CPU. z: (N, L); y: classes as for `sample`, or None for random ones."""
        self.check_codes(z)
        y = self.labels(len(z), y, seed)
        parts = [
            self.generator.generate(z[rows].to(self.device), None if y is None else y[rows].to(self.device)).cpu()
            for rows in torch.arange(len(z)).split(batch_size)
        ]
        return self.decoded(torch.cat(parts))

    @torch.no_grad()
    def codes(self, x: Tensor, y: Labels | None = None, *, seed: int = 0, batch_size: int = 256) -> Tensor:
        """A draw from q(z|x) for each example, (N, L) on the CPU."""
        model = self.autoencoder("encode")
        with rng.seeded(seed, "codes"):
            return torch.cat([model.encode(a, b).sample().cpu() for a, b in self.portions(x, y, batch_size)])

    def labels(self, num: int, y: Labels | None, seed: int) -> Tensor | None:
        """The classes to sample: the given ones, or random ones for a conditional model."""
        classes = self.recipe.num_classes
        if y is not None and not classes:
            raise GanvasError(
                f"Run {self.path} is not conditional: it cannot sample a class.",
                "Train a conditional recipe on labelled data.",
            )
        if y is not None:
            return numbers_of(y, self.info.classes, num)
        return torch.randint(classes, (num,), generator=rng.generator(seed, "classes")) if classes else None

    @torch.no_grad()
    def reconstruct(self, x: Tensor, y: Labels | None = None, batch_size: int = 256) -> Tensor:
        """The reconstruction of x from the mean of its code, with the shape of x, on the CPU."""
        model = self.autoencoder("reconstruct")
        return torch.cat([model.reconstruct(a, b).cpu() for a, b in self.portions(x, y, batch_size)])

    @torch.no_grad()
    def encode(self, x: Tensor, y: Labels | None = None, batch_size: int = 256) -> tuple[Tensor, Tensor]:
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
        y: Labels | None = None,
    ) -> Tensor:
        """A walk of `steps` examples from a to b (each (1, ...)), along the line between their codes.

        Without a and b it goes between two codes of the prior, along an arc whose points are as likely as its ends.
        y: the class of the walk, for a conditional model; random if None.
        """
        whole_number(steps, "steps", least=2)
        y = self.labels(1, y, seed)
        y = None if y is None else y.to(self.device)
        if (a is None) != (b is None):
            raise GanvasError("A walk has two ends.", "Give both a and b, or neither.")
        if a is None or b is None:
            with rng.seeded(seed, "walk"):
                return self.decoded(prior_walk(self.generator, y, steps).cpu())
        model = self.autoencoder("encode")
        for end in (a, b):
            self.check_input(end)
            if len(end) != 1:
                raise GanvasError(f"An end of a walk is one example, not {len(end)}.", "Give x[:1], for example.")
        return line_walk(model, a.to(self.device), b.to(self.device), y, steps).cpu()

    def autoencoder(self, verb: str) -> Encodes:
        """The model, if it has an encoder."""
        return encoder(self.model, self.settings.recipe, verb)

    @property
    def generator(self) -> FromCodes:
        """The model, which makes examples from codes."""
        return generator(self.model, self.settings.recipe)

    def portions(self, x: Tensor, y: Labels | None, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        self.check_input(x)
        told = self.told(x, y)
        for rows in torch.arange(len(x)).split(size):
            yield x[rows].to(self.device), None if told is None else told[rows].to(self.device)

    def told(self, x: Tensor, y: Labels | None) -> Tensor | None:
        """The classes of examples x (N, ...) for the encoder, (N,), -1 without one; None if it is told none."""
        if not self.recipe.num_classes:
            return None  # the labels of data, which the model does not use
        return None if y is None else numbers_of(y, self.info.classes, len(x), least=-1)

    def check_codes(self, z: Tensor) -> None:
        """Raises GanvasError unless z is (N, ...) as the prior draws codes: float, without NaN."""
        shape = tuple(self.generator.prior().event_shape)
        must_be_tensor(z, f"Codes of this run are (N, {', '.join(map(str, shape))})")
        if tuple(z.shape[1:]) != shape or not z.is_floating_point():
            raise GanvasError(
                f"Codes of this run are float, (N, {', '.join(map(str, shape))}), not {z.dtype} {tuple(z.shape)}.",
                "The length of a code is `run.latent_length`.",
            )
        if not bool(z.isfinite().all()):
            raise GanvasError("Codes hold NaN or infinity.")

    def check_input(self, x: Tensor) -> None:
        """Raises GanvasError unless x is (N, ...) as in training: float, without NaN, images in [-1, 1]."""
        must_be_tensor(x, f"Examples of this run are (N, {', '.join(map(str, self.info.shape))})")
        if not x.dim() or tuple(x.shape[1:]) != self.info.shape:
            raise GanvasError(
                f"The run was trained on examples of shape {self.info.shape}, not {tuple(x.shape[1:])}.",
                "Images are (N, C, H, W) in [-1, 1].",
            )
        if not x.is_floating_point():
            raise GanvasError(f"Examples are float, not {x.dtype}.", SCALE)
        if not len(x):
            raise GanvasError("There are no examples.")
        if not bool(x.isfinite().all()):
            raise GanvasError("Examples hold NaN or infinity.")
        if self.info.domain.kind == "images" and len(x) and float(x.abs().max()) > LARGEST_VALUE:
            raise GanvasError(f"Images are in [-1, 1]; these go from {float(x.min()):g} to {float(x.max()):g}.", SCALE)


def must_be_tensor(x: object, what: str) -> None:
    """Raises GanvasError unless x is a tensor. what: the shape, in words."""
    if not isinstance(x, Tensor):
        raise GanvasError(f"{what} in a tensor, not in a {type(x).__name__}.", "Write torch.as_tensor(x), for example.")


def whole_number(value: object, name: str, least: int = 1) -> None:
    """Raises GanvasError unless the argument of that name is a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise GanvasError(f"{option(name)} cannot be {value!r}.", "It takes a whole number.")
    at_least(value, least, name)


def warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)
