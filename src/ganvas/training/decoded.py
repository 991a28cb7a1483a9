"""A second stage together with the decoder of its first: one model from noise to examples."""

from collections.abc import Callable, Sequence

from torch import Tensor

from ganvas.core.abilities import Generates
from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Model, Player, Round


class Decoded(FromCodes):
    """Decodes what another model samples. It is measured and exported, not trained.

    stage: a model of codes. decoding: from codes (N, ...) to examples.
    """

    def __init__(self, stage: Generates, decoding: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.stage, self.decoding, self.prior = stage, decoding, stage.prior

    def players(self) -> Sequence[Player]:
        return ()

    def forward(self, batch: Batch) -> Round:
        raise NotImplementedError("a second stage is trained alone, on codes")

    def truncated(self, z: Tensor) -> Tensor:
        return self.stage.truncated(z)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoding(self.stage.generate(z, y))


def decoded(stage: Model, decoding: Callable[[Tensor], Tensor]) -> Decoded:
    """A model of codes, joined with the decoder."""
    assert isinstance(stage, Generates), "a second stage makes codes from noise"
    return Decoded(stage, decoding)
