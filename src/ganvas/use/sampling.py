"""How a model draws its examples: the options of its `sampling`, and their checked choice."""

from collections.abc import Mapping
from typing import Any

from ganvas.core.model import Model
from ganvas.errors import GanvasError, did_you_mean, option
from ganvas.training.recipe import Option, describe, fits, typed_options


def sampling_options(model: Model) -> dict[str, Option]:
    """The options of a model's `sampling`, by name."""
    return typed_options(type(model).sampling, "sampling")


def choose(model: Model, given: Mapping[str, Any]) -> None:
    """Sets how a model draws its examples. Options that are not given get their defaults.

    Raises GanvasError for options that the model does not have, and for values that they cannot take.
    """
    known = sampling_options(model)
    for name, value in given.items():
        if name not in known:
            hint = did_you_mean(name, known) if known else "It has no options of sampling."
            raise GanvasError(f"This model has no option {name!r} of sampling.", hint)
        if not fits(value, known[name].type):
            raise GanvasError(f"{option(name)} cannot be {value!r}.", f"It takes {describe(known[name].type)}.")
    model.sampling(**given)
