"""What a metric cannot do without, and what a user is told if it is missing."""

from enum import StrEnum


class Need(StrEnum):
    """A requirement of a metric."""

    SAMPLES = "samples"
    FEATURES = "features"
    CLASSIFIER = "classifier"
    ENCODER = "encoder"
    LIKELIHOOD = "likelihood"
    PROBABILITY = "probability"
    LABELS = "labels"
    FACTORS = "factors"
    MODES = "modes"
    NAMES = "names"
    CONDITIONAL = "conditional"
    LABEL_FREE = "label-free codes"
    TRAINING = "training data"


LACKS = {
    Need.SAMPLES: ("there is no model to draw from", "Every model can give samples."),
    Need.FEATURES: (
        "no feature network was given",
        "Available: lenet, random, inception, efficientnet, or your own module.",
    ),
    Need.CLASSIFIER: (
        "no classifier was given",
        "The lenet features are one on labelled data; inception and efficientnet are others.",
    ),
    Need.ENCODER: (
        "{model} has no encoder",
        "Autoencoders have one: VAEs, adversarial autoencoders, VAE-GANs, ALI and BiGAN.",
    ),
    Need.LIKELIHOOD: (
        "{model} has no likelihood p(x|z)",
        "Latent-variable models have one: VAEs and those built on them. A GAN gives samples, not densities.",
    ),
    Need.PROBABILITY: (
        "{model}'s p(x|z) is a {kind}, which has no bits",
        "Its nats are those of the metric nll, to be set beside the same kind alone.",
    ),
    Need.LABELS: ("the data have no labels in both splits", "Data sets with classes have them."),
    Need.FACTORS: (
        "the data have no known factors of variation in both splits",
        "Data made from known factors have them, such as sprites.",
    ),
    Need.NAMES: ("{model} does not name classes", "Some models do: the semi-supervised AAE, ACGAN."),
    Need.CONDITIONAL: (
        "the model cannot be asked for a class",
        "Conditional recipes can, on labelled data: cvae, cgan, acgan, aae-semi.",
    ),
    Need.LABEL_FREE: (
        "{model}'s encoder is told the class, so that its codes hold the class whatever the picture shows",
        "Scores that read classes or factors from codes need an encoder that sees the example alone.",
    ),
    Need.TRAINING: ("the run's own training data cannot be read", "Put them where the run's recipe.json names them."),
    Need.MODES: ("the data have no known modes", "The mixtures (ring, grid) and stacked MNIST have them."),
}
