"""What models can do, as protocols: a model has an ability if it has the methods. `use.abilities` says what follows."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.model import Round


@runtime_checkable
class Samples(Protocol):
    """A model that draws examples."""

    def sample(self, num: int, y: Tensor | None = None) -> Tensor:
        """`num` examples, (num, ...). y: (num,), their classes, for a conditional model."""
        ...

    def sampling(self, *args: Any, **options: Any) -> None:
        """Sets how examples are drawn from now on."""
        ...


@runtime_checkable
class Generates(Samples, Protocol):
    """A model that draws examples from codes."""

    prior: nn.Module

    def draw_codes(self, num: int) -> Tensor:
        """`num` codes from the prior, (num, ...)."""
        ...

    def truncated(self, z: Tensor) -> Tensor:
        """Codes of the prior z (N, ...), truncated as `sampling` says."""
        ...

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Examples (N, ...) for codes z (N, ...)."""
        ...


@runtime_checkable
class Encodes(Generates, Protocol):
    """A model with an encoder, from examples to codes."""

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        """q(z|x) for x (N, ...): batch shape (N,)."""
        ...

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x (N, ...) through the code and back."""
        ...


@runtime_checkable
class HasLikelihood(Encodes, Protocol):
    """A model whose decoder is a distribution, so that examples have a likelihood."""

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) for codes z (N, ...): batch shape (N,)."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """A model that also classifies examples."""

    def classify(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, (N, K), of x (N, ...)."""
        ...


@runtime_checkable
class Judges(Protocol):
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
