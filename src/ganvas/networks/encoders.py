"""From examples to codes."""

from torch import Tensor, nn

from ganvas.distributions import DiagonalNormal
from ganvas.networks.body import Analysis


class Encoder(nn.Module):
    """q(z|x): x (N, *shape), y (N,) to a diagonal normal over (N, latent_size)."""

    def __init__(self, analysis: Analysis, latent_size: int) -> None:
        super().__init__()
        self.analysis = analysis
        self.posterior = nn.Linear(analysis.num_features, 2 * latent_size)

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        loc, log_variance = self.posterior(self.analysis(x, y)).float().chunk(2, dim=1)
        return DiagonalNormal(loc, log_variance)


class GridEncoder(nn.Module):
    """Vectors to be quantised: x (N, *shape), y (N,) to z_e (N, D, h, w), for `grid` = (D, h, w).

    A 1x1 convolution where the analysis keeps maps of h x w, a dense layer else.
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
