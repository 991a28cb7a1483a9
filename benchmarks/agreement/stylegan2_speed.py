"""Times StyleGAN2's step here beside the authors' reference operations, on one core, in one interleaved run.

    git clone https://github.com/NVlabs/stylegan2-ada-pytorch CHECKOUT
    python benchmarks/agreement/stylegan2_speed.py CHECKOUT

Both have the same networks, images, penalties and intervals. A round is 16 steps, so each penalty comes as often as it
should. Rounds alternate. It prints the median of the ratios, and the peak memory of a process that only does one of both.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.machine.arithmetic import fast_arithmetic
from ganvas.recipes import RECIPES
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

SIDE, BATCH, STEPS, WIDTH, MOST, LATENT = 64, 16, 16, 16, 128, 128
Round = Callable[[], None]


def images() -> torch.Tensor:
    return torch.rand(BATCH, 3, SIDE, SIDE) * 2 - 1


def ours() -> Round:
    info = DataInfo(shape=(3, SIDE, SIDE), classes=(), num_train=512, mean=torch.zeros(3, SIDE, SIDE))
    sizes = {"width": WIDTH, "max_width": MOST, "latent": LATENT, "mapping_depth": 2}
    recipe = build(RECIPES["stylegan2"], info, sizes)
    trainer = Trainer(recipe.model, recipe.optimizers, ema_half_life=recipe.ema_half_life)
    x = images()

    def play() -> None:
        with fast_arithmetic():  # as `Trainer.fit` does
            for _ in range(STEPS):
                trainer.step(Batch(x))

    return play


def theirs(checkout: Path) -> Round:
    sys.path.insert(0, str(checkout))
    sys.modules.setdefault("requests", ModuleType("requests"))  # they import it for downloads only
    from training import loss, networks  # pyright: ignore[reportMissingImports]

    sizes = {"channel_base": WIDTH * SIDE, "channel_max": MOST}
    generator: Any = networks.Generator(
        LATENT, 0, LATENT, SIDE, 3, mapping_kwargs={"num_layers": 2}, synthesis_kwargs=sizes
    )
    critic: Any = networks.Discriminator(0, SIDE, 3, mapping_kwargs={"num_layers": 2}, **sizes)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    gamma = 0.0002 * SIDE**2 / BATCH
    losses = loss.StyleGAN2Loss(
        torch.device("cpu"), generator.mapping, generator.synthesis, critic, r1_gamma=gamma, pl_weight=2
    )
    moves: list[tuple[str, Any, int, torch.optim.Optimizer]] = []
    for letter, network, every in (("G", generator, 4), ("D", critic, 16)):
        share = every / (every + 1)
        optimizer = torch.optim.Adam(network.parameters(), lr=2.5e-3 * share, betas=(0.0, 0.99**share), eps=1e-8)
        moves += [(f"{letter}main", network, 1, optimizer), (f"{letter}reg", network, every, optimizer)]
    x, labels = images(), torch.zeros(BATCH, 0)

    def play() -> None:
        for step in range(STEPS):
            for phase, network, every, optimizer in moves:
                if step % every:
                    continue
                optimizer.zero_grad(set_to_none=True)
                network.requires_grad_(True)
                losses.accumulate_gradients(phase, x, labels, torch.randn(BATCH, LATENT), labels, True, every)
                network.requires_grad_(False)
                for parameter in network.parameters():
                    if parameter.grad is not None:
                        torch.nan_to_num(parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad)
                optimizer.step()
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), generator.parameters(), strict=True):
                    slow.copy_(fast.lerp(slow, 0.998))
                for slow, fast in zip(average.buffers(), generator.buffers(), strict=True):
                    slow.copy_(fast)

    generator.requires_grad_(False)
    critic.requires_grad_(False)
    return play


def seconds(play: Round) -> float:
    begin = time.perf_counter()
    play()
    return time.perf_counter() - begin


def peak(checkout: Path, name: str) -> float:
    """Peak memory in MiB of a process of its own that plays one round twice."""
    command = [sys.executable, __file__, str(checkout), "--only", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["ours", "theirs"], help="play two rounds and print the peak memory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.only:
        play = ours() if arguments.only == "ours" else theirs(arguments.checkout)
        play()
        play()
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    our, their = ours(), theirs(arguments.checkout)
    our()
    their()
    ratios: list[float] = []
    for number in range(arguments.rounds):
        a, b = seconds(our), seconds(their)
        ratios.append(a / b)
        print(f"round {number}: ours {a / STEPS * 1e3:.0f} ms, theirs {b / STEPS * 1e3:.0f} ms a step, {a / b:.2f}")
    print(f"median ratio of time: {statistics.median(ratios):.2f}")
    a, b = peak(arguments.checkout, "ours"), peak(arguments.checkout, "theirs")
    print(f"peak memory: ours {a:.0f} MiB, theirs {b:.0f} MiB, {a / b:.2f}")


if __name__ == "__main__":
    main()
