"""The flags that several verbs have, and what is made of their words."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import DisallowNone, Positional, arg

from ganvas.errors import GanvasError, option

Json = Annotated[bool, arg(help="print JSON", help_behavior_hint="")]
Size = Annotated[int | None, arg(help="side of a square in pixels, to which images are scaled")]
Crop = Annotated[Literal["center", "none"], arg(help="what happens to an image that is not square")]
Channels = Annotated[int | None, arg(help="1 grey, 3 RGB, 4 RGB and alpha")]
RunPath = Annotated[Positional[Path], arg(help="a run's directory")]
File = Annotated[str | None, arg(help="your own Python file, for a run that was made from one; it is executed")]
Best = Annotated[bool, arg(help="the checkpoint that --keep-best kept, in place of the newest")]
Invert = Annotated[bool, arg(help="search for the codes, where there is no encoder")]
Steps = Annotated[int, arg(help="of the search")]
Starts = Annotated[int, arg(help="of the search: draws of the prior that it begins from")]
Features = Annotated[
    str,
    arg(
        help="what sees the images: lenet (auto with labels), random (auto without), inception, efficientnet, or FILE.py: "
        "a file of yours, which is executed, with a function `def f() -> nn.Module` or a class that is an nn.Module; "
        "FILE.py:NAME where it has several"
    ),
]
Device = Annotated[str, arg(help="cpu, cuda, mps or auto")]
PLAIN = (DisallowNone,)
"""What may be left out is left out, and not given as the word None: then help says INT, not {None}|INT."""


def listed(names: str) -> tuple[str, ...]:
    """The names between commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def numbers(text: str) -> list[float]:
    """Numbers with commas between them."""
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise GanvasError(
            f"{text!r} is not a list of numbers.", f"Write for example {option('weights', '0,0.5,1')}"
        ) from error


def said(path: Path | None) -> None:
    if path is not None:
        print(path)
