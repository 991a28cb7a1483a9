"""Neural discrete representation learning: an autoencoder whose code is a grid of entries of a learned codebook."""

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import LatentVariableModel, Player, Round, Terms
from ganvas.models.code_prior import CodePrior, indices_of
from ganvas.nn.quantize import VectorQuantizer
from ganvas.probability.distributions import Certain


class VQVAE(LatentVariableModel):
    """−log p(x|z) + ‖sg[z_e] − e‖² + β‖z_e − sg[e]‖²,  z_e = E(x), e the nearest entries, z = z_e + sg[e − z_e].

    (eq. 3). The decoder's gradient passes straight through to the encoder. The second term trains the codebook, unless
    moving averages do (appendix A.1). The third keeps the encoder close to its entries.

    encoder: (x, y) to z_e (N, D, h, w). quantizer: of `nn.quantize`. decoder: (z, y) to p(x|z).
    commitment: β.
    Codes are grids of vectors (N, D, h, w), which `decode` rounds to the nearest entries. The prior is the frequency of each
    entry at each position, see `CodePrior`. It gives a rate, and samples that look like patchwork.

    Terms, in nats per example: distortion; commitment, codebook.

    References: van den Oord et al. 2017, "Neural Discrete Representation Learning", https://arxiv.org/abs/1711.00937
    """

    def __init__(
        self,
        encoder: nn.Module,
        quantizer: nn.Module,
        decoder: nn.Module,
        grid: tuple[int, int],
        commitment: float = 0.25,
    ) -> None:
        super().__init__()
        self.encoder, self.quantizer, self.decoder = encoder, quantizer, decoder
        self.prior = CodePrior(quantizer, grid)
        self.commitment = commitment

    def players(self) -> Sequence[Player]:
        return (Player("autoencoder", [self.encoder, self.quantizer, self.decoder], self.loss, role="autoencoder"),)

    def forward(self, batch: Batch) -> Round:
        quantized = self.quantizer(self.encoder(batch.x, batch.y))
        return Round(x=batch.x, quantized=quantized, p=self.decoder(quantized.z, batch.y))

    def follow(self, rounds: Mapping[str, Round]) -> None:
        follow_codes(self.quantizer, self.prior, rounds["autoencoder"])

    @property
    def num_tokens(self) -> int:
        return cast(VectorQuantizer, self.quantizer).num_codes

    def tokens(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return indices_of(cast(VectorQuantizer, self.quantizer), self.encoder(x, y))

    def from_tokens(self, tokens: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generate(cast(VectorQuantizer, self.quantizer).codes(tokens), y)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return Certain(rounded(self.quantizer, self.encoder(x, y)))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.decoder(z + (rounded(self.quantizer, z) - z).detach(), y)

    def loss(self, r: Round) -> Terms:
        terms = {
            "distortion": -r.p.log_prob(r.x).mean(),
            "commitment": self.commitment * r.quantized.commitment.mean(),
        }
        # Moving averages need no such term.
        return terms | ({"codebook": r.quantized.codebook.mean()} if list(self.quantizer.parameters()) else {})


def follow_codes(quantizer: nn.Module, prior: nn.Module, r: Round) -> None:
    """Moves a codebook and the prior over its entries after a step. r: with `quantized`."""
    cast(VectorQuantizer, quantizer).follow(r.quantized)
    cast(CodePrior, prior).follow(r.quantized.indices)


def rounded(quantizer: nn.Module, z: Tensor) -> Tensor:
    """z (N, D, h, w) with every vector replaced by the nearest entry."""
    q = cast(VectorQuantizer, quantizer)
    return q.codes(indices_of(q, z))
