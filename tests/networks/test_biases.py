"""No network has a bias that the following normalisation cancels: it has no gradient but rounding errors."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganvas.networks import Body, Dcgan, Mlp, Resnet, StackedAnalysis, StackedSynthesis
from ganvas.nn.conditioning import conditional_batch_norm
from ganvas.nn.norms import Norm, batch_norm, centres_channels, instance_norm, layer_norm, no_norm

LEAST = 1e-9
"""How much every bias changes the outputs when it is moved by 1; rounding errors in float64 are below 1e-12."""

SHAPE = (1, 16, 16)


def with_norms(network: nn.Module, *inputs: Tensor) -> Tensor:
    """The outputs in training mode, which do not follow running statistics."""
    return network.train()(*inputs).detach()


def without_effect(network: nn.Module, *inputs: Tensor) -> list[str]:
    """The biases that change nothing in the outputs when one channel's is moved by 1."""
    before = with_norms(network, *inputs)
    found: list[str] = []
    for name, bias in network.named_parameters():
        if name.endswith("bias"):
            with torch.no_grad():
                bias[0] += 1
                change = (with_norms(network, *inputs) - before).abs().max()
                bias[0] -= 1
            found += [name] if change < LEAST else []
    return found


BODIES: dict[str, Body] = {
    "mlp": Mlp(width=6, activation=nn.LeakyReLU(0.2)),
    "dcgan": Dcgan(width=4),
    "resnet": Resnet(width=4),
    "resnet that attends": Resnet(width=4, attention=8),
}
NORMS: dict[str, tuple[Norm, int | None]] = {
    "none": (no_norm, None),
    "batch": (batch_norm, None),
    "layer": (layer_norm, None),
    "instance": (instance_norm, None),
    "conditional": (conditional_batch_norm, 3),
}
CASES = [(b, n) for b in BODIES for n in NORMS if (b, n) != ("mlp", "instance")]


@pytest.mark.parametrize(("body", "norm"), CASES)
def test_every_bias_of_a_body_has_an_effect(body: str, norm: str) -> None:
    build, classes = NORMS[norm]
    y = torch.arange(6) % 3
    analysis = BODIES[body].analysis(SHAPE, classes, build).double()
    synthesis = BODIES[body].synthesis(5, SHAPE, 1, classes, build).double()
    attend(analysis)
    attend(synthesis)
    assert without_effect(analysis, torch.randn(6, *SHAPE, dtype=torch.float64), y) == []
    assert without_effect(synthesis, torch.randn(6, 5, dtype=torch.float64), y) == []


def test_every_bias_of_a_grid_of_codes_has_an_effect() -> None:
    for body in (Resnet(width=4), Dcgan(width=4), Resnet(width=4, attention=8)):
        synthesis = body.synthesis((3, 4, 4), SHAPE, norm=batch_norm).double()
        attend(synthesis)
        assert without_effect(synthesis, torch.randn(6, 3, 4, 4, dtype=torch.float64)) == []


def test_every_bias_of_the_stacked_networks_has_an_effect() -> None:
    analysis, synthesis = StackedAnalysis((3, 28, 28)).double(), StackedSynthesis(5, (3, 28, 28)).double()
    assert without_effect(analysis, torch.randn(6, 3, 28, 28, dtype=torch.float64)) == []
    assert without_effect(synthesis, torch.randn(6, 5, dtype=torch.float64)) == []


def attend(network: nn.Module) -> None:
    """Lets attention take part, which begins with a factor of 0."""
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.ones_(parameter)


@pytest.mark.parametrize(
    ("build", "centres"),
    [
        (partial(no_norm, 4, 2), False),
        (partial(layer_norm, 4, 2), False),
        (partial(batch_norm, 4, 2), True),
        (partial(batch_norm, 4, 0), True),
        (partial(instance_norm, 4, 2), True),
        (partial(conditional_batch_norm, 4, 2, 3), True),
        (partial(nn.GroupNorm, 4, 4), True),
        (partial(nn.GroupNorm, 2, 4), False),
    ],
)
def test_which_norms_cancel_a_bias(build: Any, centres: bool) -> None:
    norm = build()
    assert centres_channels(norm) is centres
    h = (
        torch.randn(8, 4, 3, 3)
        if not isinstance(getattr(norm, "normalise", None), nn.BatchNorm1d)
        else torch.randn(8, 4)
    )
    moved = h + torch.arange(4.0).view(1, 4, *[1] * (h.dim() - 2))
    y = (torch.arange(8) % 3,) if "Conditional" in type(norm).__name__ else ()
    assert torch.allclose(norm(h, *y), norm(moved, *y), atol=1e-4) is centres
