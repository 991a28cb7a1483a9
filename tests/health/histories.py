"""Lines of metrics as runs write them, made by hand."""

from collections.abc import Callable, Mapping
from typing import Any

Curve = Callable[[float], Any] | float | list[float]
"""A value, or one at each share of the run, 0 to 1."""

EVERY = 2_500
NUM = 24

SIGNS: dict[str, Curve] = {
    "spread": lambda t: 0.2 + 0.75 * min(1.0, 4 * t),
    "distance": lambda t: 0.02 + 0.8 * (1 - t) ** 8,
    "bins": [0.25, 0.25, 0.25, 0.25],
    "bins_in_common": lambda t: 0.3 + 0.6 * min(1.0, 4 * t),
    "copies": 0.0,
    "nearer_train": 0.51,
}
CRITIC: dict[str, Curve] = {"critic_auc": 0.8}
ENCODER: dict[str, Curve] = {"active_units": 0.8, "unexplained": lambda t: 0.1 + 0.9 * (1 - t) ** 8, "overfit": 1.1}

GAN: dict[str, Curve] = {"critic: adversarial": 1.2, "generator: adversarial": 0.9}
VAE: dict[str, Curve] = {"autoencoder: distortion": lambda t: 100 + 400 * (1 - t) ** 8, "autoencoder: rate": 12.0}


def history(
    signs: Mapping[str, Curve],
    terms: Mapping[str, Curve],
    norms: Mapping[str, Curve] | None = None,
    num: int = NUM,
    batch: int = 64,
    every: int = EVERY,
) -> list[dict[str, Any]]:
    """An examination every 2,500 images, the first at 0, each after a line of training; norms: by player, 1 if not given."""
    lines: list[dict[str, Any]] = []
    for n in range(num + 1):
        t, images = n / num, n * every
        clock = {"images": images, "step": images // batch}
        if n:
            players: dict[str, dict[str, Any]] = {}
            for name, curve in terms.items():
                player, _, term = name.partition(": ")
                players.setdefault(player, {})[term] = at(curve, t)
            gradients = {player: at((norms or {}).get(player, 1.0), t) for player in players}
            training = {"players": players, "gradient_norms": gradients, "skipped_steps": 0, "partial": False}
            lines.append({**clock, "split": "train", **training})
        lines.append({**clock, "signs": {name: at(curve, t) for name, curve in signs.items()}, "partial": False})
    return lines


def at(curve: Curve, t: float) -> Any:
    return curve(t) if callable(curve) else curve


def gan(num: int = NUM, norms: Mapping[str, Curve] | None = None, **signs: Curve) -> list[dict[str, Any]]:
    """Of a GAN that learns, but for the signs that are given."""
    return history({**SIGNS, **CRITIC, **signs}, GAN, norms, num)


def vae(num: int = NUM, **signs: Curve) -> list[dict[str, Any]]:
    return history({**SIGNS, **ENCODER, **signs}, VAE, num=num)
