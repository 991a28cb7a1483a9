"""The posterior of an encoder that is sure of its code."""

import torch
from torch import Tensor

from ganvas.distributions import Size, Unchecked


class Certain(Unchecked):
    """One code an example, with probability 1. value: (N, ...)."""

    has_rsample = True

    def __init__(self, value: Tensor) -> None:
        self.value = value
        super().__init__(value.shape[:1], value.shape[1:])

    @property
    def mean(self) -> Tensor:
        return self.value

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.value)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log of the probability, not of a density: 0 for the code itself, −∞ for any other."""
        same = (value == self.value).flatten(value.dim() - len(self.event_shape)).all(-1)
        return torch.where(same, 0.0, -torch.inf)
