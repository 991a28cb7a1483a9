"""Answers to usual mistakes in the flags of `train`, before they are parsed: each names the right flag."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from ganvas.errors import GanvasError

OTHER_NAMES = {
    "--lr": "--learning-rate",
    "--batch": "--batch-size",
    "--bs": "--batch-size",
    "--resolution": "--size",
    "--image-size": "--size",
    "--img-size": "--size",
    "--dataset": "--data",
    "--data-dir": "--data",
    "--outdir": "--out",
    "--output": "--out",
    "--output-dir": "--out",
    "--latent-dim": "--latent",
    "--z-dim": "--latent",
    "--nz": "--latent",
    "--gpu": "--device cuda",
    "--cuda": "--device cuda",
}
"""Flags of other programs, and ours."""

LENGTHS = ("--epochs", "--epoch", "--iterations", "--iters", "--num-steps", "--max-steps")

MULTIPLES = {"": 1, "k": 1_000, "m": 1_000_000}


def check(arguments: Sequence[str], kinds: Mapping[str, Any]) -> None:
    """Raises GanvasError for a usual mistake. kinds: the types of the flags that there are, by field name."""
    flags = {f"--{name.replace('_', '-')}": kind for name, kind in kinds.items()}
    if arguments and not arguments[0].startswith("-") and "--data" in flags:
        raise GanvasError(f"{arguments[0]!r} is no flag.", f"Data is named by a flag: --data {arguments[0]}")
    for place, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        flag = flag.replace("_", "-")
        if not flag.startswith("--"):
            continue
        if not equals:
            value = arguments[place + 1] if place + 1 < len(arguments) else ""
        if flag not in flags:
            unknown(flag, value, flags)
        elif int in (flags[flag], *get_args(flags[flag])):
            whole_number(flag, value)


def unknown(flag: str, value: str, flags: Mapping[str, Any]) -> None:
    """Raises GanvasError if a flag that there is not is one of another program."""
    if flag in LENGTHS and "--images" in flags:
        batch = "the batch size (--batch-size)" if "epoch" not in flag else "the number of training images"
        raise GanvasError(
            f"There is no {flag}: the length of training is the number of images seen.",
            f"Write --images N, with N = {value if value.isdecimal() else flag[2:]} times {batch}."
            + (" `ganvas data SOURCE` counts the images." if "epoch" in flag else ""),
        )
    ours = OTHER_NAMES.get(flag, "")
    if ours.partition(" ")[0] in flags:
        example = ours if " " in ours or not value or value.startswith("-") else f"{ours} {value}"
        raise GanvasError(f"There is no {flag}.", f"Write {example}")


def whole_number(flag: str, value: str) -> None:
    """Raises GanvasError if a value means a whole number, but is not written as one: 1e5, 100k, 32x32."""
    sides = re.fullmatch(r"(\d+)\s*[x×,]\s*(\d+)", value)
    if flag == "--size" and sides:
        same = sides[1] == sides[2]
        hint = f"Write --size {min(sides[1], sides[2], key=int)}"
        raise GanvasError(
            f"Images are square, so --size takes one number, not {value}.",
            hint if same else f"{hint}: the middle is kept, or --crop none squeezes the whole.",
        )
    number = re.fullmatch(r"(\d[\d_,]*(?:\.\d+)?(?:e\+?\d{1,2})?)([km]?)", value.lower())
    if number is None or value.isdecimal():
        return
    meant = float(number[1].replace(",", "").replace("_", "")) * MULTIPLES[number[2]]
    if meant == int(meant):
        raise GanvasError(f"{flag} takes a whole number, not {value}.", f"Write {flag} {int(meant)}")
