"""A recipe is a plain function of typed keyword arguments that returns a `Recipe`: everything a training run needs.

Its arguments are its configuration. The command line makes flags of them, `recipe.json` keeps them, and to open a run is
to call the function again.
"""

import inspect
import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ganvas.core.batch import Batch
from ganvas.core.model import Model
from ganvas.core.schedules import Constant, Schedule
from ganvas.data import DataInfo
from ganvas.errors import GanvasError, did_you_mean
from ganvas.training.trainer import OptimizerFactory


@dataclass(frozen=True)
class Recipe:
    """What a recipe function returns.

    model: untrained.
    optimizers: for each player's name, from parameters to a torch optimiser.
    images, batch_size: the budget and the batch where the user names none.
    learning_rate: a factor on every optimiser's rate, of the images seen.
    ema_half_life: images; None keeps no average.
    transform: from a batch to a batch, on the device.
    num_classes: how many classes the model is conditional on; 0 when it is not.
    labelled_share: of a recipe that learns from few labels, the share of each batch that examples with a label get where
        they are fewer than that; 0 for one that needs all labels, or none.
    report_every: images between two reports of the training terms and of the held-out ones, where the user names none;
        an epoch, say.
    """

    model: Model
    optimizers: Mapping[str, OptimizerFactory]
    images: int = 100_000
    batch_size: int = 64
    learning_rate: Schedule = Constant(1.0)
    ema_half_life: float | None = None
    transform: Callable[[Batch], Batch] | None = None
    num_classes: int = 0
    labelled_share: float = 0.0
    report_every: int | None = None


RecipeFunction = Callable[..., Recipe]


@dataclass(frozen=True)
class Card:
    """What is said of a recipe in lists: its name, its summary in a line, its paper."""

    name: str
    summary: str
    paper: str


def card(function: RecipeFunction) -> Card:
    """Read off the docstring: its first line, and the line that begins with `Paper:`."""
    text = inspect.getdoc(function) or ""
    paper = re.search(r"^Paper: (.+)$", text, re.MULTILINE)
    return Card(recipe_name(function), text.split("\n")[0].rstrip("."), paper.group(1) if paper else "")


def recipe_name(function: RecipeFunction) -> str:
    """`wgan_gp` is called wgan-gp."""
    return function.__name__.replace("_", "-")


@dataclass(frozen=True)
class Option:
    """A recipe's argument: its type and its default."""

    name: str
    type: Any
    default: Any


def options(function: RecipeFunction) -> dict[str, Option]:
    """A recipe's arguments but for the first, which is the data it is sized by."""
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    for p in parameters:
        if p.name not in hints or p.default is inspect.Parameter.empty:
            raise GanvasError(
                f"The argument {p.name!r} of recipe {recipe_name(function)!r} needs a type and a default.",
                f"Write it as `{p.name}: float = 0.1`: the command line makes a flag of it.",
            )
    return {p.name: Option(p.name, hints[p.name], p.default) for p in parameters}


def build(function: RecipeFunction, info: DataInfo, arguments: Mapping[str, Any]) -> Recipe:
    """Calls a recipe with checked arguments; whatever it was not given stays at its default."""
    known = options(function)
    for name, value in arguments.items():
        if name not in known:
            raise GanvasError(f"Recipe {recipe_name(function)!r} has no option {name!r}.", did_you_mean(name, known))
        if not fits(value, known[name].type):
            raise GanvasError(
                f"Option {name!r} of recipe {recipe_name(function)!r} cannot be {value!r}.",
                f"It takes {describe(known[name].type)}.",
            )
    recipe = function(info, **arguments)
    if not isinstance(recipe, Recipe):
        raise GanvasError(f"Recipe {recipe_name(function)!r} returned {type(recipe).__name__}, not a ganvas Recipe.")
    return recipe


def resolved(function: RecipeFunction, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All of a recipe's arguments: the given ones and the others' defaults."""
    return {name: arguments.get(name, option.default) for name, option in options(function).items()}


LARGEST = 2**63
"""Beyond this a whole number is none that torch could take."""


def fits(value: Any, kind: Any) -> bool:
    """Whether a value, as JSON or Python gives it, is of a type that recipes use."""
    origin = get_origin(kind)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(kind))
    if origin in (Union, types.UnionType):
        return any(fits(value, member) for member in get_args(kind))
    if origin in (tuple, list):
        members = [a for a in get_args(kind) if a is not Ellipsis]
        return isinstance(value, (tuple, list)) and all(any(fits(v, m) for m in members) for v in value)
    if kind is float:
        return (isinstance(value, float) and math.isfinite(value)) or fits(value, int)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST
    if kind is type(None):
        return value is None
    return isinstance(kind, type) and isinstance(value, kind)


def describe(kind: Any) -> str:
    """A type in words."""
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in get_args(kind))
    if origin in (tuple, list):
        return "a list of " + " or ".join(describe(item) for item in get_args(kind) if item is not Ellipsis)
    names = {int: "a whole number", float: "a finite number", bool: "True or False", str: "text", type(None): "nothing"}
    return names.get(kind, str(kind))
