"""Checkpoints and exports of earlier versions: how their tensors become those of a model of today.

Since version 0.1.0 networks lost the biases that a following normalisation cancels. The mean of what was normalised
contained such a bias, so it is subtracted from the running mean: the network computes the same.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ganvas.core.model import Player

Tensors = dict[str, Tensor]
"""A model's parameters and buffers by name."""


@dataclass(frozen=True)
class Conversion:
    """What to do with tensors that are no longer there.

    pattern: of the whole name. apply: changes the remaining tensors; it is given all of them, the match and the tensor.
    """

    pattern: re.Pattern[str]
    apply: Callable[[Tensors, re.Match[str], Tensor], None]


def before_norm(follower: Callable[[re.Match[str]], str]) -> Callable[[Tensors, re.Match[str], Tensor], None]:
    """Subtracts the bias from the running mean of one normalisation. follower: its name, from the match."""

    def apply(tensors: Tensors, match: re.Match[str], bias: Tensor) -> None:
        subtract(tensors, follower(match), bias)

    return apply


def in_residual_stream(tensors: Tensors, match: re.Match[str], bias: Tensor) -> None:
    """Carries the bias of a residual block through the blocks after it, up to the last normalisation.

    Each block's first norm reads the stream, and its shortcut passes the stream on: as it is, or through a 1x1 convolution.
    """
    network, block = match["network"], match["block"]
    names = blocks(tensors, network)
    following = names if block == "seed.layer." else names[names.index(block) + 1 :]
    for name in following:
        subtract(tensors, f"{network}{name}norm1.normalise", bias)
        shortcut = weight(tensors, f"{network}{name}skip")
        bias = bias if shortcut is None else shortcut.flatten(1) @ bias
    subtract(tensors, f"{network}norm.normalise", bias)


CONVERSIONS = (
    Conversion(
        re.compile(r"(?P<stack>(?:.*\.)?)affines\.(?P<at>\d+)\.bias"),
        before_norm(lambda m: f"{m['stack']}norms.{m['at']}.normalise"),
    ),
    Conversion(
        re.compile(r"(?P<stack>(?:.*\.)?)layers\.(?P<at>\d+)\.bias"),
        before_norm(lambda m: f"{m['stack']}layers.{int(m['at']) + 1}"),
    ),
    Conversion(re.compile(r"(?P<block>(?:.*\.)?)conv1\.bias"), before_norm(lambda m: f"{m['block']}norm2.normalise")),
    Conversion(
        re.compile(r"(?P<network>(?:.*\.)?)(?P<block>first\.|blocks\.\d+\.|last\.)(?:conv2|skip)\.bias"),
        in_residual_stream,
    ),
    Conversion(re.compile(r"(?P<network>(?:.*\.)?)(?P<block>seed\.layer\.)bias"), in_residual_stream),
)
"""Each name matches one of these at most."""


def outdated(given: Collection[str], own: Collection[str]) -> dict[str, tuple[Conversion, re.Match[str]]]:
    """The given names that a model of today lacks and that can be converted, each with its conversion."""
    surplus = [name for name in given if name not in own]
    matches = ((name, conversion, conversion.pattern.fullmatch(name)) for name in surplus for conversion in CONVERSIONS)
    return {name: (conversion, match) for name, conversion, match in matches if match}


def converted(given: Mapping[str, Tensor], own: Collection[str]) -> Tensors:
    """The given tensors as a model with the names `own` takes them; ValueError or RuntimeError if they do not fit."""
    tensors = dict(given)
    found = outdated(given, own)
    for name in found:
        del tensors[name]
    for name, (conversion, match) in found.items():
        conversion.apply(tensors, match, given[name])
    return tensors


def of_today(tensors: Mapping[str, Tensor], model: nn.Module, players: Sequence[Player]) -> Mapping[str, Tensor]:
    """A checkpoint's tensors, without the optimisers' entries for parameters that the model no longer has."""
    own = model.state_dict().keys()
    gone = outdated([name.removeprefix("model/") for name in tensors if name.startswith("model/")], own)
    return renumbered(tensors, model, players, gone) if gone else tensors


def renumbered(
    tensors: Mapping[str, Tensor], model: nn.Module, players: Sequence[Player], gone: Collection[str]
) -> Tensors:
    """A checkpoint's tensors without the optimisers' entries for parameters that are gone.

    Entries are optimizer/PLAYER/INDEX/KEY, and INDEX counts the parameters of a player: it is counted anew.
    """
    found = {name: tensor for name, tensor in tensors.items() if not name.startswith("optimizer/")}
    names = {id(module): f"{name}." if name else "" for name, module in model.named_modules()}
    for player in players:
        new = 0
        for old, is_kept in enumerate(slots(player, names, gone)):
            prefix = f"optimizer/{player.name}/{old}/"
            entries = {n.removeprefix(prefix): t for n, t in tensors.items() if is_kept and n.startswith(prefix)}
            found |= {f"optimizer/{player.name}/{new}/{key}": tensor for key, tensor in entries.items()}
            new += is_kept
    return found


def slots(player: Player, names: Mapping[int, str], gone: Collection[str]) -> Iterator[bool]:
    """For each parameter that the player once moved, in order: whether it is still there.

    names: of the model's modules by their id, each with a dot at its end.
    """
    seen: set[int] = set()
    passed: set[str] = set()
    for part in (part for module in player.moves for part in module.modules()):
        for _, parameter in part.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield True
        bias = f"{names.get(id(part), '')}bias"  # a layer's last parameter
        if bias in gone and bias not in passed:
            passed.add(bias)
            yield False


def blocks(tensors: Tensors, network: str) -> list[str]:
    """The names of a residual network's blocks within it, in their order."""
    middle = (f"blocks.{i}." for i in range(len(tensors)))
    found = ["first.", *middle, "last."]
    return [name for name in found if any(f"{network}{name}conv2.{w}" in tensors for w in WEIGHTS)]


WEIGHTS = ("weight", "parametrizations.weight.original")
"""A layer's weight, and where spectral normalisation keeps it."""


def weight(tensors: Tensors, layer: str) -> Tensor | None:
    """A layer's weight as it is used; None if there is no such layer."""
    plain, spectral = (tensors.get(f"{layer}.{name}") for name in WEIGHTS)
    if spectral is None:
        return plain
    u, v = (tensors[f"{layer}.parametrizations.weight.0.{name}"] for name in ("_u", "_v"))
    return spectral / (u @ spectral.flatten(1) @ v)


def subtract(tensors: Tensors, norm: str, constant: Tensor) -> None:
    """From a normalisation's running mean, if it keeps one: instance normalisation does not."""
    mean = tensors.get(f"{norm}.running_mean")
    if mean is None:
        return
    if mean.shape != constant.shape or mean.dtype != constant.dtype:
        raise ValueError(f"{norm} does not fit what was added before it")
    tensors[f"{norm}.running_mean"] = mean - constant
