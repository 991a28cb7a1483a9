"""Spectral normalisation of a whole network."""

from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized

from ganvas.nn.conditioning import ConditionalNorm

M = TypeVar("M", bound=nn.Module)


def spectral(module: M) -> M:
    """Divides every weight of `module` by its largest singular value, and returns it. Miyato et al. 2018, section 2.1.

    Each forward in training mode makes one step of power iteration. Initialise the weights first.
    Gains and biases of conditional norms are not linear maps between layers, so they do not change.
    """
    gains = {id(part) for norm in module.modules() if isinstance(norm, ConditionalNorm) for part in norm.modules()}
    for layer in module.modules():
        weighted = isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding)
        if weighted and id(layer) not in gains and not is_parametrized(layer):
            parametrizations.spectral_norm(layer)
    return module
