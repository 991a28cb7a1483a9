"""The flags that several verbs have, and what is made of their words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import DisallowNone, Positional, arg

from ganvas.errors import GanvasError, option

Json = Annotated[bool, arg(help="print JSON", help_behavior_hint="")]
Size = Annotated[int | None, arg(help="side in pixels; images are scaled to this square")]
Crop = Annotated[
    Literal["center", "none"], arg(help="how to handle images that are not square: crop the centre, or none")
]
Channels = Annotated[int | None, arg(help="1 grey, 3 RGB, 4 RGB and alpha")]
White = Annotated[
    int | None, arg(help="the value that is white, such as 4095 for 12 bits; default: told from the data")
]
LabelColumn = Annotated[str | None, arg(help="the column of labels in a table; default: label, class, ...")]
FileColumn = Annotated[str | None, arg(help="the column that names the pictures; default: the one that does")]
CaptionColumn = Annotated[str | None, arg(help="the column of captions; default: text, caption, ...")]
Frames = Annotated[bool, arg(help="take each frame of an animation and each page of a file as a picture")]
RunPath = Annotated[Positional[Path], arg(help="a run's directory")]
File = Annotated[str | None, arg(help="your Python file, if the run was made from one; it is executed")]
Best = Annotated[bool, arg(help="use the checkpoint from --keep-best instead of the newest")]
Invert = Annotated[bool, arg(help="search for codes by gradient descent, for a model without an encoder")]
Steps = Annotated[int, arg(help="steps of the search")]
Starts = Annotated[int, arg(help="starting points of the search, drawn from the prior")]
Features = Annotated[
    str,
    arg(
        help="feature network: auto is efficientnet for colour photographs if it is installed, else lenet with labels, and "
        "random without; lenet, random, inception, efficientnet, or FILE.py: "
        "your file with a function `def f() -> nn.Module` or a class that is an nn.Module, which is executed; "
        "FILE.py:NAME if it has several"
    ),
]
Device = Annotated[str, arg(help="cpu, cuda, mps or auto")]
Sampling = Mapping[str, Any]
NONE: Sampling = {}
"""No options of sampling. A command's parameter `sampling` becomes the flags of its run's model, see `cli.sampling`."""

PLAIN = (DisallowNone,)
"""Hides the value None of optional flags: help then shows INT, not {None}|INT."""


def listed(names: str) -> tuple[str, ...]:
    """The names between commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def numbers(text: str) -> list[float]:
    """Numbers separated by commas."""
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise GanvasError(
            f"{text!r} is not a list of numbers.", f"Write for example {option('weights', '0,0.5,1')}"
        ) from error


def said(path: Path | None) -> None:
    if path is not None:
        print(path)
