"""Which modes of a distribution with known modes the samples reach."""

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
    """modes: reached, out of num_modes; high_quality: share of the samples, None where modes have no width;
    reverse_kl: KL(samples' modes ‖ uniform), in nats."""

    modes: int
    num_modes: int
    high_quality: float | None
    reverse_kl: float


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
    return Coverage(
        modes=len(modes[good].unique()),
        num_modes=num_modes,
        high_quality=good.double().mean().item(),
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
    return Coverage(len(modes.unique()), num_modes, None, _reverse_kl(modes, num_modes))


def _reverse_kl(modes: Tensor, num_modes: int) -> float:
    """KL(p ‖ uniform) of the modes' shares p, in nats."""
    p = modes.bincount(minlength=num_modes).double() / len(modes)
    return torch.xlogy(p, p * num_modes).sum().item()
