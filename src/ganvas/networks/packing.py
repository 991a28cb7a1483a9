"""PacGAN: a critic that judges several examples at once, and so sees when they are alike."""

from collections.abc import Callable

from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.networks.body import Shape
from ganvas.networks.critics import Critic
from ganvas.nn.conditioning import ClassEmbedding


class Packed(nn.Module):
    """A critic of packs, `pack` consecutive examples: x (N, *shape) to scores (N / pack,). Lin et al. 2018, section 3.

    build: from the shape of a pack, (pack * C, H, W) or (pack * D,), to a critic without classes.
    It has that critic's `features` and `head`. Raises GanvasError for a batch that packs do not divide.
    """

    def __init__(self, build: Callable[[Shape], Critic], shape: Shape, pack: int) -> None:
        super().__init__()
        if pack < 1:
            raise GanvasError(f"A pack of {pack} examples cannot be judged.", "Choose 1 or more; PacGAN uses 2 to 4.")
        self.shape, self.pack = shape, pack
        self.critic = build((pack * shape[0], *shape[1:]))
        if any(isinstance(module, ClassEmbedding) for module in self.critic.modules()):
            raise GanvasError(
                "A packed critic scores several examples at once and cannot use one class.",
                "Train without classes or without packing.",
            )

    @property
    def num_features(self) -> int:
        return self.critic.num_features

    @property
    def head(self) -> nn.Module:
        return self.critic.head

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x: (N, *shape); y: ignored. Returns (N / pack, num_features)."""
        if len(x) % self.pack:
            raise GanvasError(
                f"{len(x)} examples do not make packs of {self.pack}.",
                f"Choose a batch size that {self.pack} divides, such as {-(-len(x) // self.pack) * self.pack}.",
            )
        return self.critic.features(x.reshape(-1, self.pack * self.shape[0], *self.shape[1:]))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.head(self.features(x))
