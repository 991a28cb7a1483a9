"""What a user is told when something they asked for cannot be done."""

import difflib
from collections.abc import Iterable


class GanvasError(Exception):
    """A mistake that the user can mend: what was wrong, and in `hint` how to put it right.

    The command line prints it as one message and leaves with exit code 2; Python users catch it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A hint for a name that is not among `choices`: the nearest ones, or all of them when nothing is near."""
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        near.sort(key=lambda n: (-difflib.SequenceMatcher(None, name, n).ratio(), abs(len(n) - len(name))))
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    return f"There is: {', '.join(known)}."
