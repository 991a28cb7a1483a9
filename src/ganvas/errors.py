"""What a user is told when something they asked for cannot be done."""

import difflib
from collections.abc import Iterable


class GanvasError(Exception):
    """A mistake that the user can mend: what was wrong, and in `hint` how to put it right.

    The command line prints it as one message and leaves with exit code 2; Python users catch it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        message = printable(message)
        super().__init__(message)
        self.message = message
        self.hint = "\n".join(map(printable, hint.split("\n")))

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def needs_extra(what: str, extra: str) -> GanvasError:
    """The error for what asks for packages that are not installed, and come with one of ganvas's extras."""
    return GanvasError(f"{what} needs the extra {extra}: pip install 'ganvas[{extra}]'")


LONGEST = 1_000
"""Characters of a message. What is quoted in one may be of any length."""


def printable(text: str) -> str:
    """A text as one line of moderate length that no terminal obeys: it may quote a file that a stranger wrote."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    # Not printable are controls, formatting (which may turn the direction of writing), surrogates, what is not assigned, and
    # all space but the usual.
    return "".join(" " if c in "\n\t" else c if c.isprintable() else ascii(c)[1:-1] for c in text)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A hint for a name that is not among `choices`: the nearest ones, or all of them when nothing is near."""
    known = sorted(choices)
    same = [n for n in known if n.casefold() == name.casefold()]
    near = same or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        near.sort(key=lambda n: (-difflib.SequenceMatcher(None, name, n).ratio(), abs(len(n) - len(name))))
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    return f"There is: {', '.join(known)}."
