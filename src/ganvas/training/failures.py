"""Steps that gave numbers that are not finite: which player's, at which term, and what the evidence says of the cause."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GREW = 10.0
"""A gradient norm this many times its usual one had got out of hand before anything overflowed."""

HUGE_WEIGHT = 1e4

BAD_DATA = "bad data: the batch itself holds numbers that are not finite"
LOOK_AT_IT = "Look at the data: ganvas data SOURCE."
"""Where the batch is not finite, whatever else there is to see."""


@dataclass(frozen=True)
class Failure:
    """A turn that was not taken. what: its terms or gradient. cause: the likely one. advice: what to try."""

    step: int
    player: str
    what: str
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"step {self.step}, player {self.player}: {self.what}; likely cause: {self.cause}"


@dataclass(frozen=True)
class Rewind:
    """A return to an earlier checkpoint. images: where it returned to. players: whose steps are smaller since."""

    images: int
    players: tuple[str, ...]
    message: str


class Norms:
    """The newest gradient norms of one kind of move, on their device until they are read."""

    SIZE = 64
    WARM = 16
    """So many are needed before anything can be called unusual."""

    def __init__(self, values: Sequence[float] = (), device: str = "cpu") -> None:
        kept = list(values)[-self.SIZE :]
        self.values = torch.tensor([*kept, *[math.nan] * (self.SIZE - len(kept))], device=device)
        self.count = len(kept)

    def add(self, norm: Tensor) -> None:
        self.values[self.count % self.SIZE] = norm
        self.count += 1

    def limit(self, times: float) -> Tensor:
        """`times` the median, a scalar on the device; infinite while too few are known."""
        known = self.values.nanmedian() if self.count >= self.WARM else self.values.new_tensor(math.inf)
        return times * known

    def to_list(self) -> list[float]:
        """Oldest first."""
        start = self.count % self.SIZE if self.count > self.SIZE else 0
        values: list[float] = self.values.tolist()
        return [v for v in (*values[start:], *values[:start]) if not math.isnan(v)]


def likely_cause(broken: Mapping[str, float], norms: Sequence[float], largest_weight: float) -> tuple[str, str]:
    """What the evidence points to, the strongest first, and what to try.

    broken: the terms that are not finite. norms: the player's last gradient norms, oldest first. largest_weight: its
    largest parameter's size.
    """
    slower = "Try a smaller learning rate, or --skip-gradient-norm 10."
    usual, newest = statistics.median(norms) if norms else 0.0, max(norms[-4:], default=0.0)
    if len(norms) >= 8 and newest >= GREW * usual > 0:
        grew = f"its gradient norm had grown from {usual:.3g} to {newest:.3g}"
        return f"learning rate too high: {grew}", slower
    if not largest_weight < HUGE_WEIGHT:
        return f"learning rate too high: its weights have grown to {largest_weight:.3g}", slower
    for words, cause, advice in TERM_CAUSES:
        found = [name for name in broken if any(word in name for word in words)]
        if found:
            return f"{cause}, for {found[0]} is what overflowed", advice
    if broken:
        return f"overflow in the loss: {', '.join(broken)}, while weights and gradients looked usual", slower
    return "overflow on the way back: the terms are finite, their slope is not (a root or logarithm at 0)", slower


TERM_CAUSES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("rate", "kl", "total correlation"),
        "log-variance out of bounds",
        "Bound the encoder's log-variance (networks.Encoder does), or warm the rate up.",
    ),
    (
        ("distortion", "likelihood", "reconstruction"),
        "overflow in the likelihood: a scale near 0, or logits out of bounds",
        "Use a likelihood with a fixed or bounded scale.",
    ),
    (
        ("adversarial", "r1", "r2", "penalty"),
        "overflow in the critic's scores or their slope",
        "Hold the critic smoother: a slope penalty, or a smaller learning rate for it.",
    ),
)
