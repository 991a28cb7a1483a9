"""Detectors on histories made by hand: each sees its illness, its evidence and its beginning, and nothing in healthy ones."""

import math
from typing import Any

import histories
import pytest
from histories import CRITIC, ENCODER, GAN, SIGNS, VAE, gan, history, vae

from ganvas.health import DETECTORS, Change, Diagnosis, Watch, diagnose

Lines = list[dict[str, Any]]


def circling(t: float) -> list[float]:
    """All samples lie in one bin of four, and in another each time."""
    place = round(t * histories.NUM) % 4
    return [float(bin == place) for bin in range(4)]


def last_epoch(use: float, times: int = 3) -> Lines:
    counts = {"codebook_use": use, "codebook_perplexity": 64 * use}
    return [{"images": n * 1_000, "step": 20 * n, "metrics": counts, "partial": False} for n in range(1, times + 1)]


def skipped(lines: Lines, steps: int) -> Lines:
    """The last training line tells of so many steps that were not taken."""
    last = [n for n, line in enumerate(lines) if "players" in line][-1]
    return [{**line, "skipped_steps": steps} if n == last else line for n, line in enumerate(lines)]


STAYS_AWAY: Any = {"distance": 0.9, "spread": 0.9}

TWO_CRITICS: dict[str, Any] = {
    "class critic: class adversarial": 1.2,
    "style critic: style adversarial": 1.2,
    "encoder: class adversarial": 0.9,
    "encoder: style adversarial": 0.9,
}

ILL: dict[str, tuple[str, Lines, str]] = {
    "a critic that knows all apart": (
        "critic overpowering",
        gan(critic_auc=1.0, **STAYS_AWAY),
        "ranks all pairs of a real and a generated example correctly, and samples do not come closer",
    ),
    "a gradient that fades": (
        "vanishing generator gradient",
        gan(norms={"generator": lambda t: 10.0 ** (-4 * t)}),
        "The gradient of the generator is",
    ),
    "a gradient that is near 0 from the first line": (
        "vanishing generator gradient",
        gan(norms={"generator": lambda t: 1e-9 * (1 + t)}),
        "The gradient of the generator is",
    ),
    "classes of one sample each": (
        "mode collapse",
        gan(class_spread=0.01, least_class_spread=0.0),
        "Two samples of one class are 0.01 times as far apart as two examples of it",
    ),
    "a class of one sample": (
        "mode collapse",
        gan(class_spread=0.9, least_class_spread=0.02),
        "In one class two samples are 0.02 times as far apart",
    ),
    "a code that only the class makes up for": (
        "posterior collapse",
        vae(active_units=0.0, unexplained=0.8, unexplained_in_class=1.0),
        "the error of reconstructions is 100% of the data's variance within a class",
    ),
    "few examples many times": ("memorisation", gan(distinct=0.008), "0.8% of the training examples"),
    "samples that run about": ("oscillation", gan(bins=circling, distance=0.5), "100% of the samples move"),
    "one sample": ("mode collapse", gan(spread=0.01, distance=0.8), "Two samples are 0.01 times as far apart"),
    "few modes": (
        "mode collapse",
        gan(spread=0.7, bins_in_common=0.2, distance=0.8),
        "overlap with those of the data by 20%",
    ),
    "a code that says nothing": (
        "posterior collapse",
        vae(active_units=0.0, unexplained=1.0),
        "0% of the code's dimensions are active",
    ),
    "a codebook of two": (
        "codebook collapse",
        last_epoch(2 / 64) + history({**SIGNS, **ENCODER}, VAE),
        "Only 3.1% of the codebook's entries",
    ),
    "copies": ("memorisation", gan(copies=0.4), "40% more of the samples than of the held-out examples are copies"),
    "samples beside many training examples": (
        "memorisation",
        history({**{k: v for k, v in SIGNS.items() if k != "copies"}, **CRITIC, "nearer_train": 0.9}, GAN),
        "90% of samples are closer",
    ),
    "samples beside the training examples": ("memorisation", gan(nearer_train=0.9), "90% of samples are closer"),
    "reconstructions by heart": ("memorisation", vae(overfit=8.0), "is 8.00 times that of training examples"),
    "reconstructions worse than none": (
        "divergence",
        vae(unexplained=40.0),
        "The error of reconstructions is 40 times",
    ),
    "codes that cost and tell nothing": (
        "divergence",
        history({**SIGNS, **ENCODER, "unexplained": 1.1}, {**VAE, "autoencoder: rate": 1e5}),
        "Codes cost 100,000 nats",
    ),
    "samples that leave": ("divergence", gan(distance=lambda t: 3.0 + 9 * t), "away from it; at the start 3"),
    "scores without bound": (
        "divergence",
        history({**SIGNS, **CRITIC}, {**GAN, "critic: adversarial": lambda t: -1e6 * t**2}),
        "adversarial term of the critic has grown",
    ),
    "a gradient that fades before one of two critics": (
        "vanishing generator gradient",
        history({**SIGNS}, TWO_CRITICS, {"encoder": lambda t: 10.0 ** (-4 * t)}),
        "The gradient of the encoder is",
    ),
    "scores without bound of one of two critics": (
        "divergence",
        history({**SIGNS}, {**TWO_CRITICS, "style critic: style adversarial": lambda t: -1e6 * t**2}),
        "The style adversarial term of the style critic has grown",
    ),
    "steps that fail": ("divergence", skipped(gan(), 7), "7 of the last steps had NaN or infinity"),
    "a run that was given up": (
        "divergence",
        [*gan(), {"images": 100_000, "event": "failed", "partial": True}, {"images": 100_001}],
        "Training stopped",
    ),
    "a rewind": ("divergence", [{"images": 0, "event": "rewound"}, *gan()], "returned to a checkpoint once"),
}

HEALTHY: dict[str, Lines] = {
    "a GAN": gan(),
    "a VAE": vae(),
    "a codebook that is used": last_epoch(0.9) + history({**SIGNS, **ENCODER}, VAE),
    "a critic that knows all apart, of samples that come nearer": gan(critic_auc=1.0),
    "a critic that knows all apart, of samples that are there": gan(critic_auc=1.0, distance=0.05),
    "samples that are blurred and near": gan(spread=0.35, distance=0.1),
    "samples on their way, nearer to what was trained on by chance": gan(
        nearer_train=0.9, distance=lambda t: 0.9 - 0.6 * t
    ),
    "samples that have stopped running about": gan(
        bins=lambda t: circling(min(t, 0.3)), distance=lambda t: 0.9 - 0.8 * t
    ),
    "classes that vary less than the data's": gan(class_spread=0.5, least_class_spread=0.2),
    "a small gradient that stays": gan(norms={"generator": 1e-4}),
    "a code that tells more than the class": vae(active_units=0.15, unexplained=0.5, unexplained_in_class=0.7),
    "a model that still learns its classes' means": vae(
        active_units=0.0, unexplained=0.8, unexplained_in_class=lambda t: 5.0 * 0.85 ** (histories.NUM * t)
    ),
    "data with some repeated examples": gan(distinct=0.6),
    "half the code": vae(active_units=0.5, unexplained=0.95),
    "terms that are not finite once": skipped(gan(), 1),
    "reconstructions that only a critic likes": history(
        {**SIGNS, **CRITIC, **ENCODER, "unexplained": 1.8}, {**GAN, "encoder: rate": 90.0}
    ),
    "a likelihood that grows": history({**SIGNS, **ENCODER}, {**VAE, "autoencoder: distortion": lambda t: -9e3 * t}),
}


def illnesses(diagnosis: Diagnosis) -> list[str]:
    return [finding.illness for finding in diagnosis.findings]


@pytest.mark.parametrize("name", ILL)
def test_an_illness_is_found_with_its_evidence(name: str) -> None:
    illness, lines, evidence = ILL[name]
    diagnosis = diagnose(lines, {})
    assert illness in illnesses(diagnosis)
    found = next(finding for finding in diagnosis.findings if finding.illness == illness)
    assert evidence in found.evidence
    assert found.advice.startswith("Try ") and found.advice.endswith(".")
    assert set(found.curves) <= set(diagnosis.curves)
    assert 0 <= found.since < lines[-1]["images"]


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_a_healthy_history_at_any_time(name: str) -> None:
    watch = Watch({})
    assert [change for line in HEALTHY[name] for change in watch.feed(line)] == []


def test_what_was_looked_at_and_what_could_not_be_judged_is_said() -> None:
    diagnosis = diagnose(gan(), {})
    assert set(diagnosis.well) | set(diagnosis.unjudged) == set(DETECTORS)
    assert set(diagnosis.unjudged) == {"posterior collapse", "codebook collapse"}
    assert diagnosis.unjudged["codebook collapse"] == "the model has no codebook"
    assert "ranks at least 80.0% of the pairs" in diagnosis.well["critic overpowering"]


def test_nothing_is_said_too_early() -> None:
    ill = gan(num=histories.NUM, critic_auc=1.0, **STAYS_AWAY)
    early = diagnose([line for line in ill if line["step"] < 200], {})
    assert early.findings == ()
    assert early.unjudged["critic overpowering"] == "it is too early to say"


def changes(lines: Lines) -> list[tuple[int, Change]]:
    watch = Watch({})
    return [(line["images"], change) for line in lines for change in watch.feed(line)]


def test_a_finding_is_told_once_and_again_when_it_is_healed() -> None:
    told = changes(gan(num=40, critic_auc=1.0, spread=0.9, distance=lambda t: 0.9 if t < 0.5 else 0.01))
    assert [change.kind for _, change in told] == ["found", "healed"]
    (found_at, found), (healed_at, healed) = told
    assert found.finding.since < found_at < 20 * histories.EVERY < healed_at
    assert "healed: critic overpowering" in str(healed)
    assert healed.finding.since == found.finding.since


def test_an_illness_that_begins_late_is_dated_late() -> None:
    half = 40 * histories.EVERY // 2
    (_, found), *_ = changes(gan(num=40, spread=lambda t: 0.9 if t < 0.5 else 0.01, distance=0.8))
    assert found.finding.illness == "mode collapse"
    assert half <= found.finding.since <= half + 2 * histories.EVERY


def test_reading_on_after_the_first_lines_were_read_again_changes_nothing() -> None:
    lines = gan(num=40, bins=circling, distance=lambda t: 0.5 if t < 0.6 else 0.01)
    cut = len(lines) // 2
    whole, resumed = Watch({}), Watch({})
    told = [change for line in lines for change in whole.feed(line)]
    first = [change for line in lines[:cut] for change in resumed.feed(line)]
    ended = {"images": lines[cut - 1]["images"], "step": 0, "split": "train", "partial": True}
    stopped = {**ended, "players": {"generator": {"adversarial": 1e9}}, "gradient_norms": {"generator": 0.0}}
    resumed.feed(stopped)
    assert first + [change for line in lines[cut:] for change in resumed.feed(line)] == told
    assert len(told) == 2


def test_a_long_run_does_not_fill_the_memory_and_is_judged_the_same() -> None:
    lines = gan(num=500, norms={"generator": lambda t: 10.0 ** (-4 * t)})
    live, afterwards = Watch({}), Watch({}, whole=True)
    assert [live.feed(line) for line in lines] == [afterwards.feed(line) for line in lines]
    assert live.sights == afterwards.sights and len(live.findings) == 1
    assert max(map(len, live.course.series.values())) <= 80 < len(afterwards.course.series["distance"])


def test_without_vital_signs_the_terms_are_judged() -> None:
    lines = [line for line in gan(norms={"generator": lambda t: 10.0 ** (-4 * t)}) if "signs" not in line]
    diagnosis = diagnose(lines, {})
    assert illnesses(diagnosis) == ["vanishing generator gradient"]
    assert diagnosis.unjudged["mode collapse"]
    assert diagnosis.examinations == 0


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"images": "many", "signs": {"spread": 1.0}},
        {"images": 1e300, "signs": {"spread": 1.0}},
        {"images": math.nan, "step": math.inf, "signs": 3},
        {"images": 10**400, "step": 10**400},
        {"images": 5, "signs": {"bins": "none", "spread": [], "distance": math.inf, "critic_auc": None}},
        {"images": 5, "signs": {"bins": [None, "a", {}]}, "players": 7, "gradient_norms": []},
        {"images": 5, "split": "train", "players": {"critic": 3, "b": {"adversarial": {}}}, "skipped_steps": "x"},
        {"images": 5, "metrics": {"codebook_use": [1]}, "event": ["rewound"]},
    ],
)
def test_lines_that_no_run_writes_are_passed_over(line: dict[str, Any]) -> None:
    lines = [entry for known in gan(critic_auc=1.0, **STAYS_AWAY) for entry in (known, line)]
    assert illnesses(diagnose(lines, {})) == ["critic overpowering"]


def test_advice_names_options_that_the_recipe_has_with_their_values() -> None:
    lines = gan(critic_auc=1.0, **STAYS_AWAY)
    options = {"r1": 0.0, "critic_steps": 5, "critic_learning_rate": 5e-3, "spectral_norm": False}
    assert diagnose(lines, options).findings[0].advice == (
        "Try a stronger gradient penalty: --r1 1 (now 0), or a critic with spectral normalisation: --spectral-norm,"
        " or fewer turns of the critic: --critic-steps 1 (now 5)."
    )
    assert "--r1" not in diagnose(lines, {}).findings[0].advice


def renamed(lines: Lines, names: dict[str, str], roles: dict[str, str]) -> Lines:
    """The same lines with other names of players, and with roles where there are any."""

    def with_names(line: dict[str, Any]) -> dict[str, Any]:
        if "players" not in line:
            return line
        parts = {key: {names.get(n, n): v for n, v in line[key].items()} for key in ("players", "gradient_norms")}
        return {**line, **parts, **({"roles": roles} if roles else {})}

    return list(map(with_names, lines))


def test_players_are_judged_by_their_roles() -> None:
    """A critic called judge is one, and a generator called critic's friend is none."""
    names, roles = (
        {"critic": "judge", "generator": "critic's friend"},
        {"judge": "critic", "critic's friend": "generator"},
    )
    lines = gan(norms={"generator": lambda t: 10.0 ** (-4 * t), "critic": 1.0})
    told = diagnose(renamed(lines, names, roles), {})
    assert illnesses(told) == ["vanishing generator gradient"]
    assert "gradient of the critic's friend" in told.findings[0].evidence
    assert illnesses(diagnose(renamed(lines, names, {}), {})) != illnesses(told), "names alone say the opposite"
    other = renamed(lines, {"critic": "judge", "generator": "maker"}, {"judge": "critic", "maker": "generator"})
    terms = {"judge": {"loss": 1.0}, "maker": {"loss": 1.0}}
    terms = [{**line, "players": terms} if "players" in line else line for line in other]
    assert illnesses(diagnose(terms, {})) == ["vanishing generator gradient"], "whatever their terms are called"


def test_lines_without_roles_go_by_names() -> None:
    lines = gan(norms={"generator": lambda t: 10.0 ** (-4 * t)})
    assert illnesses(diagnose(lines, {})) == ["vanishing generator gradient"]
    odd = [{**line, "roles": {"critic": 3, "generator": None}} for line in lines]
    assert illnesses(diagnose(odd, {})) == ["vanishing generator gradient"]
