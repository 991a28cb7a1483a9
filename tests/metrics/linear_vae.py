"""A latent-variable model of which everything is known in closed form."""

from types import SimpleNamespace

import torch
from torch.distributions import Independent, LowRankMultivariateNormal, MultivariateNormal, Normal

from ganvas.core.model import LatentVariableModel


class StandardNormal(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self):
        return Independent(Normal(torch.zeros(self.size).double(), torch.ones(self.size).double()), 1)


class LinearVAE(LatentVariableModel):
    """x = W z + noise of scale σ, z (L,) normal: log p(x) is Gaussian, and so is the true posterior.

    q is a diagonal normal with the true posterior's mean and `widen` times its conditional scale: W's columns are
    orthogonal, so that widen = 1 makes q exact.
    """

    def __init__(self, num_pixels=12, num_codes=3, noise=0.5, widen=1.0, stretch=1.0):
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        orthogonal = torch.linalg.qr(torch.randn(num_pixels, num_codes, generator=draw).double()).Q
        self.w = orthogonal * torch.arange(1, num_codes + 1) * stretch
        self.noise, self.widen = noise, widen
        self.prior = StandardNormal(num_codes)
        self.precision = torch.eye(num_codes).double() + self.w.T @ self.w / noise**2

    def players(self):
        return ()

    def forward(self, batch):
        return SimpleNamespace()

    def encode(self, x, y=None):
        mean = x.double().flatten(1) @ self.w @ torch.linalg.inv(self.precision) / self.noise**2
        scale = self.widen * self.precision.diagonal().rsqrt()
        return Independent(Normal(mean, scale.expand_as(mean)), 1)

    def decode(self, z, y=None):
        return Independent(Normal((z @ self.w.T).unflatten(1, (1, 3, 4)), self.noise, validate_args=False), 3)

    def log_prob(self, x):
        covariance = self.w @ self.w.T + self.noise**2 * torch.eye(len(self.w))
        return MultivariateNormal(torch.zeros(len(self.w)).double(), covariance).log_prob(x.double().flatten(1))

    def draw(self, num, seed=1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.decode(self.prior().sample((num,))).sample()


class UnregisteredVAE(LinearVAE):
    """The same posterior as a distribution for which torch knows no KL to the prior."""

    def encode(self, x, y=None):
        q = super().encode(x, y)
        return LowRankMultivariateNormal(q.mean, torch.zeros(*q.mean.shape, 1).double(), q.variance)
