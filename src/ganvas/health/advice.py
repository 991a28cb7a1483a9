"""Advice against a problem, with the options of the run's recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ganvas.health.course import number

Options = Mapping[str, object]


@dataclass(frozen=True)
class Remedy:
    """option: of a recipe; "" for advice to every run. words: from the option's value to the advice; "" if it would not
    help."""

    option: str
    words: Callable[[object], str]


def anyhow(words: str) -> Remedy:
    return Remedy("", lambda _: words)


def now(value: object) -> str:
    """An option's value in parentheses; "" for a switch (which is off) and for empty text."""
    if isinstance(value, bool) or value == "":
        return ""
    return f" (now {value:g})" if isinstance(value, float) else f" (now {value})"


def less(option: str, what: str, least: float, factor: float = 3.0) -> Remedy:
    """A smaller number, not below `least`; if the recipe chooses it, only that it should be smaller.

    Nothing is said if it is as small as `least` already: smaller values are no cure, and bring illnesses of their own.
    """

    def words(value: object) -> str:
        if not number(value) > 0:
            return f"a smaller {what}: {flag(option)}"
        if number(value) <= least:
            return ""
        return f"a smaller {what}: {flag(option)} {like(max(number(value) / factor, least), value)}{now(value)}"

    return Remedy(option, words)


def more(option: str, what: str, first: float, most: float, factor: float = 10.0) -> Remedy:
    """A larger number, not above `most`; `first` if it is 0 or the recipe chooses it. Nothing is said of one at `most`."""

    def words(value: object) -> str:
        if number(value) >= most:
            return ""
        wanted = min(number(value) * factor, most) if number(value) > 0 else first
        return f"{what}: {flag(option)} {like(wanted, value)}{'' if value is None else now(value)}"

    return Remedy(option, words)


def like(wanted: float, value: object) -> str:
    """A number as the option takes it: whole if its value is, and never in a form that is not a number's."""
    if isinstance(value, int):
        return str(max(1, round(wanted)))
    return f"{wanted:.2g}" if wanted < 100 else f"{wanted:.0f}"


def unless(option: str, good: Sequence[object], words: str) -> Remedy:
    """Advice if the option's value is not one of `good`."""
    return Remedy(option, lambda value: "" if value in good else words + now(value))


def above(option: str, limit: float, words: str) -> Remedy:
    """Advice if the option's value is above the limit."""
    return Remedy(option, lambda value: words + now(value) if number(value) > limit else "")


def flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


SMOOTHER = (
    more("r1", "a stronger gradient penalty", 1.0, most=100.0),
    more("penalty", "a stronger gradient penalty", 10.0, most=100.0),
    more("gamma", "stronger slope penalties", 1.0, most=100.0),
    unless("spectral_norm", [True], "a critic with spectral normalisation: --spectral-norm"),
)
"""Regularisation of a critic. Mescheder et al. 2018; Miyato et al. 2018."""

SLOWER_CRITIC = (
    less("critic_learning_rate", "learning rate for the critic", 1e-6),
    less("adversarial_learning_rate", "learning rate for the adversaries", 1e-6),
)

REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "critic overpowering": (
        *SMOOTHER,
        above("critic_steps", 1, "fewer turns of the critic: --critic-steps 1"),
        *SLOWER_CRITIC,
        more("instance_noise", "noise on the critic's inputs", 0.3, 1.0, 2.0),
        anyhow("a larger batch (--batch-size)"),
    ),
    "vanishing generator gradient": (
        unless("loss", ["non-saturating", "wasserstein", "hinge", "least-squares", "relativistic"],
               "a loss that does not saturate: --loss non-saturating"),
        *SMOOTHER,
        above("critic_steps", 1, "fewer turns of the critic: --critic-steps 1"),
        *SLOWER_CRITIC,
        more("instance_noise", "noise on the critic's inputs", 0.3, 1.0, 2.0),
        anyhow("a recipe whose loss does not saturate (wgan-gp, r3gan)"),
    ),
    "oscillation": (
        more("r1", "a slope penalty", 1.0, most=100.0),
        above("beta1", 0.5, "less momentum: --beta1 0.5"),
        less("learning_rate", "learning rate", 1e-6),
        Remedy("ema", lambda value: "" if number(value) > 0 else "averaged weights: --ema 5000"),
        anyhow("a recipe designed to converge (r3gan, consensus-gan)"),
    ),
    "mode collapse": (
        more("r1", "a stronger gradient penalty", 1.0, most=100.0),
        more("instance_noise", "noise on the critic's inputs", 0.3, 1.0, 2.0),
        unless("diffaugment", ["color,translation,cutout"], "augmentation of images: --diffaugment translation,cutout"),
        more("pack", "more examples scored together", 2.0, 8.0, 2.0),
        anyhow("a recipe whose critic detects similar samples (pacgan) or estimates a distance (wgan-gp)"),
    ),
    "posterior collapse": (
        above("beta", 1, "a smaller weight of the rate: --beta 1"),
        more("warmup", "a warm-up of the rate", 20_000, 1_000_000, 2.0),
        more("free_bits", "free bits", 1.0, 32.0, 2.0),
        less("scale", "scale of the likelihood", 1e-3),
        less("width", "decoder", 4, 2.0),
        anyhow("a weaker decoder"),
    ),
    "codebook collapse": (
        less("codes", "codebook", 16, 4.0),
        less("code_size", "size of an entry", 2, 4.0),
        less("learning_rate", "learning rate", 1e-6),
        more("commitment", "a stronger commitment of the encoder to the entries", 0.25, 4.0, 2.0),
        anyhow("more images"),
    ),
    "memorisation": (
        anyhow("more training data"),
        more("beta", "a heavier rate", 1.0, 16.0, 4.0),
        unless("diffaugment", ["color,translation,cutout"], "augmentation of images: --diffaugment color,translation,cutout"),
        less("width", "network", 4, 2.0),
        anyhow("fewer images, or the best checkpoint on held-out data (--keep-best)"),
    ),
    "divergence": (
        less("learning_rate", "learning rate", 1e-6),
        *SLOWER_CRITIC,
        unless("loss", ["non-saturating", "minimax", "hinge", "least-squares", "relativistic"],
               "a bounded loss: --loss non-saturating"),
        more("r1", "a stronger gradient penalty", 1.0, most=100.0),
        anyhow("skipping steps with large gradients: --skip-gradient-norm 10"),
    ),
}  # fmt: skip

MOST = 3
"""The maximum number of remedies in an advice."""


def advice(illness: str, options: Options) -> str:
    """One sentence of advice, the most likely remedy first. options: of the run's recipe, with values."""
    said = [r.words(options.get(r.option)) for r in REMEDIES[illness] if not r.option or r.option in options]
    chosen = [words for words in said if words][:MOST]
    return f"Try {', or '.join(chosen)}."
