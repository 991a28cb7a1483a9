"""The published Inception-v3 protocol of FID, through torch-fidelity."""

import hashlib
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import GanvasError, needs_extra
from ganvas.machine.rng import building
from ganvas.metrics.features import Classifier
from ganvas.metrics.images import as_levels

WEIGHTS_HASH = "6726825d"
"""First digits of the sha256 of weights-inception-2015-12-05, TensorFlow's network of the FID paper."""


class Inception(Classifier):
    """Inception-v3's 2048 pooled features, with TensorFlow's bilinear resize to 299x299. Heusel et al. 2017.

    extractor: torch-fidelity's FeatureExtractorInceptionV3 for the features "2048" and "logits_unbiased".
    Grey images are repeated to three channels; others than one or three are refused.
    """

    def __init__(self, extractor: torch.nn.Module) -> None:
        super().__init__()
        self.extractor = extractor
        self.name = "inception"
        self.resize = "299x299 bilinear (TensorFlow 1)"

    def forward(self, x: Tensor) -> Tensor:
        return self.extractor(_colour(x))[0]

    def logits(self, x: Tensor) -> Tensor:
        return self.extractor(_colour(x))[1]


def inception(weights_path: Path | None = None) -> Inception:
    """The published network. weights_path: a local copy of its weights; None downloads them once to torch's hub cache.

    Raises GanvasError without torch-fidelity, without the weights, or with other weights than the published.
    """
    module = _torch_fidelity()
    path = weights_path or _downloaded(module.URL_INCEPTION_V3)
    _check(path)
    with building("inception"):  # building it draws weights, which must not move the caller's generator
        extractor = module.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
        )
    return Inception(extractor)


def _torch_fidelity() -> Any:
    try:
        from torch_fidelity import feature_extractor_inceptionv3  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise needs_extra("The feature network inception", "fid") from error
    return feature_extractor_inceptionv3


def _downloaded(url: str) -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, os.fspath(path), hash_prefix=WEIGHTS_HASH, progress=False)
        except (OSError, RuntimeError) as error:
            raise GanvasError(
                f"the Inception weights could not be downloaded from {url}: {error}",
                "Download them elsewhere and give their path.",
            ) from error
    return path


def _check(path: Path) -> None:
    if not path.is_file():
        raise GanvasError(f"there are no Inception weights at {path}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(WEIGHTS_HASH):
        raise GanvasError(
            f"{path} does not hold the published Inception weights: sha256 {found[:8]}…, not {WEIGHTS_HASH}…",
            "FID under this name is only comparable with those. For other weights give your module as features.",
        )


def _colour(x: Tensor) -> Tensor:
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise GanvasError(f"inception features need images of one or three channels, not {tuple(x.shape[1:])}")
    return as_levels(x).expand(-1, 3, -1, -1)
