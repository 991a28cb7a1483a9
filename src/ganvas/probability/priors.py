"""Priors p(z): modules that return a distribution over codes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.machine import rng
from ganvas.probability.distributions import DiagonalNormal, Size, Unchecked


class Centred(nn.Module):
    """A prior with one mode, at its mean: `truncated` moves codes towards it.

    References:
        Karras et al. 2019, "A Style-Based Generator Architecture", appendix B, for codes of another space (w),
        https://arxiv.org/abs/1812.04948; Brock et al. 2019 (BigGAN), section 3.1, draw the far coordinates again instead.
    """

    def truncated(self, z: Tensor, psi: float) -> Tensor:
        """z̄ + ψ (z − z̄) for codes z (N, ...). psi: ψ, from 0 (the mean itself) to 1 (z)."""
        return torch.lerp(self().mean.to(z), z, psi)


class Normal(Centred):
    """N(0, I) over codes. size: their length L, or the shape of codes that are no vectors."""

    zeros: Tensor

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        shape = (size,) if isinstance(size, int) else tuple(size)
        self.register_buffer("zeros", torch.zeros(shape), persistent=False)

    def forward(self) -> DiagonalNormal:
        return DiagonalNormal(self.zeros, self.zeros, event_dim=self.zeros.dim())


class Uniform(Centred):
    """U(−1, 1) over codes (L,), the prior of the DCGAN paper."""

    zeros: Tensor

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.register_buffer("zeros", torch.zeros(latent_size), persistent=False)

    def forward(self) -> Distribution:
        return UniformCube(self.zeros)


class UniformCube(Unchecked):
    """U(−1, 1) in each dimension. like: (L,), for size, type and device."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(torch.Size(), like.shape)

    @property
    def mean(self) -> Tensor:
        return torch.zeros_like(self.like)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        return rng.rand(*sample_shape, *self.like.shape, like=self.like) * 2 - 1

    def log_prob(self, value: Tensor) -> Tensor:
        inside = (value.abs() <= 1).all(-1)
        density = -self.like.numel() * torch.log(torch.tensor(2.0, device=value.device, dtype=value.dtype))
        return torch.where(inside, density, -torch.inf)


class Mixture(nn.Module):
    """Σ_k w_k N(m_k, diag s_k²) over codes (L,), learned with the model.

    It starts close to N(0, I): distant components would also separate unused dimensions of the code.

    References: Tomczak & Welling 2018, section 2, "MoG prior", https://arxiv.org/abs/1705.07120
    """

    def __init__(self, latent_size: int, num_components: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(0.3 * torch.randn(num_components, latent_size))
        self.log_variance = nn.Parameter(torch.zeros(num_components, latent_size))

    def forward(self) -> "NormalMixture":
        return NormalMixture(self.logits, DiagonalNormal(self.loc, self.log_variance))


class VampPrior(nn.Module):
    """1/K Σ_k q(z|u_k): the encoder's own posteriors of K learned pseudo-inputs u_k.

    encoder: (x, y) to q(z|x), shared with the model. It must not normalise over the batch.
    start: (K, *shape), initial pseudo-inputs. bounded: whether they stay in [-1, 1], as images do.

    References: Tomczak & Welling 2018, "VAE with a VampPrior", eq. 9, https://arxiv.org/abs/1705.07120
    """

    logits: Tensor

    def __init__(self, encoder: nn.Module, start: Tensor, bounded: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.bounded = bounded
        # the gradient of tanh vanishes at black and white.
        self.pseudo_inputs = nn.Parameter(torch.atanh(start.clamp(-0.99, 0.99)) if self.bounded else start.clone())
        self.register_buffer("logits", torch.zeros(len(start)), persistent=False)

    def forward(self) -> "NormalMixture":
        u = self.pseudo_inputs.tanh() if self.bounded else self.pseudo_inputs
        return NormalMixture(self.logits, self.encoder(u))


class NormalMixture(Unchecked):
    """Σ_k softmax(logits)_k N_k over codes (L,). logits: (K,); components: K normals over (L,). In nats."""

    def __init__(self, logits: Tensor, components: DiagonalNormal) -> None:
        self.log_weights = logits.log_softmax(0)
        self.components = components
        super().__init__(torch.Size(), components.event_shape)

    @property
    def mean(self) -> Tensor:
        return self.log_weights.exp() @ self.components.mean

    @property
    def variance(self) -> Tensor:
        second = self.components.variance + self.components.mean.square()
        return self.log_weights.exp() @ second - self.mean.square()

    def sample(self, sample_shape: Size = ()) -> Tensor:
        with torch.no_grad():
            share = self.log_weights.exp().cumsum(0)
            uniform = rng.rand(*sample_shape, like=share)
            k = torch.searchsorted(share, uniform).clamp_max(len(share) - 1)  # the sum of weights may round to 1 − ε
            noise = rng.randn(*sample_shape, *self.event_shape, like=self.components.mean)
            return self.components.mean[k] + self.components.stddev[k] * noise

    def log_prob(self, value: Tensor) -> Tensor:
        """value: (..., L). Returns (...)."""
        each = self.components.log_prob(value.unsqueeze(-2))
        return (self.log_weights + each).logsumexp(-1)
