"""A recipe is a function of typed keyword arguments. It returns a `Recipe`: everything that a training run needs.

Its arguments are its configuration. They become flags of the command line, and `recipe.json` stores them. Opening a run
calls the function again.
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
from ganvas.data.domains.examples import EXAMPLES
from ganvas.errors import GanvasError, did_you_mean, either
from ganvas.training.seats import OptimizerFactory


@dataclass(frozen=True)
class Recipe:
    """What a recipe function returns.

    model: untrained.
    optimizers: for each player's name, from parameters to a torch optimiser.
    images, batch_size: defaults of budget and batch.
    learning_rate: a factor on every optimiser's rate, of the images seen.
    ema_half_life: images; None keeps no average.
    transform: from a batch to a batch, on the device.
    num_classes: the number of classes of a conditional model; else 0.
    labelled_share: for recipes that learn from few labels: the share of labelled examples in each batch, if the data have
        fewer; 0 for all other recipes.
    report_every: default number of images between two reports of training and held-out terms; one epoch, for example.
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


NUMBERS = ("images", "points", "codes")
"""The kinds of examples that a recipe learns unless it says otherwise: those that are numbers."""


def learns(*kinds: str) -> Callable[[RecipeFunction], RecipeFunction]:
    """Marks a recipe with the kinds of examples that it learns, by the names of their domains, such as "tokens"."""

    def mark(function: RecipeFunction) -> RecipeFunction:
        function.__dict__["learns"] = kinds
        return function

    return mark


def learnt(function: RecipeFunction) -> tuple[str, ...]:
    """The kinds of examples that a recipe learns."""
    return function.__dict__.get("learns", NUMBERS)


def example(function: RecipeFunction) -> DataInfo:
    """Facts of small data of the first kind that a recipe learns."""
    return EXAMPLES[learnt(function)[0]]


@dataclass(frozen=True)
class Card:
    """A recipe's entry in lists: name, one-line summary, paper."""

    name: str
    summary: str
    paper: str


def card(function: Callable[..., object]) -> Card:
    """Reads the first line of the docstring, and the line that starts with `Paper:`."""
    text = inspect.getdoc(function) or ""
    paper = re.search(r"^Paper: (.+)$", text, re.MULTILINE)
    return Card(recipe_name(function), text.split("\n")[0].rstrip("."), paper.group(1) if paper else "")


def recipe_name(function: Callable[..., object]) -> str:
    """The name of a recipe function: `wgan_gp` becomes wgan-gp."""
    return function.__name__.replace("_", "-")


@dataclass(frozen=True)
class Option:
    """A recipe's argument: its type and its default."""

    name: str
    type: Any
    default: Any


def options(function: Callable[..., object]) -> dict[str, Option]:
    """A recipe's arguments without the first, which is the data."""
    return typed_options(function, f"recipe {recipe_name(function)!r}")


def typed_options(function: Callable[..., object], what: str) -> dict[str, Option]:
    """A function's arguments without the first, by name. what: the function, for messages.

    Raises GanvasError for one without a type or a default. Arguments such as `*args` are passed over.
    """
    hints = get_type_hints(function)
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in list(inspect.signature(function).parameters.values())[1:] if p.kind not in several]
    for p in parameters:
        if p.name not in hints or p.default is inspect.Parameter.empty:
            raise GanvasError(
                f"The argument {p.name!r} of {what} needs a type and a default.",
                f"Write it as `{p.name}: float = 0.1`: the command line makes a flag of it.",
            )
    return {p.name: Option(p.name, hints[p.name], p.default) for p in parameters}


def arguments_help(function: Callable[..., object]) -> dict[str, str]:
    """The line of each argument in the docstring's `Args:`."""
    text = inspect.getdoc(function) or ""
    return dict(re.findall(r"^ {4}(\w+): (.+)$", text.partition("Args:")[2], re.MULTILINE))


def build(function: RecipeFunction, info: DataInfo, arguments: Mapping[str, Any]) -> Recipe:
    """Calls a recipe with checked arguments; the others keep their defaults."""
    known = options(function)
    for name, value in arguments.items():
        if name not in known:
            raise GanvasError(f"Recipe {recipe_name(function)!r} has no option {name!r}.", did_you_mean(name, known))
        if not fits(value, known[name].type):
            raise GanvasError(
                f"Option {name!r} of recipe {recipe_name(function)!r} cannot be {value!r}.",
                f"It takes {describe(known[name].type)}.",
            )
    if info.domain.kind not in learnt(function):
        raise GanvasError(
            f"Recipe {recipe_name(function)!r} learns {', '.join(learnt(function))}, and this data is"
            f" {info.domain.words()}.",
            f"Choose a recipe for this data. What each learns: {either('ganvas recipes --json', '`service.recipes()`')}",
        )
    recipe = function(info, **arguments)
    if isinstance(recipe, Recipe) and hasattr(recipe.model, "generate") and not hasattr(recipe.model, "sample"):
        raise GanvasError(
            f"{type(recipe.model).__name__} has `generate`, but not `sample`.",
            "Derive it from `FromCodes` of ganvas.core.model, not from `Model`: then it samples.",
        )
    if not isinstance(recipe, Recipe):
        raise GanvasError(f"Recipe {recipe_name(function)!r} returned {type(recipe).__name__}, not a ganvas Recipe.")
    return recipe


def resolved(function: Callable[..., object], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a recipe: given values, and defaults for the rest."""
    return {name: arguments.get(name, option.default) for name, option in options(function).items()}


LARGEST = 2**63
"""torch accepts no whole number beyond this."""


def fits(value: Any, kind: Any) -> bool:
    """Whether a value from JSON or Python has the type `kind` of a recipe's argument."""
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
    """A type in plain words."""
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in get_args(kind))
    if origin in (tuple, list):
        return "a list of " + " or ".join(describe(item) for item in get_args(kind) if item is not Ellipsis)
    names = {int: "a whole number", float: "a finite number", bool: "True or False", str: "text", type(None): "nothing"}
    return names.get(kind, str(kind))
