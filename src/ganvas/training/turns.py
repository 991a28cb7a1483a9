"""A player's turn, forward and loss, as it is written or as torch.compile has made one graph of it."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

from ganvas.core.batch import Batch
from ganvas.core.model import Model, Player, Round, Terms

Turn = Callable[[Round | None, Batch], tuple[Round, Terms]]
"""From a forward that was made already, or None, and the batch: the forward that was used, and the loss's terms."""

F = TypeVar("F", bound=Callable[..., object])


def turn(model: Model, player: Player) -> Turn:
    """The player's turn as it is written."""

    def play(drawn: Round | None, batch: Batch) -> tuple[Round, Terms]:
        r = model(batch) if drawn is None else drawn
        return r, dict(player.loss(r))

    return play


def compiled(function: F) -> F:
    """The same function in compiled pieces, as large as torch can make them, drawing the noise that it would have drawn.

    Its first call takes from seconds to a minute. What it returns has no second derivative. Where the compiler fails, it
    is the function itself, with a warning.
    """
    from torch._dynamo.exc import BackendCompilerFailed  # takes a second to import

    faster = torch.compile(function, dynamic=False, options={"fallback_random": True})
    works = False

    def call(*arguments: Any) -> object:
        nonlocal faster, works
        if works:
            return faster(*arguments)
        noise = torch.get_rng_state()
        try:
            out = faster(*arguments)
        except BackendCompilerFailed as error:
            reason = str(error.inner_exception).partition("\n")[0]
            warnings.warn(f"torch.compile failed, and is done without: {reason}", stacklevel=2)
            torch.set_rng_state(noise)  # which the pieces before the one that failed may have drawn from
            faster = function
            out = function(*arguments)
        works = True
        return out

    return cast(F, call)
