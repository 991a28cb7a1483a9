"""The core abstraction: a model has networks, a prior and players; a player has parameters and terms to minimise."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, final, runtime_checkable

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.clock import Clock
from ganvas.core.order import Alternating, Order

Terms = dict[str, Tensor]
"""Named scalars to be minimised. A player minimises their sum."""


Role = Literal["generator", "critic", "encoder", "decoder", "autoencoder", "classifier", "denoiser"]
"""What a player is for. Others learn to fool a critic. A denoiser is the network of a diffusion model or of a flow."""


class Round:
    """What several players need of one batch, computed once by `Model.forward`: Round(fake=fake).fake is fake.

    logged: named scalars that are logged and that no player descends.
    """

    def __init__(self, **parts: Any) -> None:
        self.logged: Terms = {}
        for name, part in parts.items():  # a plain loop: torch.compile cannot trace shorter forms
            setattr(self, name, part)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True)
class Lazy:
    """A penalty applied at every `every`-th turn, with weight `every`. Karras et al. 2020, appendix B.

    With `every=1` it is an ordinary term of the player's loss.
    name: if given, `follow` gets the penalty's round too, as "player/name".
    """

    penalty: Callable[[Round], Terms]
    every: int = 16
    name: str = ""


@dataclass(frozen=True)
class Player:
    """A set of parameters and the loss that moves them.

    name: "encoder", "critic" ...
    moves: the modules with the parameters that it moves; two players may share a module.
    loss: from a round to named terms, each signed to be minimised.
    every, after: it moves at every `every`-th step, from step `after` on.
    lazy: penalties applied at every k-th turn.
    project: called after each of its moves, to project its parameters onto a constraint (weight clipping).
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
        """Its parameters, without duplicates."""
        seen = {id(p): p for module in self.moves for p in module.parameters()}
        return list(seen.values())

    def turn(self, step: int) -> int | None:
        """Its number of turns before `step`, or None if it does not move at `step`."""
        since = step - self.after
        return since // self.every if since >= 0 and since % self.every == 0 else None


class FeatureCritic(Protocol):
    """A critic with an accessible last hidden layer: critic(x, y) = head(features(x, y), y), scores (N,)."""

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor: ...

    @property
    def head(self) -> nn.Module: ...

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Classifies(Protocol):
    """A model that also classifies examples."""

    def classify(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, (N, K), of x (N, ...)."""
        ...


@runtime_checkable
class Judged(Protocol):
    """A model with a critic that gives scores."""

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        """The critic's scores, each (N,): of examples to rank high, and of examples to rank low."""
        ...


@runtime_checkable
class Tokenizes(Protocol):
    """A model whose codes are grids of entries of a codebook."""

    @property
    def num_tokens(self) -> int:
        """How many entries there are."""
        ...

    def tokens(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The entries for x (N, ...): numbers from 0 to `num_tokens` - 1, int64 (N, h, w)."""
        ...

    def from_tokens(self, tokens: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples x (N, ...) for tokens (N, h, w)."""
        ...


class Model(nn.Module, ABC):
    """Networks, a prior and players.

    order: see `core.order`. clock: images seen and steps taken; schedules read it.
    takes_second_derivatives: whether a loss, outside of penalties, takes gradients of gradients.
    """

    prior: nn.Module
    order: Order = Alternating()
    takes_second_derivatives: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()

    @abstractmethod
    def players(self) -> Sequence[Player]:
        """The players, in the order of their turns."""

    @abstractmethod
    def forward(self, batch: Batch) -> Round:
        """Computes what the players' losses share."""

    def follow(self, rounds: Mapping[str, Round]) -> None:
        """Updates state that no gradient moves: codebooks, running means, pools of old examples.

        The trainer calls it once after each step, without gradients. rounds: for each player that was due, by name, what
        its turn computed; as "player/name" that of a penalty with a name. Changed state belongs into buffers: then it is
        saved, and taken back if the step failed.
        """

    @abstractmethod
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples from codes. z: (N, L) as the prior draws them; y: (N,) classes. Returns x, (N, ...)."""

    @final
    def sample(self, num: int, y: Tensor | None = None) -> Tensor:
        """`num` examples from the prior, (num, ...)."""
        return self.generate(self.prior().sample((num,)), y)


class Autoencoder(Model):
    """A model with an encoder, from examples to codes."""

    @abstractmethod
    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        """q(z|x) for x (N, ...): a distribution over codes with the shape of the prior's, batch shape (N,)."""

    @final
    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The reconstruction of x from the mean of its code, with the shape of x."""
        return self.generate(self.encode(x, y).mean, y)


class LatentVariableModel(Autoencoder):
    """An autoencoder whose decoder is a distribution p(x|z). Examples then have a likelihood."""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) for z (N, L): a distribution over examples, batch shape (N,)."""

    @final
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z)."""
        return self.decode(z, y).mean
