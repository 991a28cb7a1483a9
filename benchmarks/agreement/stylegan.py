"""Compares the first StyleGAN here with the authors' program: same weights, codes, noise and levels, then images and scores.

    git clone https://github.com/NVlabs/stylegan CHECKOUT
    python benchmarks/agreement/stylegan.py CHECKOUT

The authors' program is for TensorFlow 1. Its file `networks_stylegan.py` runs with `tensorflow_by_torch.py` in TensorFlow's
place. Nothing of the checkout is part of this project. For each quantity it prints the largest difference, divided by the
largest value. It fails if one is above 1e-4.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow_by_torch as tf
import torch
from progan import compare, put, put_convolution
from torch import Tensor

from ganvas.losses.penalties import R1
from ganvas.models.stylegan2 import StyleGAN2
from ganvas.networks.progan import GrowingCritic
from ganvas.networks.stylegan import GrowingStyleSynthesis
from ganvas.networks.stylegan2 import Mapping
from ganvas.nn.growth import Growth
from ganvas.probability.priors import Normal

SIDES, WIDTH, MOST, LATENT, BATCH, DEPTH = (4, 8, 16), 6, 20, 10, 8, 4
NUMBERS = {"num_channels": 3, "resolution": 16, "fmap_base": WIDTH * 8, "fmap_max": MOST}
SIZES = {"latent_size": LATENT, "dlatent_size": LATENT, "mapping_fmaps": LATENT, "mapping_layers": DEPTH}
IMAGES = 1_000


def theirs(checkout: Path) -> Any:
    """Their module with networks."""
    sys.modules["tensorflow"] = tf
    outer, inner = ModuleType("dnnlib"), ModuleType("dnnlib.tflib")
    outer.EasyDict, outer.tflib = dict, inner  # pyright: ignore[reportAttributeAccessIssue]
    inner.lerp_clip = lambda a, b, t: a + (b - a) * t.clamp(0, 1)  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules |= {"dnnlib": outer, "dnnlib.tflib": inner}
    spec = importlib.util.spec_from_file_location("theirs", checkout / "training" / "networks_stylegan.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_style(to: Any, variables: dict[str, Tensor], name: str, number: int) -> None:
    put(to.noise.weight, variables[f"{name}/Noise/weight"].view(-1, 1, 1))
    put(to.noise.fixed, variables[f"noise{number}"])
    put(to.bias, variables[f"{name}/bias"].view(-1, 1, 1))
    put_convolution(to.affine, variables, f"{name}/StyleMod", (1, 0))


def copy(model: StyleGAN2, mapping: dict[str, Tensor], synthesis: dict[str, Tensor], critic: dict[str, Tensor]) -> None:
    """Their weights into our networks."""
    m, g, d = (getattr(model, name) for name in ("mapping", "synthesis", "critic"))
    for i, layer in enumerate(m.layers):
        put_convolution(layer, mapping, f"Dense{i}", (1, 0))
    put(g.constant, synthesis["4x4/Const/const"])
    put_style(g.start, synthesis, "4x4/Const", 0)
    put(g.refine[0].weight, synthesis["4x4/Conv/weight"].permute(3, 2, 0, 1))
    put_style(g.refined[0], synthesis, "4x4/Conv", 1)
    last = len(SIDES) - 1
    for level, side in enumerate(SIDES):
        put_convolution(g.pictures[str(level)], synthesis, f"ToRGB_lod{last - level}", (3, 2, 0, 1))
        put_convolution(d.pixels[str(level)], critic, f"FromRGB_lod{last - level}", (3, 2, 0, 1))
        if level == 0:
            continue
        name = f"{side}x{side}"
        put(g.enlarge[level - 1].weight, synthesis[f"{name}/Conv0_up/weight"].permute(3, 2, 0, 1))
        put_style(g.enlarged[level - 1], synthesis, f"{name}/Conv0_up", 2 * level)
        put(g.refine[level].weight, synthesis[f"{name}/Conv1/weight"].permute(3, 2, 0, 1))
        put_style(g.refined[level], synthesis, f"{name}/Conv1", 2 * level + 1)
        put_convolution(d.blocks[level - 1].keep, critic, f"{name}/Conv0", (3, 2, 0, 1))
        put_convolution(d.blocks[level - 1].halve, critic, f"{name}/Conv1_down", (3, 2, 0, 1))
    put_convolution(d.last, critic, "4x4/Conv", (3, 2, 0, 1))
    put_convolution(d.dense, critic, "4x4/Dense0", (1, 0))
    put_convolution(d.output, critic, "4x4/Dense1", (1, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    torch.manual_seed(0)
    networks = theirs(parser.parse_args().checkout)
    mapping, synthesis, critic = ({}, {}, {})
    no_labels = tf.tensor(torch.zeros(BATCH, 0))
    z, x = torch.randn(BATCH, LATENT), torch.rand(BATCH, 3, 16, 16) * 2 - 1

    def their_w(z: Tensor) -> Tensor:
        with tf.variables(mapping):
            return networks.G_mapping(tf.tensor(z), no_labels, dlatent_broadcast=2 * len(SIDES), **SIZES)

    def their_images(ws: Tensor, lod: float) -> Tensor:
        synthesis["lod"] = tf.tensor(torch.tensor(lod))
        with tf.variables(synthesis):
            return networks.G_synthesis(ws, structure="linear", randomize_noise=False, dlatent_size=LATENT, **NUMBERS)

    def their_scores(x: Tensor, lod: float) -> Tensor:
        critic["lod"] = tf.tensor(torch.tensor(lod))
        with tf.variables(critic):
            return networks.D_basic(tf.tensor(x), no_labels, structure="linear", **NUMBERS).squeeze(1)

    their_scores(x, 0.0), their_images(their_w(z), 0.0)  # makes the variables
    for name, variable in mapping.items():  # they start at N(0, 1 / rate²)
        if name.endswith("weight"):
            mapping[name] = tf.tensor(variable.detach() * 100)
    growth = Growth(SIDES, IMAGES)
    model = StyleGAN2(
        Mapping(LATENT, LATENT, DEPTH, bias_gain=1.0),
        GrowingStyleSynthesis(LATENT, (3, 16, 16), growth, WIDTH, MOST),
        GrowingCritic((3, 16, 16), growth, WIDTH, MOST, blur=True),
        Normal(LATENT),
        LATENT,
        penalties=[R1(10.0)],
        path_weight=0.0,
        growth=growth,
    ).eval()
    copy(model, mapping, synthesis, critic)
    found = [compare("w", model.mapping(z), their_w(z)[:, 0])]
    for level in (0.0, 0.25, 1.0, 1.75, 2.0):
        print(f"level {level}")
        whole, part = divmod(level, 1)
        model.clock.images = int(whole * 2 * IMAGES + (IMAGES + part * IMAGES if part else 0))
        lod = len(SIDES) - 1 - level
        found.append(compare("generated images, enlarged", model.generate(z), their_images(their_w(z), lod)))
        real = growth.real(x)
        found.append(compare("scores", model.critic(real), their_scores(growth.whole(real), lod)))
        given = growth.whole(real).requires_grad_()
        (slope,) = torch.autograd.grad(their_scores(given, lod).sum(), given)
        r = model(type("Batch", (), {"x": x, "y": None, "__len__": lambda _: BATCH})())
        ours = model.players()[0].lazy[0].penalty(r)["R1"]
        found.append(compare("R1", ours, 5 * slope.square().sum((1, 2, 3)).mean()))
    assert max(found) < 1e-4, "the programs differ"


if __name__ == "__main__":
    main()
