"""Feature networks: from images to the vectors in which FID, KID, precision and neighbours are measured."""

from ganvas.metrics.features.network import (
    BATCH,
    Classifier,
    FeatureNetwork,
    ModuleFeatures,
    RandomNetwork,
    extract,
    finite,
    probabilities,
)

__all__ = [
    "BATCH",
    "Classifier",
    "FeatureNetwork",
    "ModuleFeatures",
    "RandomNetwork",
    "extract",
    "finite",
    "probabilities",
]
