"""StyleGAN2: codes pass a mapping network, and styles made from them scale each layer of the generator."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Lazy, Player, Round, Terms
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import Adversarial, NonSaturating
from ganvas.losses.penalties import Penalty, path_lengths
from ganvas.machine import distributed, rng
from ganvas.machine.precision import full
from ganvas.models.overfitting import adapt, ranked
from ganvas.nn.growth import Growth


class Styled(Protocol):
    """A synthesis network: ws (N, num_layers, size), one w for each layer, to images."""

    @property
    def num_layers(self) -> int: ...

    def __call__(self, ws: Tensor) -> Tensor: ...


class StyleGAN2(FromCodes):
    """w = f(z); x̃ = g(w, ..., w). Both players minimise a non-saturating loss, and now and then a penalty:

        critic       γ/2 E ‖∇D(x)‖²                 every 16 turns (R1)
        generator    λ E (‖Jᵀy‖ − a)²               every 4 turns, J = ∂g/∂w, y ~ N(0, I) / √(pixels)

    with a the running mean of ‖Jᵀy‖: a step in w should change the image equally much everywhere (eq. 4).

    mapping: (z (N, L), y) to w (N, size). synthesis: as `Styled`. critic: (x, y) to scores (N,).
    mixing: the probability that an image takes the later layers' w from a second code. The layer is drawn for each image;
        the authors' program draws it for each batch.
    path_weight: λ; 0 for no such penalty. path_every: turns between two. path_share: the share of the batch for it.
    view: as for `GAN`. penalties: on the critic's gradient.
    growth: held by networks that grow by the clock, as those of the first StyleGAN do. It has no path penalty.

    Buffers: mean_w, the running mean of w, towards which truncation moves; mean_path, a.

    References: Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks",
        https://arxiv.org/abs/1812.04948; Karras et al. 2020, "Analyzing and Improving the Image Quality of
        StyleGAN", https://arxiv.org/abs/1912.04958; program: NVlabs/stylegan2-ada-pytorch
    """

    mean_w: Tensor
    mean_path: Tensor

    def __init__(
        self,
        mapping: nn.Module,
        synthesis: nn.Module,
        critic: nn.Module,
        prior: nn.Module,
        size: int,
        loss: Adversarial | None = None,
        penalties: Sequence[Penalty] = (),
        mixing: float = 0.9,
        path_weight: float = 2.0,
        path_every: int = 4,
        path_share: float = 0.5,
        view: Callable[[Tensor, int], Tensor] | None = None,
        growth: Growth | None = None,
    ) -> None:
        super().__init__()
        self.growth = growth
        if growth is not None:
            growth.clock = self.clock
        self.mapping, self.synthesis, self.critic, self.prior = mapping, synthesis, critic, prior
        self.loss = loss or NonSaturating()
        self.penalties, self.mixing, self.view = tuple(penalties), mixing, view
        self.path_weight, self.path_every, self.path_share = path_weight, path_every, path_share
        self.truncation_of_w = 1.0
        self.register_buffer("mean_w", torch.zeros(size))
        self.register_buffer("mean_path", torch.zeros(()))

    def players(self) -> Sequence[Player]:
        critic = [Lazy(self.penalty(p), p.every) for p in self.penalties]
        path = [Lazy(self.path_penalty, self.path_every, "path")] if self.path_weight > 0 else []
        generator = [self.mapping, self.synthesis]
        return (
            Player("critic", [self.critic], self.critic_loss, lazy=critic, role="critic"),
            Player("generator", generator, self.generator_loss, lazy=path, role="generator"),
        )

    def forward(self, batch: Batch) -> Round:
        w = self.mapping(self.prior().sample((len(batch),)), batch.y)
        x = batch.x if self.growth is None else self.growth.real(batch.x)
        return Round(x=x, y=batch.y, w=w, ws=self.mixed(self.layered(w), batch.y))

    def layered(self, w: Tensor) -> Tensor:
        """The same w (N, size) for each layer, (N, num_layers, size)."""
        return w[:, None].expand(-1, cast(Styled, self.synthesis).num_layers, -1)

    def mixed(self, ws: Tensor, y: Tensor | None) -> Tensor:
        """ws (N, layers, size), for some images with another w from a random layer on."""
        if self.mixing == 0:
            return ws
        num, layers, _ = ws.shape
        mixes = rng.rand(num, like=ws) < self.mixing
        start = 1 + (rng.rand(num, like=ws) * (layers - 1)).long()
        layer = torch.arange(layers, device=ws.device)
        other = self.layered(self.mapping(self.prior().sample((num,)), y))
        return torch.where((mixes[:, None] & (layer >= start[:, None]))[..., None], other, ws)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        w = self.mapping(z, y)
        if self.truncation_of_w != 1:
            w = torch.lerp(self.mean_w.to(w.dtype), w, self.truncation_of_w)
        x = self.synthesis(self.layered(w))
        return x if self.growth is None else self.growth.whole(x)

    def sampling(self, *, truncation: float = 1.0) -> None:
        """See `Model.sampling`. Karras et al. 2019, eq. 8.

        Args:
            truncation: factor on the distance of w from its mean: below 1 (0.7, say) samples are more typical.
        """
        if not 0 <= truncation <= 1:
            raise GanvasError(f"A truncation of {truncation} is not possible.", "Use 0 (the mean) to 1 (none).")
        self.truncation_of_w = truncation

    def score(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The critic's scores of its view of x."""
        return self.critic(x if self.view is None else self.view(x, self.clock.images), y)

    def judged(self, r: Round) -> tuple[Tensor, Tensor]:
        return self.score(r.x, r.y), self.score(self.synthesis(r.ws), r.y)

    def critic_loss(self, r: Round) -> Terms:
        real, fake = self.judged(r)
        ranked(self.view, r, real)
        return {"adversarial": self.loss.critic(real, fake)}

    def generator_loss(self, r: Round) -> Terms:
        real = self.score(r.x, r.y) if self.loss.paired else None
        return {"adversarial": self.loss.generator(real, self.score(self.synthesis(r.ws), r.y))}

    def penalty(self, penalty: Penalty) -> Callable[[Round], Terms]:
        if self.growth is None:
            return lambda r: {penalty.name: penalty(self.score, r.x, r.x, r.y)}
        growth = self.growth

        def of_whole(x: Tensor, y: Tensor | None) -> Tensor:  # as `ProGAN.score_of_whole`
            return self.score(growth.reduced(x), y)

        return lambda r: {penalty.name: penalty(of_whole, growth.whole(r.x), growth.whole(r.x), r.y)}

    def path_penalty(self, r: Round) -> Terms:
        ws = r.ws[: max(1, math.ceil(len(r.ws) * self.path_share))]
        lengths = path_lengths(cast(Styled, self.synthesis), ws)
        r.length = lengths.mean()
        mean = torch.lerp(self.mean_path, r.length, 0.01)
        return {"path length": self.path_weight * (lengths - mean).square().mean()}

    def follow(self, rounds: Mapping[str, Round]) -> None:
        means = [torch.stack([full(r.w).mean(0) for r in rounds.values()]).mean(0)]
        path = rounds.get("generator/path")
        if path is not None:
            means.append(path.length)
        distributed.average(means)
        self.mean_w.lerp_(means[0], 0.005)
        if path is not None:
            self.mean_path.lerp_(means[1], 0.01)
        adapt(self.view, rounds)
