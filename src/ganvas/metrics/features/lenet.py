"""A small classifier, trained on the labelled data set and cached with its accuracy."""

import hashlib
import json
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.errors import GanvasError
from ganvas.machine.rng import building, generator
from ganvas.machine.storage import cache_folder
from ganvas.machine.tensor_files import load_tensors, save_tensors
from ganvas.metrics.features import BATCH, Classifier
from ganvas.metrics.images import as_float

VERSION = 1
"""Increase it with any change of architecture or training: it is part of the cache's key."""

IMAGES_SEEN = 90_000
BATCH_SIZE = 100


class LeNet(Classifier):
    """Two convolutions and two full layers after LeCun et al. 1998; features: the 84 units before the last layer.

    Images larger than 32 pixels are first reduced to 32x32, bilinear with antialiasing.
    accuracy: on the held-out split, in [0, 1].
    """

    def __init__(self, channels: int, num_classes: int, side: int) -> None:
        super().__init__()
        self.name = "lenet"
        self.reduce = side > 32
        self.resize = "32x32 bilinear antialiased" if self.reduce else "none"
        self.accuracy = 0.0
        stride = 2 if side > 16 else 1
        self.convolve = nn.Sequential(
            nn.Conv2d(channels, 20, 5, stride, padding=2), nn.BatchNorm2d(20), nn.ReLU(),
            nn.Conv2d(20, 40, 5, 2, padding=2), nn.BatchNorm2d(40), nn.ReLU(),
            nn.AdaptiveAvgPool2d(7), nn.Flatten(),
        )  # fmt: skip
        self.embed = nn.Sequential(nn.Linear(40 * 49, 84), nn.ReLU())
        self.classify = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.reduce:
            x = F.interpolate(x, size=(32, 32), mode="bilinear", align_corners=False, antialias=True)
        return self.embed(self.convolve(x))

    def logits(self, x: Tensor) -> Tensor:
        return self.classify(self(x))


def train_lenet(
    images: Tensor,
    labels: Tensor,
    held_images: Tensor,
    held_labels: Tensor,
    num_classes: int,
    cache_dir: Path | None = None,
    seed: int = 0,
) -> LeNet:
    """The classifier of this data set, from the cache or trained now (90,000 images, under a minute on two cores).

    images, held_images: uint8 or float in [−1, 1], (N, C, H, W), 8 to 128 pixels a side.
    labels, held_labels: (N,) int64 below num_classes; examples labelled −1 are left out.
    cache_dir: default $XDG_CACHE_HOME/ganvas or ~/.cache/ganvas; the key is the data, the seed and `VERSION`.
    """
    images, labels = _labelled(images, labels, num_classes)
    held_images, held_labels = _labelled(held_images, held_labels, num_classes)
    with building(seed, "lenet initial weights"):
        untrained = LeNet(images.shape[1], num_classes, max(images.shape[2:]))
    key = _key(images, labels, num_classes, seed)
    path = (cache_dir or cache_folder()) / f"lenet-{key[:16]}"
    network = _load(untrained, path) or _fit(untrained, images, labels, seed)
    network.requires_grad_(False).eval()
    network.accuracy = _accuracy(network, held_images, held_labels)
    _save(network, path, key)
    return network


def _labelled(images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    if images.dim() != 4 or not all(8 <= side <= 128 for side in images.shape[2:]):
        raise GanvasError(
            f"the lenet features need images of 8 to 128 pixels a side, not {tuple(images.shape[1:])}",
            "Use other features: random, inception, or your own module.",
        )
    known = labels >= 0
    if num_classes < 2 or known.sum() < num_classes:
        raise GanvasError(
            f"the lenet features are a classifier and need labels: {int(known.sum())} labelled images of "
            f"{num_classes} classes are too few",
            "Use other features (random, inception), or a labelled data set.",
        )
    return (images, labels) if known.all() else (images[known], labels[known])


def _key(images: Tensor, labels: Tensor, num_classes: int, seed: int) -> str:
    digest = hashlib.sha256(f"lenet {VERSION} {tuple(images.shape)} {images.dtype} {num_classes} {seed}".encode())
    digest.update(images.contiguous().numpy().data)
    digest.update(labels.contiguous().numpy().data)
    return digest.hexdigest()


def _fit(network: LeNet, images: Tensor, labels: Tensor, seed: int) -> LeNet:
    """Adam with a rate that falls along a cosine, the same number of images whatever the data's size."""
    steps = IMAGES_SEEN // BATCH_SIZE
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    for step in range(steps):
        batch = _batch(len(images), step, seed)
        loss = F.cross_entropy(network.logits(as_float(images[batch])), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network


def _batch(num: int, step: int, seed: int) -> Tensor:
    """Which images step `step` sees: consecutive slices of one seeded permutation an epoch."""
    size = min(BATCH_SIZE, num)
    epoch, place = divmod(step, num // size)
    order = torch.randperm(num, generator=generator(seed, "lenet order", epoch))
    return order[place * size : (place + 1) * size]


@torch.inference_mode()
def _accuracy(network: LeNet, images: Tensor, labels: Tensor) -> float:
    network.eval()
    named = torch.cat([network.logits(as_float(batch)).argmax(1) for batch in images.split(BATCH)])
    return (named == labels).double().mean().item()


def _save(network: LeNet, path: Path, key: str) -> None:
    """Writes temporary files first, so that no other run reads an incomplete file."""
    card = {
        "name": network.name,
        "version": VERSION,
        "data": key,
        "accuracy": network.accuracy,
        "fingerprint": network.fingerprint,
        "resize": network.resize,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as place:
        weights, description = Path(place) / "weights", Path(place) / "card"
        save_tensors({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
        description.write_text(json.dumps(card, indent=2) + "\n")
        weights.replace(path.with_suffix(".safetensors"))
        description.replace(path.with_suffix(".json"))


def _load(untrained: LeNet, path: Path) -> LeNet | None:
    """The network with the cached weights; None if they are missing or damaged."""
    network = deepcopy(untrained)
    try:
        network.load_state_dict(load_tensors(path.with_suffix(".safetensors")))
        fingerprint = json.loads(path.with_suffix(".json").read_text())["fingerprint"]
    except Exception:  # any damage to the cache: train again
        return None
    return network if fingerprint == network.fingerprint else None
