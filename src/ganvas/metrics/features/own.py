"""A feature network from a user's own Python file."""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

from torch import nn

from ganvas.errors import GanvasError
from ganvas.machine.own_code import executed, own_error
from ganvas.machine.rng import building
from ganvas.metrics.features import FeatureNetwork, ModuleFeatures

HINT = "Write `def my_features() -> nn.Module:` in it; the module takes images (N, C, H, W) in [-1, 1]."


def from_file(path: Path, name: str | None = None) -> FeatureNetwork:
    """Executes a Python file and returns its module. A fixed seed determines the module's random numbers.

    The file has one function annotated to return an nn.Module, or one class that is an nn.Module. If it has several, name
    chooses one. A card names the network by file, function and hash of the file, because a module may have no weights.
    """
    with building("own features"):
        module = executed(path, "features", HINT)
        made = chosen(makers(vars(module), module.__name__), path, name)
        try:
            network = made()
        except Exception as error:
            raise GanvasError(f"{made.__name__} in {path} fails: {own_error(error, path)}", HINT) from error
    if not isinstance(network, nn.Module):
        raise GanvasError(f"{made.__name__} in {path} returns a {type(network).__name__}, not an nn.Module.", HINT)
    if isinstance(network, FeatureNetwork):
        return network
    return ModuleFeatures(network, f"{path.name}:{made.__name__} {hashlib.sha256(path.read_bytes()).hexdigest()[:8]}")


def makers(names: dict[str, object], home: str) -> dict[str, Callable[[], object]]:
    """Functions that are annotated to return a module; where there is none, the classes that are one."""
    own = {name: value for name, value in names.items() if getattr(value, "__module__", None) == home}
    functions = {n: f for n, f in own.items() if inspect.isfunction(f) and returns_module(f)}
    return functions or {n: c for n, c in own.items() if inspect.isclass(c) and issubclass(c, nn.Module)}


def returns_module(function: Callable[..., object]) -> bool:
    annotation = inspect.signature(function).return_annotation
    if isinstance(annotation, str):
        return annotation.split(".")[-1] == "Module"
    return inspect.isclass(annotation) and issubclass(annotation, nn.Module)


def chosen(found: dict[str, Callable[[], object]], path: Path, name: str | None) -> Callable[[], object]:
    if not found:
        raise GanvasError(f"{path} has no feature network.", HINT)
    if name is None and len(found) > 1:
        raise GanvasError(f"{path} has several feature networks: {', '.join(found)}.", f"Name one: {path}:NAME")
    if name is not None and name not in found:
        raise GanvasError(f"{path} has no feature network {name!r}; it has {', '.join(found)}.")
    return found[name] if name else next(iter(found.values()))
