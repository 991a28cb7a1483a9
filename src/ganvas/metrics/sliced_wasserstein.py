"""The Wasserstein distance, along many random lines."""

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.machine.rng import generator

PROJECTIONS = 512


def sliced_wasserstein(real: Tensor, fake: Tensor, seed: int, projections: int = PROJECTIONS) -> float:
    """Sliced 2-Wasserstein distance of two sets of the same size: (E_θ W₂²(θ·X, θ·Y))^½, θ uniform on the sphere.

    real, fake: (N, ...), flattened to vectors; for images in units of [−1, 1].

    References:
        Bonneel et al. 2015, "Sliced and Radon Wasserstein Barycenters of Measures"
    """
    if len(real) != len(fake):
        raise GanvasError(f"sliced Wasserstein compares sets of one size, not {len(real)} with {len(fake)}")
    real, fake = real.flatten(1), fake.flatten(1)
    directions = torch.randn(real.shape[1], projections, generator=generator(seed, "sliced Wasserstein"))
    directions /= directions.norm(dim=0)
    total = 0.0
    for part in directions.split(64, dim=1):
        # In one dimension the optimal plan joins the sorted points.
        along_real, along_fake = (x.double() @ part.double() for x in (real, fake))
        total += (along_real.sort(0).values - along_fake.sort(0).values).square().mean(0).sum().item()
    return (total / projections) ** 0.5
