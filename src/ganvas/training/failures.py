"""Steps with NaN or infinity: the player, the term, and the likely cause."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GREW = 10.0
"""A gradient norm this many times the usual one means that gradients exploded before the overflow."""

HUGE_WEIGHT = 1e4

BAD_DATA = "bad data: the batch itself holds NaN or infinity"
LOOK_AT_IT = "Check the data: ganvas data SOURCE."
"""The cause if the batch itself has NaN or infinity; it comes before all others."""


@dataclass(frozen=True)
class Failure:
    """A skipped turn. what: its terms or gradient. cause: the likely one. advice: what to try."""

    step: int
    player: str
    what: str
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"step {self.step}, player {self.player}: {self.what}; likely cause: {self.cause}"


@dataclass(frozen=True)
class Rewind:
    """A return to an earlier checkpoint. images: the checkpoint's. players: those with smaller steps since."""

    images: int
    players: tuple[str, ...]
    message: str


class Norms:
    """The newest gradient norms of one kind of move, on their device until they are read."""

    SIZE = 64
    WARM = 16
    """The number of norms needed before one can be called unusual."""

    def __init__(self, values: Sequence[float] = (), device: str = "cpu") -> None:
        kept = list(values)[-self.SIZE :]
        self.values = torch.tensor([*kept, *[math.nan] * (self.SIZE - len(kept))], device=device)
        self.count = len(kept)

    def add(self, norm: Tensor) -> None:
        self.values[self.count % self.SIZE] = norm
        self.count += 1

    def limit(self, times: float) -> Tensor:
        """`times` the median, a scalar on the device; infinite while there are too few norms."""
        known = self.values.nanmedian() if self.count >= self.WARM else self.values.new_tensor(math.inf)
        return times * known

    def to_list(self) -> list[float]:
        """Oldest first."""
        start = self.count % self.SIZE if self.count > self.SIZE else 0
        values: list[float] = self.values.tolist()
        return [v for v in (*values[start:], *values[:start]) if not math.isnan(v)]


def likely_cause(broken: Mapping[str, float], norms: Sequence[float], largest_weight: float) -> tuple[str, str]:
    """The likely cause, strongest evidence first, and what to try.

    broken: the terms that are NaN or infinite. norms: the player's last gradient norms, oldest first. largest_weight: the
    largest absolute value of its parameters.
    """
    slower = "Try a smaller learning rate, or a skip_gradient_norm of 10."
    usual, newest = statistics.median(norms) if norms else 0.0, max(norms[-4:], default=0.0)
    if len(norms) >= 8 and newest >= GREW * usual > 0:
        grew = f"its gradient norm had grown from {usual:.3g} to {newest:.3g}"
        return f"learning rate too high: {grew}", slower
    if not largest_weight < HUGE_WEIGHT:
        return f"learning rate too high: its weights have grown to {largest_weight:.3g}", slower
    for words, cause, advice in TERM_CAUSES:
        found = [name for name in broken if any(word in name for word in words)]
        if found:
            return f"{cause}: {found[0]} overflowed", advice
    if broken:
        return f"overflow in the loss: {', '.join(broken)}; weights and gradients were normal", slower
    return (
        "overflow in the backward pass: the terms are finite, their gradient is not (a root or logarithm at 0)",
        slower,
    )


TERM_CAUSES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("rate", "kl", "total correlation"),
        "log-variance out of bounds",
        "Bound the encoder's log-variance (as networks.Encoder does), or warm up the weight of the rate.",
    ),
    (
        ("distortion", "likelihood", "reconstruction"),
        "overflow in the likelihood: a scale near 0, or logits out of bounds",
        "Use a likelihood with a fixed or bounded scale.",
    ),
    (
        ("adversarial", "r1", "r2", "penalty"),
        "overflow in the critic's scores or their gradient",
        "Use a gradient penalty on the critic, or a smaller learning rate for it.",
    ),
)
