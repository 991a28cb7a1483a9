"""Flags that a run's model adds to a command: the options of its `sampling`."""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from ganvas import service
from ganvas.errors import GanvasError
from ganvas.training.recipe import Option, arguments_help
from ganvas.use.sampling import sampling_options

SAMPLING = "sampling"
"""The parameter of a command that takes the options of sampling."""


def with_sampling(command: Callable[..., None], arguments: Sequence[str]) -> Callable[..., None]:
    """A command with the flags of the run that its arguments name, if it takes options of sampling."""
    signature = inspect.signature(command)
    if SAMPLING not in signature.parameters:
        return command
    found, helps = options_of(arguments)
    own = [p for p in signature.parameters.values() if p.name != SAMPLING]
    added = [flag(o, helps.get(o.name, "")) for o in found.values()]

    def extended(**values: Any) -> None:
        given = {name: values.pop(name) for name in found}
        command(**values, sampling={name: value for name, value in given.items() if value is not None})

    extended.__doc__ = f"{command.__doc__} The run's model may add flags: name the run before --help."
    extended.__signature__ = signature.replace(parameters=[*own, *added])  # pyright: ignore[reportFunctionMemberAccess]
    extended.__annotations__ = {p.name: p.annotation for p in (*own, *added)} | {"return": None}
    return extended


def flag(given: Option, about: str) -> inspect.Parameter:
    """An option of sampling as a parameter of a command; None if it is not given."""
    default = "" if given.default is None else f" (default: {given.default})"
    annotation = Annotated[given.type | None, arg(help=f"{about}{default}", help_behavior_hint="")]
    return inspect.Parameter(given.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def options_of(arguments: Sequence[str]) -> tuple[dict[str, Option], dict[str, str]]:
    """The options of the run that is the first argument, and their help; none if there is no such run."""
    if not arguments or arguments[0].startswith("-"):
        return {}, {}
    file = re.search(r"(?:^|\0)--file[=\0]([^\0]+)", "\0".join(arguments))
    try:
        model = service.open_run(Path(arguments[0]), file=file and file[1]).recipe.model
    except GanvasError:  # the command itself will say so
        return {}, {}
    return sampling_options(model), arguments_help(type(model).sampling)
