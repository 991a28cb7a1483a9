"""The Inception Score's form on any classifier."""

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.machine.rng import generator


def inception_score(probabilities: Tensor, seed: int, splits: int = 10) -> tuple[float, float]:
    """exp E_x KL(p(y|x) ‖ p(y)), mean and standard deviation over `splits` random parts. Between 1 and K.

    probabilities: p(y|x), (N, K) float64. Called Inception Score only where the classifier is Inception-v3.

    References:
        Salimans et al. 2016, "Improved Techniques for Training GANs", section 4
    """
    if len(probabilities) < splits:
        raise GanvasError(f"the Inception Score over {splits} parts needs at least {splits} samples")
    order = torch.randperm(len(probabilities), generator=generator(seed, "inception score"))
    scores = torch.stack([_score(probabilities[part]) for part in order.tensor_split(splits)])
    return scores.mean().item(), scores.std(unbiased=False).item()


def _score(p: Tensor) -> Tensor:
    marginal = p.mean(0)
    return (torch.xlogy(p, p) - torch.xlogy(p, marginal)).sum(1).mean().exp()
