"""Networks that score: examples, codes, and pairs of both."""

import torch
from torch import Tensor, nn

from ganvas.machine.precision import full
from ganvas.networks.body import Analysis
from ganvas.networks.mlp import DenseStack
from ganvas.nn.blocks import MinibatchStddev
from ganvas.nn.conditioning import Concatenation, ScoreHead


class Critic(nn.Module):
    """critic(x, y) = head(features(x, y), y): x (N, *shape), y (N,) to unbounded scores (N,).

    head: from features (N, num_features) and y to (N,); by default linear.
    `ScoreHead(num_features, num_classes)` is the projection discriminator.
    """

    def __init__(self, analysis: Analysis, head: nn.Module | None = None) -> None:
        super().__init__()
        self.analysis = analysis
        self.head = head or ScoreHead(analysis.num_features)
        self.num_features = analysis.num_features

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The last hidden layer, (N, num_features). Only a conditional analysis uses y."""
        return self.analysis(x, y)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.head(self.features(x, y), y)


class SumPooled(Analysis):
    """The features of another analysis, summed over pixels, as in the critics of SNGAN and BigGAN."""

    def __init__(self, analysis: Analysis) -> None:
        super().__init__(analysis.shape, analysis.map_shape[:1], analysis.num_classes)
        self.analysis = analysis

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (
            self.analysis.maps(x, y).flatten(2).sum(dim=2) if len(self.analysis.map_shape) > 1 else self.analysis(x, y)
        )


class WithStddev(Analysis):
    """The features of another analysis, with a channel from MinibatchStddev."""

    def __init__(self, analysis: Analysis) -> None:
        channels, *pixels = analysis.map_shape
        super().__init__(analysis.shape, (channels + 1, *pixels), analysis.num_classes)
        self.analysis = analysis
        self.stddev = MinibatchStddev()

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.stddev(self.analysis.maps(x, y))


class CodeCritic(nn.Module):
    """A dense network on codes: z (N, L) to scores (N,), or (N, num_outputs) where that is more than 1.

    num_classes: if given, y (N,) is required and enters as an embedding; else it is ignored.
    """

    def __init__(
        self, latent_size: int, width: int = 512, depth: int = 2, num_outputs: int = 1, num_classes: int | None = None
    ) -> None:
        super().__init__()
        self.concatenation = Concatenation(num_classes)
        self.stack = DenseStack(latent_size + self.concatenation.num_added, [width] * depth, nn.LeakyReLU(0.2))
        self.output = nn.Linear(width, num_outputs)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return full(self.output(self.stack(self.concatenation(z, y)))).squeeze(1)


class JointCritic(nn.Module):
    """Pairs (x, z): x (N, *shape), z (N, latent_size), y (N,) to scores (N,). Dumoulin et al. 2017, figure 1.

    x passes its analysis, z a hidden layer, and both together two more layers.
    """

    def __init__(self, analysis: Analysis, latent_size: int, width: int = 512) -> None:
        super().__init__()
        self.analysis = analysis
        self.code = DenseStack(latent_size, [width], nn.LeakyReLU(0.2))
        self.joint = DenseStack(analysis.num_features + width, [width, width], nn.LeakyReLU(0.2))
        self.output = nn.Linear(width, 1)

    def forward(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = torch.cat([self.analysis(x, y), self.code(z)], dim=1)
        return full(self.output(self.joint(h))).squeeze(1)
