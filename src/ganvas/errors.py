"""Errors for a user's mistakes."""

import difflib
import re
import shlex
from collections.abc import Iterable
from typing import cast

OPEN, BETWEEN, CLOSE = "\ue000", "\ue001", "\ue002"
"""Marks in a message: between them stand two wordings, the command line's and Python's. A reader sees one of them."""

EITHER = re.compile(f"{OPEN}([^{OPEN}]*?){BETWEEN}([^{OPEN}]*?){CLOSE}", re.DOTALL)


class GanvasError(Exception):
    """A mistake that the user can correct. message: what is wrong. hint: how to correct it.

    The command line prints it as one message and exits with code 2. Python users catch it. Both texts may hold what
    `option` and `command` return. `message` and `hint` are Python's wording; `marked` has both wordings, for an error that
    quotes this one.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.marked = message, hint
        self.message = printable(in_python(message))
        self.hint = "\n".join(map(printable, in_python(hint).split("\n")))
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def on_command_line(self) -> tuple[str, str]:
        """Message and hint in the command line's wording."""
        message, hint = (EITHER.sub(r"\1", text) for text in self.marked)
        return printable(message), "\n".join(map(printable, hint.split("\n")))


def in_python(text: str) -> str:
    """A marked text in Python's wording."""
    return EITHER.sub(r"\2", text)


def either(command_line: str, python: str) -> str:
    """One place of a message in two wordings, for a `GanvasError`."""
    return f"{OPEN}{command_line}{BETWEEN}{python}{CLOSE}"


def option(name: str, value: object = None, *, flag: str = "") -> str:
    """An argument in a message: `--batch-size 64` on the command line, `batch_size=64` in Python.

    value: an example; a word in capitals stands for one, such as "DIR". flag: the command line's name, if it differs.
    """
    dashes = "--" + (flag or name).replace("_", "-")
    if value is None:
        return either(dashes, f"`{name}`")
    if isinstance(value, bool):
        return either(dashes if value else "--no-" + dashes[2:], f"`{name}={value}`")
    return either(f"{dashes} {in_shell(value)}", f"`{name}={in_code(value)}`")


def command(verb: str, *values: object, **options: object) -> str:
    """A whole call in a message: `ganvas train vae --data glyphs`, or `ganvas.train('vae', data='glyphs')`."""
    words = ["ganvas", verb, *map(in_shell, values)]
    words += [f"--{name.replace('_', '-')} {in_shell(value)}" for name, value in options.items()]
    code = [*map(in_code, values), *(f"{name}={in_code(value)}" for name, value in options.items())]
    return either(" ".join(words), f"`ganvas.{verb}({', '.join(code)})`")


def in_shell(value: object) -> str:
    """A value as a word of a shell; a list has commas between its items."""
    if isinstance(value, tuple):
        return ",".join(map(in_shell, cast(tuple[object, ...], value)))
    return shlex.quote(str(value))


def in_code(value: object) -> str:
    """A value as Python writes it; a word in capitals, which stands for a value, as it is."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(in_code, cast(tuple[object, ...], value)))}]"
    if isinstance(value, int | float) or (isinstance(value, str) and value.isupper()):
        return str(value)
    return repr(str(value))


def needs_extra(what: str, extra: str) -> GanvasError:
    """The error for a feature whose packages, from one of ganvas's extras, are not installed."""
    return GanvasError(f"{what} needs the extra {extra}: pip install 'ganvas[{extra}]'")


def not_allowed(path: object) -> GanvasError:
    """The error for a file that exists, but that this user may not read."""
    return GanvasError(
        f"You have no permission to read {path}.", "Its owner can give it: chmod -R a+rX on the folder of the run."
    )


LONGEST = 1_000
"""The maximum number of characters of a message; quoted text may be longer."""


def printable(text: str) -> str:
    """A text as one short line without control characters, because it may quote a hostile file."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    # Not printable: control and format characters (some reverse the writing direction), surrogates, unassigned
    # characters, and all spaces except the ordinary one.
    return "".join(" " if c in "\n\t" else c if c.isprintable() else ascii(c)[1:-1] for c in text)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A hint for a name that is not in `choices`: similar names, or all of them if none is similar."""
    known = sorted(choices)
    same = [n for n in known if n.casefold() == name.casefold()]
    near = same or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        near.sort(key=lambda n: (-difflib.SequenceMatcher(None, name, n).ratio(), abs(len(n) - len(name))))
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    return f"Available: {', '.join(known)}."
