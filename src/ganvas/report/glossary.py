"""What the names on the page mean, for a reader who has never trained such a model."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """unit: of the axis, where there is one. text: one or two plain sentences."""

    unit: str
    text: str


_PENALTY = Meaning(
    "",
    "Keeps the critic smooth: the price of slopes that are too steep. Near zero means that the critic is gentle; "
    "a sudden rise often comes before training breaks down.",
)

TERMS: dict[str, Meaning] = {
    "distortion": Meaning(
        "nats per example",
        "How far the decoded picture is from the original: minus the log-probability of the original under the "
        "decoder. Lower is a more faithful copy; for continuous data it may go below zero.",
    ),
    "rate": Meaning(
        "nats per example",
        "How much the code says about the picture: the divergence of the encoder's code from the prior. "
        "Near zero means that the code is ignored; high means detailed copies, but a prior that is harder to sample.",
    ),
    "adversarial": Meaning(
        "",
        "The contest. For a critic: how badly it tells real from generated. For the network it judges: how badly that "
        "one fools it. The two pull against each other, so neither goes to zero in a healthy run.",
    ),
    "feature distance": Meaning(
        "",
        "How different original and copy look to the critic's inner layers. It forgives a pixel that moved, which a "
        "pixel-by-pixel distance does not. It is a negative log-density, so it may be below 0. Its unit is the critic's own "
        "features, which grow as the critic learns: the curve may rise while the copies get better.",
    ),
    "reconstruction": Meaning("", "How far the copy is from the original. Lower is a more faithful copy."),
    "penalty": _PENALTY,
    "gradient penalty": _PENALTY,
    "r1": Meaning("", "The squared slope of the critic at real pictures (R1). " + _PENALTY.text),
    "r2": Meaning("", "The squared slope of the critic at generated pictures (R2). " + _PENALTY.text),
    "drift": Meaning("", "Keeps the critic's scores near zero, since only their differences matter."),
    "path length": Meaning("", "How unevenly a step in the code changes the picture. Lower is a smoother code space."),
    "perceptual": Meaning("", "How different two pictures look to a network trained to recognise things."),
    "commitment": Meaning("", "How far the encoder's output is from the codebook entry that replaces it."),
    "codebook": Meaning("", "How far the codebook's entries are from the encoder's outputs that use them."),
    "classification": Meaning("nats per example", "How badly the class is guessed. Lower is better."),
    "sum of terms": Meaning("", "Everything this player descends, added up."),
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
    "autoencoder": "An encoder that writes a short code for each picture and a decoder that draws it back; "
    "they learn together.",
    "encoder": "Turns a picture into a short code.",
    "decoder": "Turns a code into a picture.",
    "generator": "Turns random numbers into a picture that should pass for a real one.",
    "critic": "Scores pictures, high for real ones, so that the network it judges can learn from the score.",
    "discriminator": "Guesses whether a picture is real or generated, so that the other side learns to fool it.",
    "code critic": "Scores codes: does this one come from the prior or from the encoder?",
    "code discriminator": "Guesses whether a code comes from the prior or from the encoder.",
}

METRICS: dict[str, Meaning] = {
    "fid": Meaning("", "Fréchet distance between features of real and generated pictures. Lower is better."),
    "kid": Meaning("", "Kernel distance between features of real and generated pictures. Lower is better."),
    "precision": Meaning("", "The share of generated pictures that lie among the real ones. Higher is better."),
    "recall": Meaning("", "The share of real pictures that the model can come near. Higher is better."),
    "density": Meaning("", "How many real pictures' neighbourhoods a generated one lies in. Higher is better."),
    "coverage": Meaning(
        "", "The share of real pictures with a generated one in their neighbourhood. Higher is better."
    ),
    "swd": Meaning("", "How far the pixels of generated pictures must be moved to become real ones. Lower is better."),
    "mse": Meaning("", "Mean squared difference of originals and copies. Lower is better."),
    "ssim": Meaning("", "How alike originals and copies are in structure, at most 1. Higher is better."),
    "knn": Meaning("", "How often the nearest code belongs to the same class. Higher is better."),
    "distortion": Meaning("nats per example", "The part of the bound that copies cost. Lower is a more faithful copy."),
    "rate": Meaning("nats per example", "The part of the bound that codes cost; it buys less distortion."),
    "memorisation": Meaning(
        "",
        "How often a generated picture lies closer to a training picture than a held-out one does. One half is what new "
        "pictures score, towards 1 are copies; near 0 are pictures that are unlike any.",
    ),
    "modes": Meaning("", "How many of the known clusters the samples reach. Higher is better."),
    "elbo": Meaning("nats per example", "A lower bound on the log-probability of the data. Higher is better."),
    "bits per dimension": Meaning("bits", "What one channel of one pixel costs to store. Lower is better."),
}

SIGNS: dict[str, Meaning] = {
    "critic auc": Meaning(
        "", "How often the critic scores a real example above a generated one: 1 always, 0.5 by chance."
    ),
    "distance": Meaning("data's spread", "How far samples are from held-out examples as a whole; 0 where they agree."),
    "spread": Meaning("data's spread", "How far apart two samples are, on average; near 0 where all are alike."),
    "class spread": Meaning(
        "class's spread", "How far apart two samples of one class are, on average; near 0 if all of them are alike."
    ),
    "least class spread": Meaning("class's spread", "The same of the class whose samples are most alike."),
    "distinct": Meaning("", "The share of training examples that differ from each other; 1 if none is repeated."),
    "unexplained in class": Meaning(
        "", "What reconstructions leave of the data's variance within a class: 1 as much as the class's mean would."
    ),
    "changed bins": Meaning("", "The share of the samples that moved to another part of the data since the last look."),
    "bins in common": Meaning("", "How far the parts of the data agree in how many samples and examples lie in each."),
    "copies": Meaning("", "The share of samples that copy a training example, less that of held-out examples."),
    "nearer train": Meaning(
        "", "The share of samples that are nearer to training than to held-out examples; 0.5 is right."
    ),
    "unexplained": Meaning(
        "", "What reconstructions leave of the data's variance: 0 nothing, 1 as much as the mean would."
    ),
    "overfit": Meaning("", "Held-out examples' error of reconstruction, in units of the training examples'."),
    "active units": Meaning("", "The share of the code's dimensions that depend on what is encoded."),
    "codebook use": Meaning("", "The share of the codebook's entries that were used since the last count."),
    "codebook perplexity": Meaning("", "How many entries that were used equally often would say as much."),
}

ACRONYMS = ("fid", "kid", "swd", "elbo", "nll", "mse", "psnr", "ssim")

_UNKNOWN = Meaning("", "")


def words(name: str) -> str:
    """feature_distance -> feature distance."""
    return re.sub(r"[\s_-]+", " ", name).strip()


def term(name: str) -> Meaning:
    """What a loss term is; an empty meaning for a name that is not the field's."""
    key = words(name).lower()
    return TERMS.get(_ALIASES.get(key, key), _UNKNOWN)


def metric(name: str) -> Meaning:
    """What a measure is; an empty meaning for a name that is not the field's."""
    return METRICS.get(words(name).lower(), _UNKNOWN)


def metric_name(name: str) -> str:
    """FID for fid; other names in words."""
    return words(name).upper() if words(name).lower() in ACRONYMS else words(name)


def curve(name: str) -> Meaning:
    """What a curve of a diagnosis shows: a vital sign, a player's gradient or a term."""
    if name.startswith("gradient of the "):
        return Meaning("", "How strongly the player is pushed at a step.")
    return SIGNS.get(name) or term(name.partition(": ")[2])


def player(name: str) -> str:
    """What a player does, or nothing for a name that is not the field's."""
    return PLAYERS.get(words(name).lower(), "")
