"""The core abstraction: a model has networks, a prior and players; a player has parameters and terms to minimise."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, final, runtime_checkable

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.clock import Clock
from ganvas.core.order import Alternating, Order
from ganvas.errors import GanvasError

Terms = dict[str, Tensor]
"""Named scalars to be minimised. A player minimises their sum."""


Role = Literal["generator", "critic", "encoder", "decoder", "autoencoder", "classifier", "denoiser", "density"]
"""What a player is for. Others learn to fool a critic. A denoiser is the network of a diffusion model or of a flow.
A density gives exact likelihoods."""


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
class Truncates(Protocol):
    """A prior whose codes can be moved towards its mean."""

    def truncated(self, z: Tensor, psi: float) -> Tensor:
        """z̄ + ψ (z − z̄) for codes z (N, L) and the prior's mean z̄. psi: ψ, from 0 to 1."""
        ...


class Model(nn.Module, ABC):
    """Networks and players. What else a model can do, it says by the methods that it has: see `core.abilities`.

    order: see `core.order`. clock: images seen and steps taken; schedules read it.
    takes_second_derivatives: whether a loss, outside of penalties, takes gradients of gradients.
    """

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

    def sampling(self, *args: Any, **options: Any) -> None:
        """Sets how examples are drawn from now on. Options that are not given get their defaults.

        A model with such options overrides it with typed keyword arguments, each with a default and a line in the
        docstring's `Args:`. They become flags of `ganvas sample` and other commands, as a recipe's arguments do.
        """
        assert not args and not options


class FromCodes(Model):
    """A model that makes examples from codes, which a prior draws.

    prior: a module; called without arguments it gives the distribution of codes.
    """

    prior: nn.Module
    truncation: float = 1.0

    @abstractmethod
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples from codes. z: (N, L) as the prior draws them; y: (N,) classes. Returns x, (N, ...)."""

    def draw_codes(self, num: int) -> Tensor:
        """`num` codes from the prior, (num, L), truncated as `sampling` says."""
        return self.truncated(self.prior().sample((num,)))

    def truncated(self, z: Tensor) -> Tensor:
        """Codes of the prior z (N, L), truncated as `sampling` says."""
        return z if self.truncation == 1 else cast(Truncates, self.prior).truncated(z, self.truncation)

    @final
    def sample(self, num: int, y: Tensor | None = None) -> Tensor:
        """`num` examples from the prior, (num, ...)."""
        return self.generate(self.draw_codes(num), y)

    def sampling(self, *, truncation: float = 1.0) -> None:
        """See `Model.sampling`. GanvasError for a truncation that is not possible.

        Args:
            truncation: below 1 (0.7, say) samples are more typical and less varied; 0 gives the prior's mean alone.
        """
        if not 0 <= truncation <= 1:
            raise GanvasError(
                f"A truncation of {truncation} is not possible.", "Use 0 (the mean) to 1 (none), such as 0.7."
            )
        if truncation != 1 and not isinstance(self.prior, Truncates):
            raise GanvasError(
                "Truncation moves codes towards their mean, which this model's prior does not support: it has several"
                " components, or its codes are classes or entries of a codebook.",
                "It works with normal or uniform priors, which most recipes have.",
            )
        self.truncation = truncation


class Autoencoder(FromCodes):
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
