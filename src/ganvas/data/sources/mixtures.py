"""`ring8` and `grid25`: two-dimensional mixtures of Gaussians, for counting modes."""

import math

import torch

from ganvas.data.dataset import Data, Modes, Split, gather
from ganvas.machine.rng import generator

NUM_TRAIN, NUM_HELD_OUT = 100_000, 10_000

RING8 = Modes(tuple((math.cos(math.tau * k / 8), math.sin(math.tau * k / 8)) for k in range(8)), sigma=0.01)
"""Eight modes on the unit circle, variance 1e-4. Lin et al. 2018 (PacGAN), section 4.1."""

GRID25 = Modes(tuple((-4.0 + 2 * i, -4.0 + 2 * j) for i in range(5) for j in range(5)), sigma=0.05)
"""Twenty-five modes two apart, variance 0.0025. Lin et al. 2018 (PacGAN), section 4.1."""


def mixture(name: str, modes: Modes, limit: int | None = None) -> Data:
    """100,000 training and 10,000 held-out points, float32 (N, 2), labelled by their mode.

    The two splits are independent draws; the points are not scaled. A limit takes the first of each.
    """
    train = _draw(modes, min(NUM_TRAIN, limit or NUM_TRAIN), name, "train")
    held_out = _draw(modes, min(NUM_HELD_OUT, limit or NUM_HELD_OUT), name, "held out")
    return gather(name, train, held_out, classes=[f"mode {k}" for k in range(len(modes.centres))], modes=modes)


def _draw(modes: Modes, num: int, *seed: object) -> Split:
    y = torch.randint(len(modes.centres), (num,), generator=generator(*seed, "modes"))
    noise = torch.randn(num, 2, generator=generator(*seed, "noise"), dtype=torch.float64)
    centres = torch.tensor(modes.centres, dtype=torch.float64)
    return Split((centres[y] + modes.sigma * noise).float(), y)
