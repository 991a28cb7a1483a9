"""In which order the players of a model take their turns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alternating:
    """Players take turns. Each turn has a forward pass of its own, in which all other players are frozen."""


@dataclass(frozen=True)
class Simultaneous:
    """All players that are due share one forward pass, and move together."""


@dataclass(frozen=True)
class OneDraw:
    """Players take turns on one forward pass, made before the first turn.

    The forward pass may run only the networks of the last player: the others have moved by the time of its turn.
    """


Order = Alternating | Simultaneous | OneDraw
