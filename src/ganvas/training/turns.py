"""A player's turn: forward pass and loss, eager or compiled by torch.compile."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

from ganvas.core.batch import Batch
from ganvas.core.model import Model, Player, Round, Terms

Turn = Callable[[Round | None, Batch], tuple[Round, Terms]]
"""Takes an existing forward or None, and the batch. Returns the forward that was used, and the loss's terms."""

F = TypeVar("F", bound=Callable[..., object])


def turn(model: Model, player: Player) -> Turn:
    """The player's turn, not compiled."""

    def play(drawn: Round | None, batch: Batch) -> tuple[Round, Terms]:
        r = model(batch) if drawn is None else drawn
        return r, dict(player.loss(r))

    return play


def compiled(function: F) -> F:
    """The same function, compiled in pieces as large as torch can make them. It draws the same noise.

    Its first call takes from seconds to a minute. Its results have no second derivative. If the compiler fails, the
    function runs without it, with a warning.
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
            warnings.warn(f"torch.compile failed, training continues without it: {reason}", stacklevel=2)
            torch.set_rng_state(noise)  # earlier pieces may have drawn from it
            faster = function
            out = function(*arguments)
        works = True
        return out

    return cast(F, call)
