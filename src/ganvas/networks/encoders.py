"""From examples to codes."""

import torch
from torch import Tensor, nn

from ganvas.machine.precision import full
from ganvas.networks.body import Analysis
from ganvas.networks.mlp import DenseStack
from ganvas.probability.distributions import DiagonalNormal


class Encoder(nn.Module):
    """q(z|x): x (N, *shape), y (N,) to a diagonal normal over (N, latent_size)."""

    def __init__(self, analysis: Analysis, latent_size: int) -> None:
        super().__init__()
        self.analysis = analysis
        self.posterior = nn.Linear(analysis.num_features, 2 * latent_size)

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        loc, log_variance = full(self.posterior(self.analysis(x, y))).chunk(2, dim=1)
        return DiagonalNormal(loc, log_variance)


class PointEncoder(nn.Module):
    """One code per example: x (N, *shape), y (N,) to z (N, latent_size)."""

    def __init__(self, analysis: Analysis, latent_size: int) -> None:
        super().__init__()
        self.analysis = analysis
        self.code = nn.Linear(analysis.num_features, latent_size)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.code(self.analysis(x, y)).float()


class UnitInterval(Analysis):
    """Another analysis, with its images scaled to [0, 1]: then most pixels of binary images are 0.

    In [−1, 1], hundreds of pixels saturate each hidden tanh before the network learns anything.
    """

    def __init__(self, analysis: Analysis) -> None:
        super().__init__(analysis.shape, analysis.map_shape, analysis.num_classes)
        self.analysis = analysis

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.analysis.maps((x + 1) / 2, y)


class GridEncoder(nn.Module):
    """Vectors to be quantised: x (N, *shape), y (N,) to z_e (N, D, h, w), for `grid` = (D, h, w).

    A 1x1 convolution if the analysis has maps of h x w, else a dense layer.
    """

    def __init__(self, analysis: Analysis, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.analysis, self.grid = analysis, grid
        self.by_position = analysis.map_shape[1:] == grid[1:]
        if self.by_position:
            self.projection: nn.Module = nn.Conv2d(analysis.map_shape[0], grid[0], 1)
        else:
            size = grid[0] * grid[1] * grid[2]
            self.projection = nn.Sequential(nn.Linear(analysis.num_features, size), nn.Unflatten(1, grid))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.analysis.maps(x, y) if self.by_position else self.analysis(x, y)
        return self.projection(h)


class GridPosterior(nn.Module):
    """q(z|x): x (N, *shape), y (N,) to a diagonal normal over grids (N, D, h, w), for `grid` = (D, h, w)."""

    def __init__(self, analysis: Analysis, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.parameters_of = GridEncoder(analysis, (2 * grid[0], *grid[1:]))

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        loc, log_variance = full(self.parameters_of(x, y)).chunk(2, dim=1)
        return DiagonalNormal(loc, log_variance)


class ClassifyingEncoder(nn.Module):
    """A class and a style: x (N, *shape) to class logits (N, num_classes) and a diagonal normal over (N, latent_size)."""

    def __init__(self, analysis: Analysis, num_classes: int, latent_size: int) -> None:
        super().__init__()
        self.analysis = analysis
        self.classes = nn.Linear(analysis.num_features, num_classes)
        self.posterior = nn.Linear(analysis.num_features, 2 * latent_size)

    def forward(self, x: Tensor) -> tuple[Tensor, DiagonalNormal]:
        h = self.analysis(x)
        loc, log_variance = full(self.posterior(h)).chunk(2, dim=1)
        return full(self.classes(h)), DiagonalNormal(loc, log_variance)


class ImplicitEncoder(nn.Module):
    """Draws from an implicit q(z|x): x (N, *shape), noise (N, S, noise_size), y (N,) to S codes per example, (N, S, L).

    Noise and features of x pass through two hidden layers together, so that q may have any shape.
    Mescheder et al. 2017, figure 2b.
    """

    def __init__(self, analysis: Analysis, latent_size: int, noise_size: int, width: int = 256) -> None:
        super().__init__()
        self.analysis, self.noise_size = analysis, noise_size
        self.stack = DenseStack(analysis.num_features + noise_size, [width, width], nn.ReLU())
        self.output = nn.Linear(width, latent_size)
        # Codes start with the prior's spread. If all were near 0, a critic would separate them at once, and its gradient
        # there would vanish.
        for layer in (*self.stack.affines, self.output):
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.analysis(x, y)
        h = h.unsqueeze(1).expand(-1, noise.shape[1], -1)
        return full(self.output(self.stack(torch.cat([h, noise], dim=2))))
