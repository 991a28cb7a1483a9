"""Initialisations from papers."""

from collections.abc import Iterator
from typing import TypeVar

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

M = TypeVar("M", bound=nn.Module)


def dcgan_init(module: M) -> M:
    """Weights N(0, 0.02), biases 0, batch-norm gains N(1, 0.02). Returns the module. Radford et al. 2016, section 4."""
    for layer in _affine_layers(module):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)
    return module


def xavier_init(module: M) -> M:
    """Weights uniform, of variance 2 / (fan in + fan out); biases 0. Returns the module. Glorot & Bengio 2010."""
    for layer in _affine_layers(module):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module


def _affine_layers(module: nn.Module) -> Iterator[nn.Conv2d | nn.ConvTranspose2d | nn.Linear]:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            assert not is_parametrized(layer), "initialise before spectral(): a normalised weight cannot be set"
            yield layer


def zeroed(layer: M) -> M:
    """The layer with weights and biases 0, so that a residual branch or an output begins as nothing. Returns the layer."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
