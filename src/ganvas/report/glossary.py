"""Meanings of the names on the page, for a reader without experience in training."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """unit: of the axis, or "". text: one or two plain sentences."""

    unit: str
    text: str


_PENALTY = Meaning(
    "",
    "Keeps the critic smooth: a cost for steep gradients. Near zero means a smooth critic. A sudden rise often comes before "
    "training fails.",
)

TERMS: dict[str, Meaning] = {
    "distortion": Meaning(
        "nats per example",
        "The distance of the decoded picture from the original: minus the log-probability of the original under the "
        "decoder. Lower is a better copy. For continuous data it may be negative.",
    ),
    "rate": Meaning(
        "nats per example",
        "The information in the code about the picture: the divergence of the encoder's code from the prior. "
        "Near zero: the code is ignored. High: copies have detail, but samples from the prior are harder.",
    ),
    "adversarial": Meaning(
        "",
        "The adversarial loss. For a critic: its errors in separating real from generated. For the other network: its "
        "failure to fool the critic. The two compete, so neither reaches zero in a healthy run.",
    ),
    "feature distance": Meaning(
        "",
        "How different original and copy look to the critic's inner layers. It forgives a pixel that moved, which a "
        "pixel-by-pixel distance does not. It is a negative log-density, so it may be below 0. Its unit is the critic's own "
        "features, which grow as the critic learns: the curve may rise while the copies get better.",
    ),
    "reconstruction": Meaning("", "The distance of the copy from the original. Lower is a better copy."),
    "penalty": _PENALTY,
    "gradient penalty": _PENALTY,
    "r1": Meaning("", "The squared gradient of the critic at real pictures (R1). " + _PENALTY.text),
    "r2": Meaning("", "The squared gradient of the critic at generated pictures (R2). " + _PENALTY.text),
    "drift": Meaning("", "Keeps the critic's scores near zero, because only their differences matter."),
    "path length": Meaning(
        "", "How unevenly a step in the code changes the picture. Lower means a smoother code space."
    ),
    "perceptual": Meaning("", "The distance of two pictures in features of a network."),
    "commitment": Meaning("", "The distance of the encoder's output from the codebook entry that replaces it."),
    "codebook": Meaning("", "The distance of the codebook's entries from the encoder outputs that use them."),
    "classification": Meaning("nats per example", "The error of the predicted class. Lower is better."),
    "sum of terms": Meaning("", "The sum of all terms that this player minimises."),
}

_ALIASES = {
    "kl": "rate",
    "kl divergence": "rate",
    "feature matching": "feature distance",
    "features": "feature distance",
    "slope": "gradient penalty",
    "slope penalty": "gradient penalty",
    "r1 penalty": "r1",
    "r2 penalty": "r2",
}

PLAYERS: dict[str, str] = {
    "autoencoder": "An encoder turns each picture into a short code, and a decoder turns the code back into the picture; "
    "they learn together.",
    "encoder": "Turns a picture into a short code.",
    "decoder": "Turns a code into a picture.",
    "generator": "Turns random numbers into a picture that should look real.",
    "critic": "Scores pictures, high for real ones. The generator learns from the score.",
    "discriminator": "Predicts whether a picture is real or generated. The generator learns to fool it.",
    "code critic": "Scores codes: high for codes from the prior, low for codes from the encoder.",
    "code discriminator": "Predicts whether a code comes from the prior or from the encoder.",
}

METRICS: dict[str, Meaning] = {
    "fid": Meaning("", "Fréchet distance between features of real and generated pictures. Lower is better."),
    "kid": Meaning("", "Kernel distance between features of real and generated pictures. Lower is better."),
    "precision": Meaning("", "The share of generated pictures close to real ones. Higher is better."),
    "recall": Meaning("", "The share of real pictures close to generated ones. Higher is better."),
    "density": Meaning("", "How many real pictures' neighbourhoods a generated one lies in. Higher is better."),
    "coverage": Meaning(
        "", "The share of real pictures with a generated one in their neighbourhood. Higher is better."
    ),
    "swd": Meaning("", "The distance between the pixel distributions of generated and real pictures. Lower is better."),
    "mse": Meaning("", "Mean squared difference of originals and copies. Lower is better."),
    "ssim": Meaning("", "The structural similarity of originals and copies, at most 1. Higher is better."),
    "knn": Meaning("", "How often the nearest code belongs to the same class. Higher is better."),
    "distortion": Meaning("nats per example", "The reconstruction part of the bound. Lower is a better copy."),
    "rate": Meaning(
        "nats per example", "The part of the bound for the codes. A higher rate allows a lower distortion."
    ),
    "memorisation": Meaning(
        "",
        "How often a generated picture is closer to a training picture than a held-out one is. New pictures score one "
        "half. Copies score near 1. Pictures unlike the data score near 0.",
    ),
    "modes": Meaning("", "How many of the known clusters the samples reach. Higher is better."),
    "elbo": Meaning("nats per example", "A lower bound on the log-probability of the data. Higher is better."),
    "bits per dimension": Meaning("bits", "The bits needed for one channel of one pixel. Lower is better."),
}

SIGNS: dict[str, Meaning] = {
    "critic auc": Meaning(
        "", "How often the critic scores a real example above a generated one: 1 always, 0.5 by chance."
    ),
    "distance": Meaning(
        "data's spread", "The distance between samples and held-out examples as a whole; 0 if they agree."
    ),
    "spread": Meaning("data's spread", "The mean distance between two samples; near 0 if all look the same."),
    "class spread": Meaning(
        "class's spread", "How far apart two samples of one class are, on average; near 0 if all of them are alike."
    ),
    "least class spread": Meaning("class's spread", "The same of the class whose samples are most alike."),
    "distinct": Meaning("", "The share of training examples that differ from each other; 1 if none is repeated."),
    "unexplained in class": Meaning(
        "", "What reconstructions leave of the data's variance within a class: 1 as much as the class's mean would."
    ),
    "changed bins": Meaning(
        "", "The share of samples that moved to another part of the data since the last examination."
    ),
    "bins in common": Meaning("", "How well samples and examples agree in their shares of each part of the data."),
    "copies": Meaning("", "The share of samples that copy a training example, minus that of held-out examples."),
    "nearer train": Meaning("", "The share of samples closer to training than to held-out examples; 0.5 is ideal."),
    "unexplained": Meaning(
        "", "The reconstruction error as a share of the data's variance: 0 is perfect, 1 is no better than the mean."
    ),
    "overfit": Meaning("", "The reconstruction error of held-out examples, divided by that of training examples."),
    "active units": Meaning("", "The share of the code's dimensions that depend on the input."),
    "codebook use": Meaning("", "The share of the codebook's entries that were used since the last count."),
    "codebook perplexity": Meaning("", "The effective number of codebook entries in use."),
}

ACRONYMS = ("fid", "kid", "swd", "elbo", "nll", "mse", "psnr", "ssim")

_UNKNOWN = Meaning("", "")


def words(name: str) -> str:
    """feature_distance -> feature distance."""
    return re.sub(r"[\s_-]+", " ", name).strip()


def term(name: str) -> Meaning:
    """The meaning of a loss term; empty for an unknown name."""
    key = words(name).lower()
    return TERMS.get(_ALIASES.get(key, key), _UNKNOWN)


def metric(name: str) -> Meaning:
    """The meaning of a measure; empty for an unknown name."""
    return METRICS.get(words(name).lower(), _UNKNOWN)


def metric_name(name: str) -> str:
    """A metric's name for display: FID for fid."""
    return words(name).upper() if words(name).lower() in ACRONYMS else words(name)


def curve(name: str) -> Meaning:
    """The meaning of a curve in a diagnosis: a vital sign, a player's gradient or a term."""
    if name.startswith("gradient of the "):
        return Meaning("", "The size of the player's gradient at a step.")
    return SIGNS.get(name) or term(name.partition(": ")[2])


def player(name: str) -> str:
    """What a player does; empty for an unknown name."""
    return PLAYERS.get(words(name).lower(), "")
