"""IntroVAE and Soft-IntroVAE: VAEs with the encoder as critic and the decoder as generator."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import final

from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Player, Round, Terms
from ganvas.core.schedules import Schedule, as_schedule
from ganvas.machine.precision import full


class Introspective(Autoencoder):
    """The common part: encoder and decoder compete over x̂ = G(z), z ~ q(z|x), and x̃ = G(z_p).

    encoder: (x, y) to q(z|x). decoder: (z, y) to x. A round has x, y, q and the generated examples (x̂, x̃).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior

    @final
    def players(self) -> Sequence[Player]:
        return (
            Player("encoder", [self.encoder], self.encoder_loss, role="encoder"),
            Player("decoder", [self.decoder], self.decoder_loss, role="decoder"),
        )

    @final
    def forward(self, batch: Batch) -> Round:
        x, y = batch.x, batch.y
        q = self.encode(x, y)
        made = (self.generate(q.rsample(), y), self.generate(self.prior().sample((len(batch),)), y))
        return Round(x=x, y=y, q=q, made=made)

    @final
    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    @final
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z, y)

    @final
    def rate(self, q: Distribution) -> Tensor:
        """KL(q ‖ p(z)) in nats, (N,)."""
        return kl_divergence(q, self.prior())

    @abstractmethod
    def encoder_loss(self, r: Round) -> Terms: ...

    @abstractmethod
    def decoder_loss(self, r: Round) -> Terms: ...


class IntroVAE(Introspective):
    """x̂ = G(z), z ~ q(z|x); x̃ = G(z_p), z_p ~ p(z). L_AE(x) = ½ ‖x − x̂‖², KL(x) = KL(q(z|x) ‖ p(z)).

        encoder  minimises   KL(x) + α Σ_{f = x̂, x̃} [m − KL(sg[f])]⁺ + β L_AE(x)
        decoder  minimises   α Σ_{f = x̂, x̃} KL(f) + β L_AE(x)

    (eq. 11 and 12, algorithm 1). KL is the energy of an energy-based GAN. The encoder lowers it on data, and raises it on
    generated examples up to the margin m. The decoder lowers it on generated examples. Without α this is a VAE.

    The authors' program differs. It compares the mean of KL(f) over the batch with m, not each example's. Its α is half of
    `weight_neg` for the encoder and ½ for the decoder. Its L_AE has no ½, for pixels in [0, 1]. In paper and program both
    players use the same x̂ and x̃; here the decoder generates its own after the encoder's move.

    encoder: (x, y) to q(z|x). decoder: (z, y) to x.
    margin: m, in nats; above KL(x), else the encoder cannot separate data.
    alpha: α, a number or a schedule by images seen; the program can train a VAE first, α = 0 (`num_vae`).
    beta: as above; the error is summed over dimensions.

    Terms: distortion and rate (of data); hinge or rate of generated examples.

    References: Huang et al. 2018, "IntroVAE: Introspective Variational Autoencoders for Photographic Image Synthesis",
        https://arxiv.org/abs/1807.06358; program: hhb072/IntroVAE
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: nn.Module,
        margin: float,
        alpha: float | Schedule = 0.25,
        beta: float = 1.0,
    ) -> None:
        super().__init__(encoder, decoder, prior)
        self.margin, self.alpha, self.beta = margin, as_schedule(alpha), beta

    def encoder_loss(self, r: Round) -> Terms:
        hinges = [(self.margin - self.rate(self.encode(f.detach(), r.y))).relu() for f in r.made]
        return {
            "distortion": self.distortion(r),
            "rate": self.rate(r.q).mean(),
            "generated hinge": self.alpha(self.clock.images) * (hinges[0] + hinges[1]).mean(),
        }

    def decoder_loss(self, r: Round) -> Terms:
        rates = [self.rate(self.encode(f, r.y)) for f in r.made]
        return {
            "distortion": self.distortion(r),
            "generated rate": self.alpha(self.clock.images) * (rates[0] + rates[1]).mean(),
        }

    def distortion(self, r: Round) -> Tensor:
        """β L_AE of a round's batch."""
        return self.beta * 0.5 * squared_error(r.x, r.made[0]).mean()


class SoftIntroVAE(Introspective):
    """x̂ = G(z), z ~ q(z|x); x̃ = G(z_p), z_p ~ p(z). L(x) = ‖x − G(z)‖² is the error, KL(x) = KL(q(z|x) ‖ p(z)).

        encoder  minimises   s [β_rec L(x) + β_kl KL(x)] + ¼ Σ_{f = x̂, x̃} exp(−2s [β_rec L(f) + β_neg KL(f)])
        decoder  minimises   s [β_rec L(x) + ½ Σ_{f = x̂, x̃} (β_kl KL(f) + γ β_rec L(f))]

    (section 4, with α = 2; the weights are the program's). The encoder raises the bound on data, and lowers its
    exponential on generated examples. The decoder generates examples that the encoder finds likely.

    Stop-gradients as in the authors' program: for the encoder, generated examples are data, sg[f] in the whole exponential
    (the program does not stop x̂ as the target of L). In γ L(f) only the decoder's output of sg[z_f] gets a gradient, with
    sg[f]. The program uses L = ‖x − G(z)‖² for pixels in [0, 1]; in [−1, 1] it is four times as large.

    encoder: (x, y) to q(z|x). decoder: (z, y) to x.
    s: 1 / the number of the example's dimensions, so that the exponential does not vanish. It changes the players' minima
        only through the exponential.
    beta_rec, beta_kl, beta_neg: as above. gamma: 1e-8 in the paper.

    Terms: distortion, rate (of data), and exponential bound or rate and distortion of generated examples; all times s.

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
        super().__init__(encoder, decoder, prior)
        self.beta_rec, self.beta_kl, self.beta_neg, self.gamma = beta_rec, beta_kl, beta_neg, gamma

    def encoder_loss(self, r: Round) -> Terms:
        s = 1 / math.prod(r.x.shape[1:])
        exponentials = [self.exponential_bound(f.detach(), r.y, s) for f in r.made]
        return {
            "distortion": s * self.beta_rec * squared_error(r.x, r.made[0]).mean(),
            "rate": s * self.beta_kl * self.rate(r.q).mean(),
            "exponential bound": 0.25 * (exponentials[0] + exponentials[1]).mean(),
        }

    def exponential_bound(self, f: Tensor, y: Tensor | None, s: float) -> Tensor:
        """exp(−2s [β_rec L(f) + β_neg KL(f)]) of generated examples f, (N,); 1 if f fools the encoder."""
        q = self.encode(f, y)
        error = squared_error(f, self.generate(q.rsample(), y))
        return (-2 * s * (self.beta_rec * error + self.beta_neg * self.rate(q))).exp()

    def decoder_loss(self, r: Round) -> Terms:
        s = 1 / math.prod(r.x.shape[1:])
        codes = [self.encode(f, r.y) for f in r.made]
        rates = [self.rate(q).mean() for q in codes]
        errors = [
            squared_error(f.detach(), self.generate(q.rsample().detach(), r.y)).mean()
            for f, q in zip(r.made, codes, strict=True)
        ]
        return {
            "distortion": s * self.beta_rec * squared_error(r.x, r.made[0]).mean(),
            "generated rate": 0.5 * s * self.beta_kl * (rates[0] + rates[1]),
            "generated distortion": 0.5 * s * self.gamma * self.beta_rec * (errors[0] + errors[1]),
        }


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """‖x − x̂‖² summed over dimensions, (N,)."""
    return full(x - reconstruction).square().flatten(1).sum(1)
