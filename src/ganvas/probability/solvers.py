"""Solvers that carry noise to data along a field that a network predicts.

Each takes `predict`, from (x (N, ...), t (N,)) to a tensor shaped as x; the start x; and the times to visit, from 1 (noise)
to 0 (data). They draw no noise: the result is a function of the start.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from ganvas.errors import GanvasError, option
from ganvas.probability.noising import Noising

Predict = Callable[[Tensor, Tensor], Tensor]


def times(num_steps: int) -> list[float]:
    """`num_steps` equal steps from 1 to 0: num_steps + 1 times. Raises GanvasError below one step."""
    if num_steps < 1:
        raise GanvasError(f"Sampling in {num_steps} steps is not possible.", f"Use {option('steps', 1)} or more.")
    return [1 - i / num_steps for i in range(num_steps)] + [0.0]


def euler(predict: Predict, x: Tensor, visit: Sequence[float]) -> Tensor:
    """dx/dt = predict(x, t) by Euler's method: one evaluation a step, error of first order."""
    for t, s in pairwise(visit):
        x = x + (s - t) * predict(x, at(t, x))
    return x


def heun(predict: Predict, x: Tensor, visit: Sequence[float]) -> Tensor:
    """dx/dt = predict(x, t) by Heun's method: two evaluations a step, error of second order."""
    for t, s in pairwise(visit):
        slope = predict(x, at(t, x))
        ahead = predict(x + (s - t) * slope, at(s, x))
        x = x + (s - t) * 0.5 * (slope + ahead)
    return x


def ddim(predict: Predict, x: Tensor, visit: Sequence[float], noising: Noising) -> Tensor:
    """Deterministic DDIM for a network that predicts v: one evaluation a step.

    A step from t to s keeps the predicted data x₀ and noise ε: x_s = α_s x₀ + σ_s ε. Song et al. 2021, eq. 12 with σ = 0.
    """
    for t, s in pairwise(visit):
        now, later = at(t, x), at(s, x)
        v = predict(x, now)
        x = noising.add(noising.data(x, v, now), noising.noise(x, v, now), later)
    return x


def heun_by_angle(predict: Predict, x: Tensor, visit: Sequence[float], noising: Noising) -> Tensor:
    """Heun's method for a network that predicts v: two evaluations a step, error of second order.

    With α = cos φ and σ = sin φ the path of DDIM solves dx/dφ = v. Salimans & Ho 2022, appendix D.
    """
    for t, s in pairwise(visit):
        now, later = at(t, x), at(s, x)
        turn = noising.angle(later, x) - noising.angle(now, x)
        v = predict(x, now)
        ahead = predict(x + turn * v, later)
        x = x + 0.5 * turn * (v + ahead)
    return x


def at(t: float, x: Tensor) -> Tensor:
    """The time t for each of N examples, (N,)."""
    return x.new_full(x.shape[:1], t)
