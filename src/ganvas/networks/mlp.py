"""Dense networks, for images of any size and for points."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from ganvas.networks.body import Analysis, Latent, Shape, Synthesis, latent_size
from ganvas.nn.conditioning import Concatenation, embedding_size
from ganvas.nn.norms import Norm, biased_unless, centres_channels, no_norm

Affine = Callable[[int, int], nn.Module]
"""A layer from numbers of input and output features: `nn.Linear`, or `Maxout` with `nn.Identity()` as activation."""


class DenseStack(nn.Module):
    """Hidden layers: affine, norm, activation. h: (N, in_features), y: (N,). Returns (N, widths[-1])."""

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        activation: nn.Module,
        norm: Norm = no_norm,
        affine: Affine = nn.Linear,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        sizes = [in_features, *widths]
        self.affines = nn.ModuleList(affine(a, b) for a, b in zip(sizes, widths, strict=False))
        self.norms = nn.ModuleList(norm(b, 0, num_classes) for b in widths)
        for layer, following in zip(self.affines, self.norms, strict=True):
            biased_unless(centres_channels(following), layer)
        self.activations = nn.ModuleList(copy.deepcopy(activation) for _ in widths)
        self.out_features = sizes[-1]

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        for affine, norm, activation in zip(self.affines, self.norms, self.activations, strict=True):
            h = activation(norm(affine(h), y))
        return h


class MlpAnalysis(Analysis):
    """Hidden layers of the given widths on the flattened example, with its class embedding beside it."""

    def __init__(
        self,
        shape: Shape,
        widths: Sequence[int],
        activation: nn.Module,
        norm: Norm = no_norm,
        affine: Affine = nn.Linear,
        num_classes: int | None = None,
    ) -> None:
        concatenation = Concatenation(num_classes)
        in_features = math.prod(shape) + concatenation.num_added
        stack = DenseStack(in_features, widths, activation, norm, affine, num_classes)
        super().__init__(shape, (stack.out_features,), num_classes)
        self.concatenation, self.stack = concatenation, stack

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.stack(self.concatenation(x.flatten(1), y), y)


class MlpSynthesis(Synthesis):
    """Hidden layers of the given widths on the code, its class embedding beside it; then a linear layer, `output`."""

    def __init__(
        self,
        latent: Latent,
        shape: Shape,
        widths: Sequence[int],
        activation: nn.Module,
        channels_per: int = 1,
        norm: Norm = no_norm,
        affine: Affine = nn.Linear,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(latent, shape, channels_per, num_classes)
        self.concatenation = Concatenation(num_classes, embedding_size(norm))
        in_features = latent_size(latent) + self.concatenation.num_added
        self.stack = DenseStack(in_features, widths, activation, norm, affine, num_classes)
        self.output = nn.Linear(self.stack.out_features, channels_per * math.prod(shape))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        out: Tensor = self.output(self.stack(self.concatenation(z.flatten(1), y), y))
        return out.unflatten(1, (self.shape[0] * self.channels_per, *self.shape[1:]))


@dataclass(frozen=True)
class Mlp:
    """Dense networks of `depth` hidden layers of `width` units. affine: `functools.partial(Maxout, pieces=5)`, say."""

    width: int = 400
    depth: int = 2
    activation: nn.Module = field(default_factory=nn.ReLU)
    affine: Affine = nn.Linear

    def analysis(self, shape: Shape, num_classes: int | None = None, norm: Norm = no_norm) -> MlpAnalysis:
        return MlpAnalysis(shape, self.widths, self.activation, norm, self.affine, num_classes)

    def synthesis(
        self,
        latent: Latent,
        shape: Shape,
        channels_per: int = 1,
        num_classes: int | None = None,
        norm: Norm = no_norm,
    ) -> MlpSynthesis:
        return MlpSynthesis(latent, shape, self.widths, self.activation, channels_per, norm, self.affine, num_classes)

    @property
    def widths(self) -> list[int]:
        return [self.width] * self.depth
