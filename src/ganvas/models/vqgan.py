"""VQGAN: a quantising autoencoder with a perceptual loss and a discriminator that starts later."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Player, Round, Terms
from ganvas.losses.adversarial import Adversarial, Hinge
from ganvas.models.code_prior import CodePrior, indices_of
from ganvas.models.vqvae import follow_codes, rounded
from ganvas.nn.quantize import VectorQuantizer
from ganvas.probability.distributions import Certain


class VQGAN(Autoencoder):
    """x̂ = G(z), z the quantised E(x); L_rec = mean |x − x̂| + w_p d(x, x̂), d perceptual; D scores x̂.

        autoencoder    minimises   L_rec + ‖sg[z_e] − e‖² + β‖z_e − sg[e]‖² + λ [fool D with x̂]
        discriminator  minimises   ½ [tell x from x̂], from step `critic_after` on; before it λ = 0

        λ = w ‖∇_L L_rec‖ / (‖∇_L [fool D]‖ + 10⁻⁴), at most 10⁴ w, and a constant to the gradient,

    with L the decoder's last layer (eq. 6-7): there the adversarial gradient is w times as long as that of reconstruction.
    As in the authors' program, |x − x̂| is a mean over pixels, and quantisation terms are means over a code's values.

    encoder: (x, y) to z_e (N, D, h, w). quantizer: of `nn.quantize`. decoder: (z, y) to x. critic: (x, y) to scores (N,).
    last_layer: of the decoder, a module with a `weight`. perceptual: d, from x and x̂ to (N,); None for none.
    loss: the adversarial pair.
    Codes and their prior are as in VQ-VAE.

    With several processes λ uses each process's own examples, as in the program. Held-out terms use the last λ of training.

    Terms: pixel, perceptual, commitment, codebook, adversarial (times λ).

    References: Esser et al. 2021, "Taming Transformers for High-Resolution Image Synthesis",
        https://arxiv.org/abs/2012.09841; program: CompVis/taming-transformers
    """

    balance: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        quantizer: nn.Module,
        decoder: nn.Module,
        critic: nn.Module,
        last_layer: nn.Module,
        grid: tuple[int, int],
        perceptual: nn.Module | None = None,
        loss: Adversarial | None = None,
        commitment: float = 0.25,
        perceptual_weight: float = 1.0,
        adversarial_weight: float = 1.0,
        critic_after: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.quantizer, self.decoder, self.critic = encoder, quantizer, decoder, critic
        self.prior = CodePrior(quantizer, grid)
        self.perceptual = perceptual
        self.loss = loss or Hinge()
        self.commitment, self.perceptual_weight = commitment, perceptual_weight
        self.adversarial_weight, self.critic_after = adversarial_weight, critic_after
        self.last = [last_layer]  # in a list, so that torch does not register it twice
        self.register_buffer("balance", torch.zeros(()))

    def players(self) -> Sequence[Player]:
        return (
            Player(
                "autoencoder", [self.encoder, self.quantizer, self.decoder], self.autoencoder_loss, role="autoencoder"
            ),
            Player("discriminator", [self.critic], self.discriminator_loss, after=self.critic_after, role="critic"),
        )

    def forward(self, batch: Batch) -> Round:
        quantized = self.quantizer(self.encoder(batch.x, batch.y))
        return Round(
            x=batch.x, y=batch.y, balance=self.balance, quantized=quantized, fake=self.decoder(quantized.z, batch.y)
        )

    def follow(self, rounds: Mapping[str, Round]) -> None:
        r = rounds["autoencoder"]
        follow_codes(self.quantizer, self.prior, r)
        self.balance.copy_(r.balance)

    @property
    def num_tokens(self) -> int:
        return cast(VectorQuantizer, self.quantizer).num_codes

    def tokens(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return indices_of(cast(VectorQuantizer, self.quantizer), self.encoder(x, y))

    def from_tokens(self, tokens: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generate(cast(VectorQuantizer, self.quantizer).codes(tokens), y)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return Certain(rounded(self.quantizer, self.encoder(x, y)))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z + (rounded(self.quantizer, z) - z).detach(), y)

    def autoencoder_loss(self, r: Round) -> Terms:
        terms = self.reconstruction(r)
        # λ compares D with reconstruction only, without the terms of the codes.
        fooling = self.fooling(r, torch.stack(list(terms.values())).sum())
        return terms | self.quantisation(r) | fooling

    def reconstruction(self, r: Round) -> Terms:
        terms = {"pixel": (r.x - r.fake).abs().mean()}
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual_weight * self.perceptual(r.x, r.fake).mean()
        return terms

    def quantisation(self, r: Round) -> Terms:
        size = r.quantized.z[0].numel()
        terms = {"commitment": self.commitment * r.quantized.commitment.mean() / size}
        return terms | ({"codebook": r.quantized.codebook.mean() / size} if list(self.quantizer.parameters()) else {})

    def fooling(self, r: Round, reconstruction: Tensor) -> Terms:
        """λ times the adversarial loss; 0 before D's first turn, because an untrained D gives noise."""
        if self.clock.steps <= self.critic_after:
            return {}
        real = self.critic(r.x, r.y) if self.loss.paired else None
        adversarial = self.loss.generator(real, self.critic(r.fake, r.y))
        weight = self.balance
        if adversarial.requires_grad:
            weight = self.adversarial_weight * balance(reconstruction, adversarial, self.last[0])
            r.balance = weight
        return {"adversarial": weight * adversarial}

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.critic(r.x, r.y), self.critic(r.fake, r.y)

    def discriminator_loss(self, r: Round) -> Terms:
        return {"adversarial": 0.5 * self.loss.critic(self.critic(r.x, r.y), self.critic(r.fake, r.y))}


def balance(reconstruction: Tensor, adversarial: Tensor, layer: nn.Module) -> Tensor:
    """‖∇_L rec‖ / (‖∇_L adv‖ + 10⁻⁴), at most 10⁴, L the layer's weight; it has no gradient itself. Eq. 7."""
    rec, adv = (torch.autograd.grad(loss, layer.weight, retain_graph=True)[0] for loss in (reconstruction, adversarial))  # pyright: ignore[reportArgumentType, reportCallIssue]
    return (rec.norm() / (adv.norm() + 1e-4)).clamp_max(1e4).detach()
