"""What a trainer keeps of models and optimisers, as named tensors, and how it is put back."""

import copy
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.training.conversions import converted

State = tuple[dict[str, Tensor], dict[str, Any]]
"""What `Trainer.state` returns: tensors, and facts that JSON keeps."""

LARGEST_COUNT = 10**15
"""The largest valid number of images or steps; more means damage."""


class DamagedCheckpoint(GanvasError):
    """A checkpoint that is damaged or does not fit the model."""


def count(value: object) -> int:
    """A number of images or steps, or ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{str(value)[:40]!r} is not a number of images or steps")
    return value


def fresh_state(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """An optimiser's state of a parameter after its first step: tensors, shapes and types."""
    twin = nn.Parameter(torch.zeros_like(parameter))
    twin.grad = torch.zeros_like(parameter)
    other = copy.copy(optimizer)
    other.state = defaultdict(dict)
    group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
    other.param_groups = [{**group, "params": [twin]}]
    other.step()
    return {key: value for key, value in other.state[twin].items() if isinstance(value, Tensor)}


def check_same(given: Mapping[str, Tensor], own: Mapping[str, Tensor], prefix: str) -> None:
    """Raises `DamagedCheckpoint` unless both are the same tensors by name, shape and type."""
    if missing := sorted(own.keys() ^ given.keys()):
        raise DamagedCheckpoint(
            f"The checkpoint is from another model: {len(missing)} tensors are in only one of the two"
            f" ({prefix}{missing[0]}).",
            "Use the ganvas version and the recipe that wrote it.",
        )
    for name, tensor in own.items():
        if (given[name].shape, given[name].dtype) != (tensor.shape, tensor.dtype):
            raise DamagedCheckpoint(
                f"The checkpoint is from another model: {prefix}{name} is {described(given[name])}, not {described(tensor)}."
            )


def described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def placed(value: Tensor, parameter: Tensor) -> Tensor:
    """An optimiser's tensor on its parameter's device and with its strides; step counts stay where they are."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape and value.dim() else value


def variables(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters and persistent buffers by name. A shared one appears once, under its first name."""
    seen: set[int] = set()
    unique: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            unique[name] = tensor
    return unique


@torch.no_grad()
def fill(model: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Copies the tensors named `prefix` + name into a model. Names and shapes must match exactly."""
    own = variables(model)
    given = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    try:
        given = converted(given, own)
    except (KeyError, ValueError, RuntimeError) as error:
        raise DamagedCheckpoint(f"The checkpoint of an earlier version is damaged: {error}.") from error
    check_same(given, own, "")
    for name, tensor in own.items():
        tensor.copy_(given[name])
