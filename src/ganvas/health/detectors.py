"""One detector for each problem: pure functions of a run's course.

A detector uses the newer half of the examinations so far (counted in images, at most 40 examinations). It reports a problem
only if all of that half, or most of it, shows the problem: a short problem is part of learning.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ganvas.health.course import FIRST_STEPS, Course, Points, gradient_of, is_adversarial
from ganvas.health.points import high, low, newer, older, size, start, stuck, typical

TELLS = 0.98
"""A critic is overpowering if it ranks more than this share of pairs (real, generated) correctly."""

FAR = 0.2
"""Samples are off if their distance to the data is above this, in units of the data's spread."""

STUCK = 0.98
"""There is no progress if the newer half of the values is not below this share of the older half ..."""

HARDLY = 0.8
CIRCLING = 0.6
"""... HARDLY replaces it if samples are similar, and CIRCLING if samples move and come closer by chance."""

VANISHED = 0.04
"""A gradient has vanished below this share of its peak, the largest value held for three lines of metrics."""

FAINT = 1e-6
"""A gradient norm below this has vanished, whatever it was before: spread over 10,000 weights it is Adam's ε of 1e-8."""

RESTLESS = 0.3
"""Samples oscillate if this share of them changes bins between two examinations."""

STEADY_STEPS = 400
"""Before this many steps, healthy runs too have similar or moving samples: they have not yet found the data."""

ALIKE = 0.4
"""Samples are too similar if their mean distance is below this share of the distance between examples."""

IN_COMMON = 0.3
"""Samples cover few modes if their bins overlap with the data's by at most this share."""

ALIKE_IN_CLASS = 0.1
ALIKE_IN_ONE_CLASS = 0.03
"""Samples of a class are alike if two of them are this much as far apart as two examples: mean of all classes, or of one."""

INACTIVE = 0.2
UNEXPLAINED = 0.9
"""A posterior has collapsed if at most INACTIVE of the code's dimensions are active, and the error of reconstructions is at
least UNEXPLAINED of the data's variance."""

UNUSED = 0.1
"""A codebook has collapsed if at most this share of its entries is used in an epoch."""

OVERFIT = 1.5
COPIES = 0.1
NEARER = 0.75
"""A model memorises if held-out examples have OVERFIT times the error of training examples; if COPIES more of the samples
than of held-out examples are copies; or if NEARER of the samples are closer to training than to held-out examples."""

REPEATED = 0.2
"""The training data repeat a few examples if no larger share of them differs."""

WORSE = 3.0
"""Divergence: reconstructions have this many times the error of the data's mean (a random example has twice that error), or
the distance of samples is this many times the data's spread."""

WASTED = 30.0
"""Codes are wasted if they cost this many nats, and reconstructions are no better than the data's mean."""

HUGE_SCORE = 1e3
GROWTH = 10.0
"""A critic's scores are unbounded above HUGE_SCORE and above GROWTH times their initial size."""

FAILED_STEPS = 3
"""This many steps with NaN or infinity are a problem, not an accident."""


@dataclass(frozen=True)
class Sight:
    """The result of a detector. ill: None if it cannot decide. words: the evidence, or the reason why it cannot.

    since: images at the start of the evidence. curves: the series that show it.
    """

    ill: bool | None
    words: str
    since: int = 0
    curves: tuple[str, ...] = ()


def critic_overpowering(course: Course) -> Sight:
    scores, distance = course.recent("critic auc"), course.recent("distance")
    if not scores or not distance:
        return unknown(course, "critic auc", "no critic's scores were recorded")
    curves = ("critic auc", "distance")
    share = "all" if low(scores) > 0.999 else f"at least {low(scores):.1%} of the"
    told = f"the critic ranks {share} pairs of a real and a generated example correctly"
    if low(scores) >= TELLS and typical(distance) >= FAR and stuck(distance, STUCK):
        return Sight(True, sentence(f"{told}, and {no_nearer(distance)}"), start(scores), curves)
    return Sight(False, f"{told}; samples are {typical(distance):.2f} from the data", curves=curves)


def vanishing_gradient(course: Course) -> Sight:
    names = [gradient_of(player) for player in sorted(course.adversaries)]
    sights = [vanishing(course, name) for name in names if course.recent(name)]
    if not sights:
        known = next((name for name in names if name in course.series), names[0] if names else "")
        return unknown(course, known, "no player is trained to fool a critic")
    return next((sight for sight in sights if sight.ill), sights[0])


def vanishing(course: Course, name: str) -> Sight:
    newest, usual = course.recent(name), course.peaks[name]
    told = f"the {name} is {typical(newest):.2g}, with a peak of {usual:.2g}"
    if typical(newest) <= max(VANISHED * usual, FAINT):
        return Sight(
            True, sentence(f"{told}: the player learns almost nothing from the critic"), start(newest), (name,)
        )
    return Sight(False, told, curves=(name,))


def oscillation(course: Course) -> Sight:
    moved, distance = course.recent("changed bins"), course.recent("distance")
    if "critic auc" not in course.series:
        return Sight(None, "the model has no critic of examples")
    if not moved or not distance or course.steps < STEADY_STEPS:
        return unknown(course, "changed bins", "samples were not examined")
    curves = ("changed bins", "distance")
    told = f"{newer(moved):.0%} of the samples move to another part of the data between two examinations"
    if newer(moved) >= RESTLESS and typical(distance) >= FAR and stuck(distance, CIRCLING):
        words = (
            f"{told}, but do not come closer: {newer(distance):.2f} of its spread away, {older(distance):.2f} before"
        )
        return Sight(True, sentence(words), start(moved), curves)
    return Sight(False, told, curves=curves)


def mode_collapse(course: Course) -> Sight:
    spread, common, distance = (course.recent(name) for name in ("spread", "bins in common", "distance"))
    # With classes there may be a critic that is not asked for its scores.
    if "critic auc" not in course.series and not (course.critics and "class spread" in course.series):
        return Sight(None, "the model has no critic of examples")
    if not spread or not common or not distance or course.steps < STEADY_STEPS:
        return unknown(course, "spread", "samples were not examined")
    curves = ("spread", "bins in common")
    told = (
        f"two samples are {typical(spread):.2f} times as far apart as two examples, and the bins of samples overlap with"
        f" those of the data by {typical(common):.0%}"
    )
    within = alike_in_class(course)
    if within is not None:
        return within
    off = typical(distance) >= FAR and stuck(distance, HARDLY)  # samples close to the data are only blurred
    if off and (high(spread) <= ALIKE or high(common) <= IN_COMMON):
        return Sight(True, sentence(told), start(spread), curves)
    return Sight(False, told, curves=curves)


def alike_in_class(course: Course) -> Sight | None:
    """What mode collapse is within the classes of a conditional model, whose samples as a whole may be varied."""
    every, least = course.recent("class spread"), course.recent("least class spread")
    if every and high(every) <= ALIKE_IN_CLASS:
        words = f"two samples of one class are {typical(every):.2f} times as far apart as two examples of it"
        return Sight(True, sentence(words), start(every), ("class spread",))
    if least and high(least) <= ALIKE_IN_ONE_CLASS:
        words = f"in one class two samples are {typical(least):.2f} times as far apart as two examples of it"
        return Sight(True, sentence(words), start(least), ("least class spread",))
    return None


def posterior_collapse(course: Course) -> Sight:
    told_class = "unexplained in class" in course.series  # what the class explains, the code need not
    name = "unexplained in class" if told_class else "unexplained"
    active, left = course.recent("active units"), course.recent(name)
    if not active or not left:
        return unknown(course, "active units", "the model has no encoder to a continuous code")
    curves = ("active units", name, *(name for name in course.series if name.endswith(": rate")))
    told = f"{typical(active):.0%} of the code's dimensions are active, and the error of reconstructions is"
    told += f" {typical(left):.0%} of the data's variance{' within a class' if told_class else ''}"
    # A conditional model first learns the class's mean, then uses the code.
    unused = high(active) == 0 and stuck(left, HARDLY) if told_class else high(active) <= INACTIVE
    if unused and low(left) >= UNEXPLAINED:
        return Sight(True, sentence(f"{told}: the decoder ignores the code"), start(active), curves)
    return Sight(False, told, curves=curves)


def codebook_collapse(course: Course) -> Sight:
    names = [name for name in course.series if name.endswith("codebook use")]
    if not names:
        return Sight(None, "the model has no codebook")
    newest = course.series[names[0]][-2:]
    if len(newest) < 2 or course.steps < FIRST_STEPS:
        return Sight(None, "it is too early to say: the codebook was counted less than twice")
    told = f"{typical(newest):.1%} of the codebook's entries were used in each of the last {len(newest)} counts"
    curves = (names[0], names[0].replace("use", "perplexity"))
    if high(newest) <= UNUSED:
        return Sight(True, sentence(f"only {told}"), start(newest), curves)
    return Sight(False, told, curves=curves)


def memorisation(course: Course) -> Sight:
    nearer_train = course.recent("nearer train")
    if not nearer_train:
        return unknown(course, "nearer train", "samples were not examined")
    overfit, copied, spread, distance = (course.recent(name) for name in ("overfit", "copies", "spread", "distance"))
    found: dict[str, tuple[bool, str]] = {}
    if overfit:
        words = (
            f"the reconstruction error of held-out examples is {typical(overfit):.2f} times that of training examples"
        )
        found["overfit"] = (low(overfit) >= OVERFIT, words)
    if copied:
        share = max(0.0, typical(copied))
        words = f"{share:.0%} more of the samples than of the held-out examples are copies of a training example"
        found["copies"] = (low(copied) >= COPIES, words)
    # If samples cover few modes, or are far from the data, their neighbours are random.
    alive = bool(spread) and bool(distance) and low(spread) > ALIKE and typical(distance) <= FAR
    words = f"{typical(nearer_train):.0%} of samples are closer to a training example than to a held-out one"
    found["nearer train"] = (alive and low(nearer_train) >= NEARER, words)
    different = course.recent("distinct")
    if different:
        words = f"{typical(different):.1%} of the training examples that were looked at differ from each other"
        found["distinct"] = (high(different) <= REPEATED, words)
    if any(sign for sign, _ in found.values()):
        seen = "; ".join(words for sign, words in found.values() if sign)
        return Sight(True, sentence(seen), start(nearer_train), tuple(found))
    return Sight(False, "; ".join(words for _, words in found.values()), curves=tuple(found))


def divergence(course: Course) -> Sight:
    if course.given_up is not None:
        words = "Training stopped: every step in a row gave NaN or infinity."
        return Sight(True, words, course.given_up)
    if course.rewinds:
        times = f"{len(course.rewinds)} times" if len(course.rewinds) > 1 else "once"
        words = f"The run returned to a checkpoint {times} because of NaN or infinity."
        return Sight(True, words, course.rewinds[0])
    failed = course.failures
    if failed and failed[-1][1] - failed[0][1] >= FAILED_STEPS:
        words = f"{failed[-1][1] - failed[0][1]:.0f} of the last steps had NaN or infinity and were skipped."
        return Sight(True, words, start(failed))
    if course.steps < FIRST_STEPS:
        return Sight(None, "it is too early to say")
    for look in (reconstructions_off, codes_wasted, samples_off, scores_unbounded):
        sight = look(course)
        if sight is not None:
            return sight
    return Sight(False, "all numbers are finite; scores and distances are bounded", curves=("distance",))


def reconstructions_off(course: Course) -> Sight | None:
    left = course.recent("unexplained")
    if not left or low(left) < WORSE:
        return None
    words = f"The error of reconstructions is {typical(left):.3g} times that of the data's mean."
    return Sight(True, words, start(left), ("unexplained",))


def codes_wasted(course: Course) -> Sight | None:
    """For models without an adversary only: with one, reconstructions need not agree pixel by pixel."""
    left = course.recent("unexplained")
    if course.adversaries or not left or low(left) < 1:
        return None
    for name in (name for name in course.series if name.endswith(": rate")):
        rate = course.recent(name)
        if rate and low(rate) >= WASTED:
            words = f"Codes cost {typical(rate):,.0f} nats, but reconstructions are no better than the data's mean."
            return Sight(True, words, start(left), ("unexplained", name))
    return None


def samples_off(course: Course) -> Sight | None:
    distance = course.recent("distance")
    if not distance:
        return None
    _, began = course.first["distance"][0]
    if low(distance) < max(WORSE, began):
        return None
    words = f"Samples are {typical(distance):.3g} times the data's spread away from it; at the start {began:.3g}."
    return Sight(True, words, start(distance), ("distance",))


def scores_unbounded(course: Course) -> Sight | None:
    players = course.adversaries | course.critics
    for name in sorted(course.series):
        player, _, term = name.partition(": ")
        if player not in players or not is_adversarial(term):
            continue
        newest, first = course.recent(name), course.first.get(name, [])
        if newest and size(newest) >= HUGE_SCORE and size(newest) >= GROWTH * size(first):
            words = f"The {term} term of the {player} has grown in size from {size(first):.3g} to {size(newest):.3g}."
            return Sight(True, words, start(newest), (name,))
    return None


DETECTORS: Mapping[str, Callable[[Course], Sight]] = {
    "divergence": divergence,
    "critic overpowering": critic_overpowering,
    "vanishing generator gradient": vanishing_gradient,
    "oscillation": oscillation,
    "mode collapse": mode_collapse,
    "posterior collapse": posterior_collapse,
    "codebook collapse": codebook_collapse,
    "memorisation": memorisation,
}
"""The detectors by problem."""


def unknown(course: Course, name: str, lacking: str) -> Sight:
    """No decision: the series is missing (`lacking` says why) or too short."""
    return Sight(None, "it is too early to say" if name in course.series else lacking)


def sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def no_nearer(distance: Points) -> str:
    now, before = newer(distance), older(distance)
    return f"samples do not come closer to the data: {now:.2f} of its spread away, {before:.2f} before"
