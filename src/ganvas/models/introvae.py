"""Soft-IntroVAE: a VAE that looks at its own samples; its encoder is the critic, its decoder the generator."""

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.batch import Batch
from ganvas.model import Autoencoder, Player, Round, Terms
from ganvas.precision import full


class SoftIntroVAE(Autoencoder):
    """x̂ = G(z), z ~ q(z|x); x̃ = G(z_p), z_p ~ p(z). L(x) = ‖x − G(z)‖² is the error, KL(x) = KL(q(z|x) ‖ p(z)).

        encoder  minimises   s [β_rec L(x) + β_kl KL(x)] + ¼ Σ_{f = x̂, x̃} exp(−2s [β_rec L(f) + β_neg KL(f)])
        decoder  minimises   s [β_rec L(x) + ½ Σ_{f = x̂, x̃} (β_kl KL(f) + γ β_rec L(f))]

    (section 4, with α = 2; the weights are the program's). The encoder raises the bound on data and lowers, softly, its
    exponential on what the decoder makes; the decoder makes what the encoder finds likely.

    Stop-gradients, as in the authors' program: what the decoder made is data to the encoder, sg[f] throughout the
    exponential (the program leaves x̂ free where it is the target of L); and γ L(f) moves the decoder by what it makes of
    sg[z_f] alone, f being sg[f]. The program writes L = ‖x − G(z)‖² for pixels in [0, 1]; in [−1, 1] it is four times that.

    encoder: (x, y) to q(z|x). decoder: (z, y) to x.
    s: 1 / the number of the example's dimensions, so that the exponential does not vanish; it does not change either
        player's minimum but through the exponential.
    beta_rec, beta_kl, beta_neg: as above. gamma: 1e-8 in the paper.

    Terms: distortion, rate (of data), and of generated examples exponential bound or rate and distortion; all times s.

    References: Daniel & Tamar 2021, "Soft-IntroVAE", https://arxiv.org/abs/2012.13253;
        program: taldatech/soft-intro-vae-pytorch
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: nn.Module,
        beta_rec: float = 1.0,
        beta_kl: float = 1.0,
        beta_neg: float = 1.0,
        gamma: float = 1e-8,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.beta_rec, self.beta_kl, self.beta_neg, self.gamma = beta_rec, beta_kl, beta_neg, gamma

    def players(self) -> Sequence[Player]:
        return (
            Player("encoder", [self.encoder], self.encoder_loss),
            Player("decoder", [self.decoder], self.decoder_loss),
        )

    def forward(self, batch: Batch) -> Round:
        x, y = batch.x, batch.y
        q = self.encode(x, y)
        made = (self.generate(q.rsample(), y), self.generate(self.prior().sample((len(batch),)), y))
        return Round(x=x, y=y, q=q, made=made, s=1 / math.prod(x.shape[1:]))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z, y)

    def encoder_loss(self, r: Round) -> Terms:
        exponentials = [self.exponential_bound(f.detach(), r.y, r.s) for f in r.made]
        return {
            "distortion": r.s * self.beta_rec * squared_error(r.x, r.made[0]).mean(),
            "rate": r.s * self.beta_kl * kl_divergence(r.q, self.prior()).mean(),
            "exponential bound": 0.25 * (exponentials[0] + exponentials[1]).mean(),
        }

    def exponential_bound(self, f: Tensor, y: Tensor | None, s: float) -> Tensor:
        """exp(−2s [β_rec L(f) + β_neg KL(f)]) of generated examples f, (N,): 1 for those that fool the encoder."""
        q = self.encode(f, y)
        error = squared_error(f, self.generate(q.rsample(), y))
        return (-2 * s * (self.beta_rec * error + self.beta_neg * kl_divergence(q, self.prior()))).exp()

    def decoder_loss(self, r: Round) -> Terms:
        codes = [self.encode(f, r.y) for f in r.made]
        rates = [kl_divergence(q, self.prior()).mean() for q in codes]
        errors = [
            squared_error(f.detach(), self.generate(q.rsample().detach(), r.y)).mean()
            for f, q in zip(r.made, codes, strict=True)
        ]
        return {
            "distortion": r.s * self.beta_rec * squared_error(r.x, r.made[0]).mean(),
            "generated rate": 0.5 * r.s * self.beta_kl * (rates[0] + rates[1]),
            "generated distortion": 0.5 * r.s * self.gamma * self.beta_rec * (errors[0] + errors[1]),
        }


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """‖x − x̂‖² summed over dimensions, (N,)."""
    return full(x - reconstruction).square().flatten(1).sum(1)
