"""The kernel distance of two sets of features."""

import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from ganvas.errors import GanvasError
from ganvas.machine.rng import seeded
from ganvas.metrics.features import finite

SUBSETS = 100
SUBSET_SIZE = 1_000


def kernel_distance(real: Tensor, fake: Tensor, seed: int, subset_size: int = SUBSET_SIZE) -> tuple[float, float]:
    """KID: the unbiased squared MMD under (x·y/F + 1)³, mean and standard deviation over 100 random subsets.

    real, fake: (N, F), (M, F). subset_size: examples a subset has of each, at least 2 and at most N and M.

    References:
        Binkowski et al. 2018, "Demystifying MMD GANs", section 4
    """
    if not 2 <= subset_size <= min(len(real), len(fake)):
        raise GanvasError(
            f"KID over subsets of {subset_size} needs at least that many examples; "
            f"there are {len(real)} real and {len(fake)} generated",
            "Draw more samples.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of keeping features, which are kept here in any case
        metric = KernelInceptionDistance(feature=nn.Identity(), subsets=SUBSETS, subset_size=subset_size)
    metric.update(finite(real).double(), real=True)
    metric.update(finite(fake).double(), real=False)
    with seeded(seed, "kid subsets"), torch.inference_mode():
        mean, deviation = metric.compute()
    return mean.item(), deviation.item()
