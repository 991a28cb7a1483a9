"""The semi-supervised adversarial autoencoder: a critic makes the encoder find classes, and few labels name them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Player, Round, Terms
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.machine import rng
from ganvas.probability.distributions import DiagonalNormal, Size, Unchecked


class SemiSupervisedAAE(Autoencoder):
    """A code is a class and a style: [c, z] = E(x), c on the simplex, z ~ q(z|x). c_p ~ Cat(K), one-hot; z_p ~ p(z).

        autoencoder (E and the decoder)  minimises   −log p(x|c, z)
        class critic                     minimises   −log D_c(c_p) − log(1 − D_c(c))
        style critic                     minimises   −log D_z(z_p) − log(1 − D_z(z))
        encoder                          minimises   −log D_c(c) − log D_z(z)
        classifier (E)                   minimises   −log q(y|x) on the labelled examples

    (section 5). D_c makes the class vector one-hot and all classes equally frequent, with or without labels. The labels
    name the classes.

    encoder: x to (class logits (N, K), q(z|x)). decoder: [c, z] (N, K + L) to p(x|c, z).
    class_critic, style_critic: (N, K) and (N, L) to scores (N,).
    style_prior: p(z). Labels are y ≥ 0; −1 means no label. Only the classifier uses labels.

    noise: standard deviation of noise on the encoder's input in training, in units of x. Reconstructions are compared with
        x itself. With few labels, the noise prevents memorisation.

    Codes are (N, K + L), the class first. If `generate` gets y ≥ 0, that class replaces the code's own.

    Terms: distortion, in nats per example; class and style adversarial; label, in nats per labelled example (0 without
    labels).

    References: Makhzani et al. 2015, "Adversarial Autoencoders", https://arxiv.org/abs/1511.05644
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        class_critic: nn.Module,
        style_critic: nn.Module,
        style_prior: nn.Module,
        num_classes: int,
        loss: Adversarial | None = None,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.class_critic, self.style_critic = class_critic, style_critic
        self.prior = ClassAndStyle(num_classes, style_prior)
        self.num_classes = num_classes
        self.loss = loss or NonSaturating()
        self.noise = noise

    def players(self) -> Sequence[Player]:
        return (
            Player("autoencoder", [self.encoder, self.decoder], self.reconstruction_loss, role="autoencoder"),
            Player("class critic", [self.class_critic], self.class_critic_loss, role="critic"),
            Player("style critic", [self.style_critic], self.style_critic_loss, role="critic"),
            Player("encoder", [self.encoder], self.encoder_loss, role="encoder"),
            Player("classifier", [self.encoder], self.label_loss, role="classifier"),
        )

    def forward(self, batch: Batch) -> Round:
        seen = batch.x
        if self.training and self.noise > 0:
            seen = seen + self.noise * rng.randn(*seen.shape, like=seen)
        logits, q = self.encoder(seen)
        c_prior, z_prior = self.prior().sample((len(batch),)).tensor_split([self.num_classes], dim=1)
        return Round(
            x=batch.x, y=batch.y, logits=logits, c=logits.softmax(1), z=q.rsample(), c_prior=c_prior, z_prior=z_prior
        )

    def encode(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        logits, q = self.encoder(x)
        return ClassAndStyleCode(logits.softmax(1), q)

    def classify(self, x: Tensor) -> Tensor:
        return self.encoder(x)[0]

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if y is not None:
            z = torch.cat([self.told(z[:, : self.num_classes], y), z[:, self.num_classes :]], dim=1)
        return self.decoder(z).mean

    def told(self, c: Tensor, y: Tensor) -> Tensor:
        """c (N, K), with the one-hot vector of y (N,) for y ≥ 0. Raises GanvasError for an unknown class."""
        looked_at = (
            y.device.type == "cpu" and not torch.compiler.is_compiling()
        )  # a compiled graph cannot branch on values
        if looked_at and len(y) and int(y.max()) >= self.num_classes:
            raise GanvasError(f"There is no class {int(y.max())}.", f"The classes are 0 to {self.num_classes - 1}.")
        return torch.where(y[:, None] >= 0, F.one_hot(y.clamp_min(0), self.num_classes).to(c.dtype), c)

    def reconstruction_loss(self, r: Round) -> Terms:
        return {"distortion": -self.decoder(torch.cat([r.c, r.z], dim=1)).log_prob(r.x).mean()}

    def class_critic_loss(self, r: Round) -> Terms:
        return {"class adversarial": self.loss.critic(self.class_critic(r.c_prior), self.class_critic(r.c))}

    def style_critic_loss(self, r: Round) -> Terms:
        return {"style adversarial": self.loss.critic(self.style_critic(r.z_prior), self.style_critic(r.z))}

    def encoder_loss(self, r: Round) -> Terms:
        paired = self.loss.paired
        class_real = self.class_critic(r.c_prior) if paired else None
        style_real = self.style_critic(r.z_prior) if paired else None
        return {
            "class adversarial": self.loss.generator(class_real, self.class_critic(r.c)),
            "style adversarial": self.loss.generator(style_real, self.style_critic(r.z)),
        }

    def label_loss(self, r: Round) -> Terms:
        y = torch.full((len(r.x),), -1, device=r.x.device) if r.y is None else r.y
        summed = F.cross_entropy(r.logits, y, ignore_index=-1, reduction="sum")
        return {"label": summed / (y >= 0).sum().clamp_min(1)}


class ClassAndStyle(nn.Module):
    """p(c, z): a one-hot class (K,), uniform, and a style (L,) with its own prior."""

    def __init__(self, num_classes: int, style: nn.Module) -> None:
        super().__init__()
        self.num_classes, self.style = num_classes, style

    def forward(self) -> "UniformClassAndStyle":
        return UniformClassAndStyle(self.num_classes, self.style())


class UniformClassAndStyle(Unchecked):
    """Uniform one-hot classes (K,), joined with draws of `style` (L,): events (K + L,)."""

    def __init__(self, num_classes: int, style: Distribution) -> None:
        self.num_classes, self.style = num_classes, style
        super().__init__(torch.Size(), torch.Size([num_classes + style.event_shape[0]]))

    def sample(self, sample_shape: Size = ()) -> Tensor:
        z = self.style.sample(torch.Size(sample_shape))
        drawn = (rng.rand(*sample_shape, like=z) * self.num_classes).long().clamp_max(self.num_classes - 1)
        return torch.cat([F.one_hot(drawn, self.num_classes).to(z.dtype), z], dim=-1)


class ClassAndStyleCode(Unchecked):
    """The code of an example: class probabilities c (N, K), deterministic, joined with q(z|x), (N, L)."""

    def __init__(self, c: Tensor, style: DiagonalNormal) -> None:
        self.c, self.style = c, style
        super().__init__(style.batch_shape, torch.Size([c.shape[1] + style.event_shape[0]]))

    @property
    def mean(self) -> Tensor:
        return torch.cat([self.c, self.style.mean], dim=1)

    @property
    def variance(self) -> Tensor:
        return torch.cat([torch.zeros_like(self.c), self.style.variance], dim=1)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        z = self.style.rsample(sample_shape)
        return torch.cat([self.c.expand(*z.shape[:-1], -1), z], dim=-1)
