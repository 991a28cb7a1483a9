"""Which modes of a distribution with known modes the samples reach."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.metrics.distances import nearest
from ganvas.metrics.features import Classifier, finite, probabilities


@dataclass(frozen=True)
class Mixture:
    """Isotropic Gaussians of equal weight. centres: (K, D); scale: their standard deviation."""

    centres: Tensor
    scale: float


@dataclass(frozen=True)
class Coverage:
    """modes: reached, out of num_modes; high_quality: share of the samples, None if modes have no width;
    reverse_kl: KL(samples' modes ‖ uniform), in nats. Each with its standard error over redraws of the samples."""

    modes: tuple[float, float]
    num_modes: int
    high_quality: tuple[float, float] | None
    reverse_kl: tuple[float, float]


def mixture_coverage(samples: Tensor, mixture: Mixture) -> Coverage:
    """Modes of a mixture. A sample within 3 σ of its nearest centre is of high quality; a mode counts when it has one.

    samples: (N, D). All samples, good or not, count for their nearest mode in the reverse KL.

    References:
        Srivastava et al. 2017, "VEEGAN", section 4.1
        Lin et al. 2018, "PacGAN", section 4.1
    """
    distances, modes = (found[:, 0] for found in nearest(finite(samples, "generator"), mixture.centres))
    good = distances < 3 * mixture.scale
    num_modes = len(mixture.centres)
    share = good.double()
    return Coverage(
        modes=_reached(modes[good], num_modes),
        num_modes=num_modes,
        high_quality=(share.mean().item(), share.std().item() / math.sqrt(len(share))),
        reverse_kl=_reverse_kl(modes, num_modes),
    )


def stacked_coverage(samples: Tensor, classifier: Classifier) -> Coverage:
    """Modes of stacked digits: the classes that a classifier of single channels names, together. 1,000 for MNIST.

    samples: (N, C, H, W). A mode counts when any sample is named so; the reverse KL is against uniform.

    References:
        Metz et al. 2017, "Unrolled GANs", section 3.3.1; Lin et al. 2018, "PacGAN", section 4.2
    """
    if samples.dim() != 4 or samples.shape[1] < 2:
        raise GanvasError(f"stacked digits are images of several channels, not {tuple(samples.shape[1:])}")
    modes = torch.zeros(len(samples), dtype=torch.int64)
    num_modes = 1
    for channel in samples.unbind(1):
        named = probabilities(classifier, channel.unsqueeze(1))
        modes = modes * named.shape[1] + named.argmax(1)
        num_modes *= named.shape[1]
    return Coverage(_reached(modes, num_modes), num_modes, None, _reverse_kl(modes, num_modes))


def _reached(modes: Tensor, num_modes: int) -> tuple[float, float]:
    """How many of the modes the samples (N,) reach, and its standard error.

    A mode with an expected count of λ is reached with probability 1 − e^−λ. The λ of all modes are taken to have a gamma
    distribution, fitted to mean and variance of the counts. Each mode's λ then has a gamma posterior, in which e^−λ and
    e^−2λ have closed means.
    """
    counts = modes.bincount(minlength=num_modes).double()
    reached = float((counts > 0).sum())
    if len(modes) == 0:
        return 0.0, 0.0
    mean = counts.mean()
    beyond = (counts.var() - mean).clamp_min(1e-3 * mean) if num_modes > 1 else mean
    rate = mean / beyond
    shape = mean * rate + counts
    missed, both = (((rate + 1) / (rate + 1 + times)) ** shape for times in (1, 2))
    return reached, (missed - both).sum().sqrt().item()


def _reverse_kl(modes: Tensor, num_modes: int) -> tuple[float, float]:
    """KL(p ‖ uniform) of the modes' shares p, in nats, and its standard error.

    The jackknife's variance has the linear part of the variance and twice the quadratic part. The quadratic part is that
    of χ²/2N, and is all there is if p is uniform.
    """
    num, counts = len(modes), modes.bincount(minlength=num_modes).double()
    p = counts / num
    if num < 2:
        return torch.xlogy(p, p * num_modes).sum().item(), math.nan
    entropy = torch.xlogy(counts, counts)
    without_one = (entropy.sum() - entropy + torch.xlogy((counts - 1).clamp_min(0), (counts - 1).clamp_min(0))) / (
        num - 1
    )
    jackknife = (num - 1) * (p * (without_one - (p * without_one).sum()).square()).sum()
    quadratic = ((counts > 0).sum() - 1) / (2 * num**2)
    return torch.xlogy(p, p * num_modes).sum().item(), torch.maximum(jackknife - quadratic, quadratic).sqrt().item()
