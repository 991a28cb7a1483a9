"""The perceptual autoencoder: codes on a grid from which pictures come back as an eye would have them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Player, Round, Terms
from ganvas.core.order import OneDraw
from ganvas.losses.adversarial import Adversarial, Hinge
from ganvas.losses.perceptual import feature_distance


class PerceptualAutoencoder(Autoencoder):
    """z ~ q(z|x) on a grid, x̂ = G(z); φ the stages of a frozen network, D small critics of mixes of them.

        critic         minimises   [tell x from x̂ by φ], from step `critic_after` on
        autoencoder    minimises   mean |x − x̂| + w_p Σ_l ‖φ_l(x) − φ_l(x̂)‖² + w_r KL(q ‖ N(0, I)) + w_a [fool D with x̂],

    the last from `warm_up` steps after the critic joined, as a new critic's judgement is noise. ‖·‖² is the mean over
    positions of the squared distance of channels scaled to unit length. KL is summed over the code: w_r is small, and keeps
    codes from growing, not from carrying what they must. So codes of N(0, I) are no codes of pictures: a second model has
    to learn which are.

    Both turns, and both distances, use one pass through the frozen network.

    encoder: (x, y) to a diagonal normal over grids (N, D, h, w). decoder: (z, y) to x. features: images to stages, frozen.
    projection: stages to maps, fixed. critics: maps to logits (N, M). prior: N(0, I) over grids.

    Terms: pixel, perceptual (times w_p), rate (times w_r), adversarial (times w_a).

    References: Esser et al. 2021, "Taming Transformers", https://arxiv.org/abs/2012.09841; Rombach et al. 2022,
        "High-Resolution Image Synthesis with Latent Diffusion Models", appendix G, https://arxiv.org/abs/2112.10752;
        the critic is that of Sauer et al. 2021, "Projected GANs Converge Faster", https://arxiv.org/abs/2111.01007
    """

    order = OneDraw()

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        features: nn.Module,
        projection: nn.Module,
        critics: nn.Module,
        prior: nn.Module,
        perceptual_weight: float = 0.05,
        rate_weight: float = 2e-5,
        adversarial_weight: float = 0.01,
        critic_after: int = 0,
        warm_up: int = 200,
        loss: Adversarial | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.features, self.projection, self.critics = features, projection, critics
        self.perceptual_weight, self.rate_weight = perceptual_weight, rate_weight
        self.adversarial_weight = adversarial_weight
        self.critic_after, self.warm_up = critic_after, warm_up
        self.loss = loss or Hinge()

    def players(self) -> Sequence[Player]:
        return (
            Player("critic", [self.critics], self.critic_loss, after=self.critic_after, role="critic"),
            Player("autoencoder", [self.encoder, self.decoder], self.autoencoder_loss, role="autoencoder"),
        )

    def forward(self, batch: Batch) -> Round:
        q = self.encode(batch.x, batch.y)
        fake = self.generate(q.rsample(), batch.y)
        with torch.no_grad():
            real_stages = self.features(batch.x)
        return Round(x=batch.x, q=q, fake=fake, real_stages=real_stages, fake_stages=self.features(fake))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        return self.encoder(x, y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z, y)

    def judge(self, stages: Sequence[Tensor]) -> Tensor:
        """The critics' logits, (N, M), of images by their stages."""
        return self.critics(self.projection(stages))

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.judge(r.real_stages).mean(1), self.judge(r.fake_stages).mean(1)

    def critic_loss(self, r: Round) -> Terms:
        fake_stages = [stage.detach() for stage in r.fake_stages]
        return {"adversarial": self.loss.critic(self.judge(r.real_stages), self.judge(fake_stages))}

    def autoencoder_loss(self, r: Round) -> Terms:
        terms = {
            "pixel": (r.x - r.fake).abs().mean(),
            "perceptual": self.perceptual_weight * feature_distance(r.real_stages, r.fake_stages).mean(),
            "rate": self.rate_weight * kl_divergence(r.q, self.prior()).mean(),
        }
        return terms | self.fooling(r)

    def fooling(self, r: Round) -> Terms:
        """w_a times what fooling the critics costs; nothing while they are new."""
        if self.clock.steps < self.critic_after + self.warm_up or self.adversarial_weight == 0:
            return {}
        real = self.judge(r.real_stages) if self.loss.paired else None
        return {"adversarial": self.adversarial_weight * self.loss.generator(real, self.judge(r.fake_stages))}
