"""One detector for each illness: pure functions of a run's course.

A detector judges by the newer half of what was examined so far (by the clock of images, at most 40 examinations), and sees an
illness only where all of that half, or its greater part, shows it: what lasts is an illness, what passes is learning.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ganvas.health.course import FIRST_STEPS, Course, Points, gradient_of, is_adversarial
from ganvas.health.points import high, low, newer, older, size, start, stuck, typical

TELLS = 0.98
"""A critic that ranks more pairs of a real and a generated example rightly than this tells all of them apart."""

FAR = 0.2
"""Samples are off where their distance to the data is above this, in units of the data's own spread."""

STUCK = 0.98
"""Nothing gets better where the newer half of a judgement's values is not below this share of the older half's ..."""

HARDLY = 0.8
CIRCLING = 0.6
"""... or the first of these where samples are alike, or the second where they run about and come nearer by chance."""

VANISHED = 0.04
"""A gradient has vanished at this share of the largest that it was for three lines of metrics."""

FAINT = 1e-6
"""A gradient norm below this has vanished, whatever it was before: spread over 10,000 weights it is Adam's ε of 1e-8."""

RESTLESS = 0.3
"""Samples run about where so many of them change their bin between two examinations."""

STEADY_STEPS = 400
"""Before so many steps samples are alike or run about in healthy runs, too: they have not yet found the data."""

ALIKE = 0.4
"""Samples are alike where two of them are this much as far apart as two examples."""

IN_COMMON = 0.3
"""Samples lie in few modes where this is what their bins have in common with the data's."""

ALIKE_IN_CLASS = 0.1
ALIKE_IN_ONE_CLASS = 0.03
"""Samples of a class are alike if two of them are this much as far apart as two examples: mean of all classes, or of one."""

INACTIVE = 0.2
UNEXPLAINED = 0.9
"""A posterior has collapsed where no more of the code's dimensions are active than the one, and reconstructions leave so much
of the data's variance as the other."""

UNUSED = 0.1
"""A codebook has collapsed where no more of its entries are used in an epoch."""

OVERFIT = 1.5
COPIES = 0.1
NEARER = 0.75
"""Training examples are known by heart where they are reconstructed so much better than others; where so many more samples
than held-out examples are copies of one; or where so many samples are nearer to one than to a held-out example."""

REPEATED = 0.2
"""The training data repeat a few examples if no larger share of them differs."""

WORSE = 3.0
"""Reconstructions have diverged that are so many times as far off as the data's mean would be (another example, drawn by
chance, is twice as far off), and samples whose distance is so many times the data's own spread."""

WASTED = 30.0
"""Nats of rate that are spent for reconstructions that are no better than the data's mean."""

HUGE_SCORE = 1e3
GROWTH = 10.0
"""Scores of a critic that are so large, and so many times what they were at the start, grow without bound."""

FAILED_STEPS = 3
"""So many steps that were not finite are no accident."""


@dataclass(frozen=True)
class Sight:
    """What a detector sees now. ill: None where it cannot judge; words then say why, and else what it looked at.

    since: images, where what it saw began. curves: the series that show it.
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
    told = f"the critic ranks {share} pairs of a real and a generated example rightly"
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
    told = f"the {name} is {typical(newest):.2g}, of {usual:.2g} at its most"
    if typical(newest) <= max(VANISHED * usual, FAINT):
        return Sight(True, sentence(f"{told}: it learns next to nothing from the critic"), start(newest), (name,))
    return Sight(False, told, curves=(name,))


def oscillation(course: Course) -> Sight:
    moved, distance = course.recent("changed bins"), course.recent("distance")
    if "critic auc" not in course.series:
        return Sight(None, "there is no critic of examples to circle with")
    if not moved or not distance or course.steps < STEADY_STEPS:
        return unknown(course, "changed bins", "samples were not examined")
    curves = ("changed bins", "distance")
    told = f"{newer(moved):.0%} of the samples move to another part of the data between two examinations"
    if newer(moved) >= RESTLESS and typical(distance) >= FAR and stuck(distance, CIRCLING):
        words = f"{told}, and stay away from it: {newer(distance):.2f} of its spread, {older(distance):.2f} before"
        return Sight(True, sentence(words), start(moved), curves)
    return Sight(False, told, curves=curves)


def mode_collapse(course: Course) -> Sight:
    spread, common, distance = (course.recent(name) for name in ("spread", "bins in common", "distance"))
    # With classes there may be a critic that is not asked for its scores.
    if "critic auc" not in course.series and not (course.critics and "class spread" in course.series):
        return Sight(None, "there is no critic of examples that would reward a few convincing samples")
    if not spread or not common or not distance or course.steps < STEADY_STEPS:
        return unknown(course, "spread", "samples were not examined")
    curves = ("spread", "bins in common")
    told = (
        f"two samples are {typical(spread):.2f} times as far apart as two examples, and the parts of the data that they lie"
        f" in overlap with it by {typical(common):.0%}"
    )
    within = alike_in_class(course)
    if within is not None:
        return within
    off = typical(distance) >= FAR and stuck(distance, HARDLY)  # samples that are near the data are at most blurred
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
        return unknown(course, "active units", "there is no encoder to a continuous code")
    curves = ("active units", name, *(name for name in course.series if name.endswith(": rate")))
    told = f"{typical(active):.0%} of the code's dimensions are active, and reconstructions leave"
    told += f" {typical(left):.0%} of the data's variance{' within a class' if told_class else ''}"
    # A model that is told the class learns the class's mean first, and uses the code after that.
    unused = high(active) == 0 and stuck(left, HARDLY) if told_class else high(active) <= INACTIVE
    if unused and low(left) >= UNEXPLAINED:
        return Sight(True, sentence(f"{told}: the decoder does without the code"), start(active), curves)
    return Sight(False, told, curves=curves)


def codebook_collapse(course: Course) -> Sight:
    names = [name for name in course.series if name.endswith("codebook use")]
    if not names:
        return Sight(None, "there is no codebook")
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
        words = f"held-out examples are reconstructed with {typical(overfit):.2f} times the training examples' error"
        found["overfit"] = (low(overfit) >= OVERFIT, words)
    if copied:
        share = max(0.0, typical(copied))
        words = f"{share:.0%} more samples than held-out examples are copies of a training example"
        found["copies"] = (low(copied) >= COPIES, words)
    # What a few modes, or samples that are off, are near to is chance.
    alive = bool(spread) and bool(distance) and low(spread) > ALIKE and typical(distance) <= FAR
    words = f"{typical(nearer_train):.0%} of samples are nearer to a training example than to a held-out one"
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
        words = "Training was given up: one move after another gave numbers that were not finite."
        return Sight(True, words, course.given_up)
    if course.rewinds:
        times = f"{len(course.rewinds)} times" if len(course.rewinds) > 1 else "once"
        words = f"Numbers that were not finite sent the run back to a checkpoint {times}."
        return Sight(True, words, course.rewinds[0])
    failed = course.failures
    if failed and failed[-1][1] - failed[0][1] >= FAILED_STEPS:
        words = f"{failed[-1][1] - failed[0][1]:.0f} of the last steps were not finite, and not taken."
        return Sight(True, words, start(failed))
    if course.steps < FIRST_STEPS:
        return Sight(None, "it is too early to say")
    for look in (reconstructions_off, codes_wasted, samples_off, scores_unbounded):
        sight = look(course)
        if sight is not None:
            return sight
    return Sight(
        False, "all numbers are finite, and neither scores nor distances grow without bound", curves=("distance",)
    )


def reconstructions_off(course: Course) -> Sight | None:
    left = course.recent("unexplained")
    if not left or low(left) < WORSE:
        return None
    words = f"Reconstructions are {typical(left):.3g} times as far off as the data's mean would be."
    return Sight(True, words, start(left), ("unexplained",))


def codes_wasted(course: Course) -> Sight | None:
    """Of models without an adversary: with one, reconstructions are not to agree pixel by pixel."""
    left = course.recent("unexplained")
    if course.adversaries or not left or low(left) < 1:
        return None
    for name in (name for name in course.series if name.endswith(": rate")):
        rate = course.recent(name)
        if rate and low(rate) >= WASTED:
            words = f"Codes cost {typical(rate):,.0f} nats, and reconstructions are no better than the data's mean would be."
            return Sight(True, words, start(left), ("unexplained", name))
    return None


def samples_off(course: Course) -> Sight | None:
    distance = course.recent("distance")
    if not distance:
        return None
    _, began = course.first["distance"][0]
    if low(distance) < max(WORSE, began):
        return None
    words = (
        f"Samples are {typical(distance):.3g} of the data's own spread away from it, and were {began:.3g} at the start."
    )
    return Sight(True, words, start(distance), ("distance",))


def scores_unbounded(course: Course) -> Sight | None:
    players = course.adversaries | course.critics
    for name in sorted(course.series):
        player, _, term = name.partition(": ")
        if player not in players or not is_adversarial(term):
            continue
        newest, first = course.recent(name), course.first.get(name, [])
        if newest and size(newest) >= HUGE_SCORE and size(newest) >= GROWTH * size(first):
            words = f"The {term} term of the {player} has grown from {size(first):.3g} to {size(newest):.3g} in size."
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
"""By the illness that each looks for."""


def unknown(course: Course, name: str, lacking: str) -> Sight:
    """That nothing can be said: what is lacking, or that there is too little of the series so far."""
    return Sight(None, "it is too early to say" if name in course.series else lacking)


def sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def no_nearer(distance: Points) -> str:
    now, before = newer(distance), older(distance)
    return f"samples come no nearer to the data: {now:.2f} of its spread away, {before:.2f} before"
