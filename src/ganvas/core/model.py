"""The one abstraction: a model is networks, a prior and players; a player is parameters and the terms they descend."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, final, runtime_checkable

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch

Terms = dict[str, Tensor]
"""Named scalars, each signed to be minimised; what a player descends is their sum."""


Role = Literal["generator", "critic", "encoder", "decoder", "autoencoder", "classifier"]
"""What a player is for. A critic's scores are what other players learn from; it is the one that they fool."""


class Round:
    """What several players need of one batch, computed once by `Model.forward`: Round(fake=fake).fake is fake."""

    def __init__(self, **parts: Any) -> None:
        for name, part in parts.items():  # torch.compile reads this, and nothing cleverer
            setattr(self, name, part)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class Lazy:
    """A penalty that a player pays every `every`-th turn, `every` times as much. Karras et al. 2020, appendix B.

    With `every=1` it is simply one more term of the player's loss.
    """

    penalty: Callable[[Round], Terms]
    every: int = 16


@dataclass(frozen=True)
class Player:
    """A set of parameters and the loss that moves them.

    name: "encoder", "critic" ...
    moves: the modules whose parameters it moves; two players may share a module.
    loss: from a round to named terms, each signed to be minimised.
    every, after: it plays every `every`-th step, from step `after` on.
    lazy: penalties paid every k-th turn.
    project: called after each of its moves, to bring its parameters back to where they are allowed (weight clipping).
    role: what it is for, by which `health` judges it; without one its name is searched for "critic" or "discriminator".
    """

    name: str
    moves: Sequence[nn.Module]
    loss: Callable[[Round], Terms]
    every: int = 1
    after: int = 0
    lazy: Sequence[Lazy] = ()
    project: Callable[[], None] | None = None
    role: Role | None = None

    def parameters(self) -> list[nn.Parameter]:
        """Its parameters, each once."""
        seen = {id(p): p for module in self.moves for p in module.parameters()}
        return list(seen.values())

    def turn(self, step: int) -> int | None:
        """How many turns it had before `step`, or None when it does not play then."""
        since = step - self.after
        return since // self.every if since >= 0 and since % self.every == 0 else None


class FeatureCritic(Protocol):
    """A critic whose last hidden layer can be looked at: critic(x, y) = head(features(x, y), y), scores (N,)."""

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor: ...

    @property
    def head(self) -> nn.Module: ...

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Classifies(Protocol):
    """A model that names classes, too."""

    def classify(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, (N, K), of x (N, ...)."""
        ...


@runtime_checkable
class Judged(Protocol):
    """A model with a critic, whose scores can be asked for."""

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        """Scores, each (N,), of what the critic should rank high and of what it should rank low."""
        ...


class Model(nn.Module, ABC):
    """Networks, a prior and players.

    A model with `simultaneous = True` lets all players that are due share one `forward`, and moves them together; else
    they alternate, each with a forward of its own in which everybody else is frozen. With `one_draw = True` they alternate
    on one forward, made before the first turn; it may run the networks of the last player only, since the others have
    moved by then. One that takes gradients of its own gradients, outside of penalties, sets `takes_second_derivatives`.
    """

    prior: nn.Module
    simultaneous: bool = False
    one_draw: bool = False
    takes_second_derivatives: bool = False
    images_seen: int = 0
    """The clock that schedules read; the trainer sets it before each step."""
    steps: int = 0
    """The clock that players join by, set likewise."""

    @abstractmethod
    def players(self) -> Sequence[Player]:
        """Who plays, in the order of their turns."""

    @abstractmethod
    def forward(self, batch: Batch) -> Round:
        """What the players' losses share."""

    @abstractmethod
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples from codes. z: (N, L) as the prior draws them; y: (N,) classes. Returns x, (N, ...)."""

    @final
    def sample(self, num: int, y: Tensor | None = None) -> Tensor:
        """`num` examples from the prior, (num, ...)."""
        return self.generate(self.prior().sample((num,)), y)


class Autoencoder(Model):
    """A model that can also go from examples to codes."""

    @abstractmethod
    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        """q(z|x) for x (N, ...): a distribution over codes shaped as the prior's, batch shape (N,)."""

    @final
    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x through the code's mean and back, shaped as x."""
        return self.generate(self.encode(x, y).mean, y)


class LatentVariableModel(Autoencoder):
    """An autoencoder whose decoder is a probability p(x|z), so that examples have a likelihood."""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) for z (N, L): a distribution over examples, batch shape (N,)."""

    @final
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z)."""
        return self.decode(z, y).mean
