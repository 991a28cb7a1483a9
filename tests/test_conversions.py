"""Checkpoints and exports of version 0.1.0, whose networks had biases that a normalisation cancels, compute the same."""

import copy
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganvas
from ganvas import service
from ganvas.machine import rng
from ganvas.networks import Body, Dcgan, Mlp, Resnet, StackedAnalysis, StackedSynthesis, mlp, resnet, stacked
from ganvas.nn import blocks
from ganvas.nn.conditioning import conditional_batch_norm
from ganvas.nn.norms import Norm, batch_norm, instance_norm, layer_norm
from ganvas.nn.spectral import spectral
from ganvas.training import checkpoint, state
from ganvas.training.conversions import CONVERSIONS

SHAPE = (1, 16, 16)


@contextmanager
def as_before() -> Generator[None]:
    """Inside, networks are built as version 0.1.0 built them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (mlp, resnet, stacked, blocks):
            patch.setattr(module, "biased_unless", lambda cancelled, layer: layer)
        yield


def shaken(network: nn.Module) -> nn.Module:
    """The network as training might have left it: with biases and running statistics that are not 0 and 1."""
    with torch.no_grad():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if name.endswith(("bias", "running_mean")):
                tensor.normal_()
            elif name.endswith(("running_var", "gamma")):
                tensor.uniform_(0.5, 2)
    return network


def moved(old: nn.Module, new: nn.Module) -> nn.Module:
    """The new network with the old one's tensors."""
    tensors = {f"x/{name}": t.clone() for name, t in state.variables(old).items()}
    state.fill(new, tensors, "x/")
    return new


BODIES: dict[str, Body] = {
    "mlp": Mlp(width=6),
    "dcgan": Dcgan(width=4),
    "resnet": Resnet(width=4),
    "resnet of one width": Resnet(width=4, growth=1),
    "resnet that attends": Resnet(width=4, attention=8),
    "large resnet that attends": Resnet(width=4, attention=16),
}
NORMS: dict[str, tuple[Norm, int | None]] = {
    "batch": (batch_norm, None),
    "layer": (layer_norm, None),
    "instance": (instance_norm, None),
    "conditional": (conditional_batch_norm, 3),
}
CASES = [(b, n) for b in BODIES for n in NORMS if (b, n) != ("mlp", "instance")]


@pytest.mark.parametrize(("body", "norm"), CASES)
def test_a_converted_body_computes_the_same(body: str, norm: str) -> None:
    build, classes = NORMS[norm]
    shape = (1, 32, 32) if body.startswith("large") else SHAPE
    family, y = BODIES[body], torch.arange(6) % 3
    with rng.seeded(0):
        pairs = [
            (lambda: family.analysis(shape, classes, build), torch.randn(6, *shape)),
            (lambda: family.synthesis(5, shape, 1, classes, build), torch.randn(6, 5)),
        ]
        if body != "mlp":
            pairs.append((lambda: family.synthesis((3, 4, 4), shape, 1, classes, build), torch.randn(6, 3, 4, 4)))
        for make, x in pairs:
            with as_before():
                old = shaken(make()).eval()
            new = moved(old, make()).eval()
            assert torch.allclose(new(x, y), old(x, y), rtol=1e-3, atol=1e-3)
            if body == "mlp" or (body.startswith("resnet") and norm in ("batch", "conditional")):
                fewer = state.variables(old).keys() - state.variables(new).keys()
                assert (len(fewer) > 0) is (norm != "layer")


def test_converted_stacked_networks_compute_the_same() -> None:
    with rng.seeded(0):
        for make, x in (
            (lambda: StackedAnalysis((3, 28, 28)), torch.randn(4, 3, 28, 28)),
            (lambda: StackedSynthesis(5, (3, 28, 28)), torch.randn(4, 5)),
        ):
            with as_before():
                old = shaken(make()).eval()
            assert torch.allclose(moved(old, make()).eval()(x), old(x), rtol=1e-3, atol=1e-3)


def test_shortcuts_with_spectral_normalisation_carry_the_bias() -> None:
    with rng.seeded(0):
        with as_before():
            old = shaken(spectral(Resnet(width=4).analysis(SHAPE, norm=batch_norm))).eval()
        new = moved(old, spectral(Resnet(width=4).analysis(SHAPE, norm=batch_norm))).eval()
        x = torch.randn(6, *SHAPE)
        assert torch.allclose(new(x), old(x), rtol=1e-3, atol=1e-3)


def test_every_name_has_one_conversion_and_others_have_none() -> None:
    names = [
        "stack.affines.0.bias",
        "layers.3.bias",
        "g.blocks.1.conv1.bias",
        "g.blocks.1.skip.bias",
        "g.seed.layer.bias",
    ]
    for name in names:
        assert sum(bool(c.pattern.fullmatch(name)) for c in CONVERSIONS) == 1
    assert not any(c.pattern.fullmatch("generator.output.bias") for c in CONVERSIONS)


def test_what_does_not_fit_is_damage() -> None:
    new = Mlp(width=6).synthesis(5, SHAPE, norm=batch_norm)
    tensors = {f"x/{name}": t for name, t in state.variables(new).items()}
    with pytest.raises(checkpoint.DamagedCheckpoint, match="earlier version"):
        state.fill(copy.deepcopy(new), {**tensors, "x/stack.affines.0.bias": torch.zeros(7)}, "x/")
    with pytest.raises(checkpoint.DamagedCheckpoint, match="another model"):
        state.fill(copy.deepcopy(new), {**tensors, "x/other.bias": torch.zeros(7)}, "x/")


OPTIONS: dict[str, Any] = {"data": "digits", "width": 4, "batch_size": 16, "seed": 3, "quiet": True, "log_every": 16}


@pytest.mark.trains
@pytest.mark.parametrize(("recipe", "network"), [("sngan", {}), ("cgan", {"network": "mlp"})])
def test_a_run_goes_on_as_it_would_have(recipe: str, network: dict[str, Any], tmp_path: Path) -> None:
    """The same weights up to rounding, which needs each parameter's own state of the optimiser."""
    options = OPTIONS | network
    with as_before():
        old = ganvas.train(recipe, out=tmp_path / "old", images=160, **options)
        ended = ganvas.train(recipe, out=tmp_path / "ended", images=320, **options)
    resumed = ganvas.train(resume=old.path, images=320, quiet=True)
    before, after = tensors_of(ended.path), tensors_of(resumed.path)
    fewer = {name for name in before.keys() - after.keys() if name.startswith("model/")}
    assert fewer and all(re.search(r"(conv1|conv2|skip|affines\.\d)\.bias$", name) for name in fewer)
    names = [name for name in after if name.startswith("model/") and "running_mean" not in name]
    for name in names:
        torch.testing.assert_close(after[name], before[name], rtol=1e-2, atol=1e-3, msg=lambda t, n=name: f"{n}: {t}")
    moments = [name for name in after if name.startswith("optimizer/")]
    assert len(moments) < len([name for name in before if name.startswith("optimizer/")])
    opened = resumed.sample(4, seed=1)
    assert torch.allclose(opened, ended.sample(4, seed=1), atol=2e-2)


def tensors_of(run: Path) -> dict[str, Tensor]:
    return checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])[1]


def test_an_export_of_before_opens(tmp_path: Path) -> None:
    with as_before():
        old = ganvas.train("sngan", out=tmp_path / "old", images=64, **OPTIONS)
        shaken(old.model)
        service.export(old, "hub-folder", tmp_path / "exported")
        expected = old.sample(4, seed=1)
    opened = ganvas.open(tmp_path / "exported")
    assert torch.allclose(opened.sample(4, seed=1), expected, atol=1e-3)
