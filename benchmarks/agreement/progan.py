"""Compares ProGAN here with the authors' program: same weights, codes and levels, then images, scores and the critic's loss.

    git clone https://github.com/tkarras/progressive_growing_of_gans CHECKOUT
    python benchmarks/agreement/progan.py CHECKOUT

The authors' program is for TensorFlow 1. Its files `networks.py` and `loss.py` run with `tensorflow_by_torch.py` in
TensorFlow's place. Nothing of the checkout is part of this project. For each quantity it prints the largest difference,
divided by the largest value. It fails if one is above 1e-4.
"""

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import tensorflow_by_torch as tf
import torch
from torch import Tensor

from ganvas.core.model import Round
from ganvas.models.progan import ProGAN
from ganvas.networks.progan import GrowingCritic, GrowingSynthesis
from ganvas.nn.growth import Growth
from ganvas.probability.priors import Normal

SIDES, WIDTH, MOST, LATENT, BATCH = (4, 8, 16), 6, 20, 10, 8
NUMBERS = {"num_channels": 3, "resolution": 16, "fmap_base": WIDTH * 8, "fmap_max": MOST}
IMAGES = 1_000


def theirs(checkout: Path) -> tuple[Any, Any]:
    """Their modules `networks` and `loss`."""
    sys.path.insert(0, str(checkout))
    sys.modules["tensorflow"] = tf
    summaries = ModuleType("tfutil")
    summaries.autosummary = lambda _, value: value  # pyright: ignore[reportAttributeAccessIssue]
    summaries.lerp = lambda a, b, t: a + (b - a) * t  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["tfutil"] = summaries
    return importlib.import_module("networks"), importlib.import_module("loss")


class Program:
    """One of their networks, as their loss calls it. function: builds its graph. lod: how far it is below the last level."""

    def __init__(self, function: Any, label_first: bool) -> None:
        self.function, self.label_first = function, label_first
        self.variables: dict[str, Tensor] = {}
        self.lod = 0.0
        self.input_shapes = [[None, LATENT]]
        self.output_shapes = [[None, 1], [None, 0]]

    def get_output_for(self, x: Tensor, *labels: Any, is_training: bool = True) -> Any:
        with tf.variables(self.variables):
            self.variables["lod"] = tf.tensor(torch.tensor(self.lod))
            given = [tf.tensor(torch.zeros(len(x), 0))] if self.label_first else []
            return self.function(tf.tensor(x), *given, latent_size=LATENT, structure="linear", **NUMBERS)


def copy(model: ProGAN, generator: Program, critic: Program) -> None:
    """Their weights into our networks."""
    g: Any = model.generator
    d: Any = model.critic
    put(g.dense.weight, generator.variables["4x4/Dense/weight"].T)
    put(g.bias, generator.variables["4x4/Dense/bias"].view(-1, 1, 1))
    put_convolution(g.first, generator.variables, "4x4/Conv", (3, 2, 0, 1))
    last = len(SIDES) - 1
    for level, side in enumerate(SIDES):
        put_convolution(g.pictures[str(level)], generator.variables, f"ToRGB_lod{last - level}", (3, 2, 0, 1))
        put_convolution(d.pixels[str(level)], critic.variables, f"FromRGB_lod{last - level}", (3, 2, 0, 1))
        if level == 0:
            continue
        name = f"{side}x{side}"
        # theirs is the kernel of a transposed convolution, which is that of a convolution turned by half
        enlarge = g.blocks[level - 1].enlarge
        put(enlarge.weight, generator.variables[f"{name}/Conv0_up/weight"].permute(2, 3, 0, 1).flip(2, 3))
        put(enlarge.bias, generator.variables[f"{name}/Conv0_up/bias"])
        put_convolution(g.blocks[level - 1].refine, generator.variables, f"{name}/Conv1", (3, 2, 0, 1))
        put_convolution(d.blocks[level - 1].keep, critic.variables, f"{name}/Conv0", (3, 2, 0, 1))
        put_convolution(d.blocks[level - 1].halve, critic.variables, f"{name}/Conv1_down", (3, 2, 0, 1))
    put_convolution(d.last, critic.variables, "4x4/Conv", (3, 2, 0, 1))
    put_convolution(d.dense, critic.variables, "4x4/Dense0", (1, 0))
    put_convolution(d.output, critic.variables, "4x4/Dense1", (1, 0))


def put(to: Tensor, source: Tensor) -> None:
    assert to.shape == torch.Size(source.size()), f"{tuple(to.shape)} is not {tuple(source.size())}"
    with torch.no_grad():
        to.copy_(source.as_subclass(Tensor))


def put_convolution(to: Any, variables: dict[str, Tensor], name: str, order: tuple[int, ...]) -> None:
    """order: that of our weight's dimensions in theirs."""
    put(to.weight, variables[f"{name}/weight"].permute(order))
    put(to.bias, variables[f"{name}/bias"])


def compare(name: str, our: Tensor, their: Tensor) -> float:
    their = their.as_subclass(Tensor)
    difference = float((our - their).detach().abs().max() / their.detach().abs().max())
    print(f"  {name:40} {difference:.1e}")
    return difference


def at(level: float, model: ProGAN, programs: tuple[Program, Program], losses: Any) -> list[float]:
    """The differences at a level, which for their networks is 2 − level."""
    generator, critic = programs
    growth = model.growth
    whole, part = divmod(level, 1)
    model.clock.images = int(whole * 2 * IMAGES + (IMAGES + part * IMAGES if part else 0))
    assert abs(growth.level - level) < 1e-9
    generator.lod = critic.lod = len(SIDES) - 1 - level
    z, x = torch.randn(BATCH, LATENT), torch.rand(BATCH, 3, 16, 16) * 2 - 1
    real = growth.real(x)
    image = model.generator(z)
    found = [compare("generated images, enlarged", growth.whole(image), generator.get_output_for(z))]
    their_score = critic.get_output_for(growth.whole(real))[0]
    found.append(compare("scores", model.critic(real), their_score.squeeze(1)))
    torch.manual_seed(1)
    same = SimpleNamespace(apply_loss_scaling=lambda v: v, undo_loss_scaling=lambda v: v)
    their = losses.D_wgangp_acgan(generator, critic, same, None, BATCH, tf.tensor(growth.whole(real)), None)
    torch.manual_seed(1)
    r = Round(x=real, fake=model.generator(torch.randn(BATCH, LATENT)).detach())
    terms = {**model.critic_loss(r), **model.penalty(r)}
    found.append(compare("critic's loss with both penalties", sum(terms.values(), torch.zeros(())), their.mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    torch.manual_seed(0)
    networks, losses = theirs(parser.parse_args().checkout)
    generator, critic = Program(networks.G_paper, True), Program(networks.D_paper, False)
    generator.get_output_for(torch.randn(BATCH, LATENT))  # makes the variables
    critic.get_output_for(torch.randn(BATCH, 3, 16, 16))
    growth = Growth(SIDES, IMAGES)
    model = ProGAN(
        GrowingSynthesis(LATENT, (3, 16, 16), growth, WIDTH, MOST),
        GrowingCritic((3, 16, 16), growth, WIDTH, MOST),
        Normal(LATENT),
        growth,
    )
    copy(model, generator, critic)
    found: list[float] = []
    for level in (0.0, 0.25, 1.0, 1.75, 2.0):
        print(f"level {level}")
        found += at(level, model, (generator, critic), losses)
    assert max(found) < 1e-4, "the programs differ"


if __name__ == "__main__":
    main()
