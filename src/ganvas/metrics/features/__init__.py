"""Feature networks: from images to the vectors used by FID, KID, precision and neighbours."""

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
