"""A model of your own in one file: a GAN whose generator is also paid for being far from its neighbours in the batch.

ganvas check examples/my_gan.py --data digits
ganvas train examples/my_gan.py --data digits --images 20000 --out runs/my-gan
ganvas sample runs/my-gan --file examples/my_gan.py --out grid.png
"""

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.data import DataInfo
from ganvas.losses.adversarial import NonSaturating
from ganvas.networks import Critic, Generator, Mlp
from ganvas.probability.priors import Normal
from ganvas.recipes.choices import adam
from ganvas.training.recipe import Recipe


class SpreadGAN(FromCodes):
    """generator: fool D − spread · mean distance between neighbours; critic: tell real from fake."""

    def __init__(self, generator: nn.Module, critic: nn.Module, prior: nn.Module, spread: float) -> None:
        super().__init__()
        self.generator, self.critic, self.prior = generator, critic, prior
        self.loss, self.spread = NonSaturating(), spread

    def players(self) -> tuple[Player, ...]:
        return (
            Player("critic", [self.critic], self.critic_loss, role="critic"),
            Player("generator", [self.generator], self.generator_loss, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        z = self.prior().sample((len(batch),))
        return Round(x=batch.x, fake=self.generate(z))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.generator(z, y)

    def critic_loss(self, r: Round) -> Terms:
        return {"adversarial": self.loss.critic(self.critic(r.x), self.critic(r.fake))}

    def generator_loss(self, r: Round) -> Terms:
        distance = (r.fake - torch.roll(r.fake, 1, dims=0)).flatten(1).abs().mean()
        return {"adversarial": self.loss.generator(None, self.critic(r.fake)), "spread": -self.spread * distance}


def my_gan(data: DataInfo, *, latent: int = 32, width: int = 128, spread: float = 0.1) -> Recipe:
    """My GAN: a small dense GAN that is paid for variety.

    Args:
        latent: dimensions of the code.
        width: of the hidden layers.
        spread: how much variety is worth.
    """
    family = Mlp(width=width, activation=nn.LeakyReLU(0.2))
    model = SpreadGAN(
        Generator(family.synthesis(latent, data.shape)), Critic(family.analysis(data.shape)), Normal(latent), spread
    )
    optimizers = {"critic": adam(2e-4, 0.5), "generator": adam(2e-4, 0.5)}
    return Recipe(model, optimizers, images=20_000, ema_half_life=2_000)
