"""The contract between model and trainer, checked on one batch by `ganvas check` and the contract test."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ganvas.core.batch import Batch
from ganvas.core.model import Lazy, Player
from ganvas.core.order import Simultaneous
from ganvas.machine import rng
from ganvas.training.gradients import frozen, gradient, total
from ganvas.training.seats import Seat
from ganvas.training.trainer import Trainer


@dataclass(frozen=True)
class PlayerFacts:
    """One player in one dry turn. parameters: their number; terms: their values; lazy: values of its penalties."""

    name: str
    parameters: int
    every: int
    after: int
    terms: dict[str, float]
    penalties: dict[str, float]


@dataclass(frozen=True)
class Facts:
    """A model in one dry step. unreached: parameters of a player without a gradient from any term.

    unmoved: parameters that require a gradient and belong to no player.
    """

    players: tuple[PlayerFacts, ...]
    unreached: tuple[str, ...]
    unmoved: tuple[str, ...]


def dry_step(trainer: Trainer, batch: Batch) -> Facts:
    """All players' terms and gradients on one batch, due or not. No parameter changes."""
    reached: set[int] = set()
    players: list[PlayerFacts] = []
    with rng.seeded(trainer.seed, "dry step"):
        if trainer.transform:
            batch = trainer.transform(batch)
        for seat in trainer.seats:
            terms, own = dry_turn(trainer, seat, batch, None)
            penalties: dict[str, float] = {}
            for lazy in seat.player.lazy:
                found, also = dry_turn(trainer, seat, batch, lazy)
                penalties |= found
                own |= also
            reached |= own
            players.append(facts_of(seat.player, terms, penalties))
    named = list(trainer.model.named_parameters())
    moved = {id(p) for seat in trainer.seats for p in seat.parameters}
    return Facts(
        tuple(players),
        unreached=tuple(name for name, p in named if id(p) in moved and id(p) not in reached),
        unmoved=tuple(name for name, p in named if p.requires_grad and id(p) not in moved),
    )


def dry_turn(trainer: Trainer, seat: Seat, batch: Batch, lazy: Lazy | None) -> tuple[dict[str, float], set[int]]:
    """The terms of a player or of one penalty, and the parameters that get a gradient."""
    others: Sequence[torch.nn.Parameter] = () if isinstance(trainer.model.order, Simultaneous) else seat.others
    with frozen(others):
        r = trainer.model(batch)
        terms = lazy.penalty(r) if lazy else seat.player.loss(r)
        assert total(terms).dim() == 0
        gradients = gradient(terms, seat.parameters)
    reached = {id(p) for p, g in zip(seat.parameters, gradients, strict=True) if g is not None}
    return {name: float(value.detach()) for name, value in terms.items()}, reached


def facts_of(player: Player, terms: dict[str, float], penalties: dict[str, float]) -> PlayerFacts:
    size = sum(p.numel() for p in player.parameters())
    return PlayerFacts(player.name, size, player.every, player.after, terms, penalties)
