"""Small networks that models are tested with, and what a loss's gradient reaches."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import Model, Terms
from ganvas.machine import rng
from ganvas.networks import CodeCritic, Critic, Decoder, Encoder, Generator, JointCritic, Mlp
from ganvas.probability.likelihoods import Gaussian
from ganvas.training.gradients import total

BODY = Mlp(width=16, depth=1)
D, L = 3, 2


def encoder() -> Encoder:
    return Encoder(BODY.analysis((D,)), L)


def generator() -> Generator:
    return Generator(BODY.synthesis(L, (D,)))


def decoder(latent: int = L) -> Decoder:
    return Decoder(BODY.synthesis(latent, (D,)), Gaussian(0.5))


def critic() -> Critic:
    return Critic(BODY.analysis((D,)))


def code_critic(size: int = L) -> CodeCritic:
    return CodeCritic(size, width=16)


def joint_critic() -> JointCritic:
    return JointCritic(BODY.analysis((D,)), L, width=16)


def batch(num: int = 8, y: Tensor | None = None) -> Batch:
    return Batch(torch.randn(num, D), y)


class Told(nn.Module):
    """A critic that returns what it is told, whatever it sees: so that losses have a closed form."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = list(scores)
        self.calls = 0

    def forward(self, *seen: Tensor | None) -> Tensor:
        score = self.scores[self.calls % len(self.scores)]
        self.calls += 1
        first = seen[0]
        assert first is not None
        return torch.full((len(first),), score)


def losses(model: Model, given: Batch, seed: int = 0) -> dict[str, Terms]:
    """Every player's terms, each from a round of its own with the same noise."""
    found: dict[str, Terms] = {}
    for player in model.players():
        with rng.seeded(seed):
            found[player.name] = player.loss(model(given))
    return found


def slopes(terms: Terms, module: nn.Module) -> list[Tensor | None]:
    """d(sum of terms) / d(parameters of the module)."""
    parameters: Sequence[nn.Parameter] = list(module.parameters())
    return list(torch.autograd.grad(total(terms), parameters, allow_unused=True, retain_graph=True))


def reaches(terms: Terms, module: nn.Module) -> bool:
    """Whether any parameter of the module has a slope, or one that is not zero."""
    return any(g is not None and bool((g != 0).any()) for g in slopes(terms, module))
