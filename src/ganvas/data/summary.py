"""The facts of `ganvas data` about a source."""

from collections import Counter
from typing import Any

import torch

from ganvas.data.dataset import Data, Split
from ganvas.data.identity import Identity, duplicates

_NUM_CAPTIONS = 5


def summary(data: Data) -> dict[str, Any]:
    """Facts about a source, ready for JSON.

    Values are those at rest: 0 to 255 for images, coordinates for points. `classes` counts both splits' examples by
    class, or is None when the data is unlabelled. `duplicates` counts examples that are equal to another one. `not_used`
    counts a folder's other files, by the reason why they were not even tried. `skipped_reasons` counts the skipped files.
    """
    info, known = data.info, Identity.of(data)
    reasons = Counter(s.reason for s in data.skipped)
    return {
        "source": data.source,
        "train": len(data.train),
        "held_out": len(data.held_out),
        "kind": info.domain.kind,
        "shape": list(info.shape),
        "channels": info.shape[0] if info.domain.kind == "images" else None,
        "classes": _class_counts(data),
        "unlabelled": sum(int((s.y == -1).sum()) for s in (data.train, data.held_out) if s.y is not None),
        "captions": _captions(data.train),
        "factors": dict(zip(data.factor_names, data.factor_sizes, strict=True)),
        "modes": len(info.modes.centres) if info.modes else None,
        "values": _values(data.train),
        "duplicates": {
            "in train": duplicates(known.train.numbers),
            "in held out": duplicates(known.held_out.numbers),
            "held out and in train": known.on_both_sides,
        },
        "notes": list(data.notes),
        "not_used": {u.reason: u.num for u in data.unused},
        "skipped": len(data.skipped),
        "skipped_reasons": dict(reasons.most_common()),
        "skipped_files": [{"path": s.path, "reason": s.reason} for s in data.skipped],
    }


def _class_counts(data: Data) -> dict[str, dict[str, int]] | None:
    if data.train.y is None:
        return None
    counts = [_counts(split, len(data.info.classes)) for split in (data.train, data.held_out)]
    return {
        name: {"train": train, "held_out": held_out}
        for name, train, held_out in zip(data.info.classes, *counts, strict=True)
    }


def _counts(split: Split, num_classes: int) -> list[int]:
    assert split.y is not None
    return torch.bincount(split.y[split.y >= 0], minlength=num_classes).tolist()


def _captions(split: Split) -> dict[str, Any] | None:
    """How many examples have one, how many differ, and a few spread over the data."""
    if split.text is None:
        return None
    texts = [t for t in split.text if t]
    every = max(1, len(texts) // _NUM_CAPTIONS)
    return {"count": len(texts), "distinct": len(set(texts)), "examples": texts[::every][:_NUM_CAPTIONS]}


def _values(split: Split) -> dict[str, float]:
    x = split.x
    mean = float(x.sum(dtype=torch.int64 if x.dtype == torch.uint8 else torch.float64)) / x.numel()
    return {"min": float(x.min()), "max": float(x.max()), "mean": mean}
