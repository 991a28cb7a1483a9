"""A run before its data: which protocol applies, the scores, and where they are kept."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ganvas import checkpoint, rng
from ganvas.data import Binarize, Data, Split
from ganvas.errors import GanvasError
from ganvas.metrics.card import Score
from ganvas.metrics.catalog import METRICS, Row, evaluate, metric
from ganvas.metrics.context import EvaluationContext, Need
from ganvas.metrics.coverage import Mixture
from ganvas.metrics.efficientnet import efficientnet
from ganvas.metrics.features import Classifier, FeatureNetwork, RandomNetwork
from ganvas.metrics.inception import inception
from ganvas.metrics.lenet import train_lenet
from ganvas.runs import Run

FeaturesName = Literal["auto", "lenet", "random", "inception", "efficientnet"]

USUAL = ("fid", "kid", "prdc", "modes", "mse", "ssim", "knn", "elbo")
"""What is measured when nobody says what: those of these that the run and its data can give."""


@dataclass(frozen=True)
class Protocol:
    """How scores are taken.

    metrics: names of `METRICS`, or none for the usual ones. num: samples drawn, and held-out examples used at most.
    features: the network that images are seen through; "auto" is lenet where the data has classes, and else random.
    weights: a file of weights for inception. importance_samples: codes an example for −log p.
    """

    metrics: tuple[str, ...] = ()
    num: int = 10_000
    features: FeaturesName = "auto"
    weights: Path | None = None
    importance_samples: int = 5_000
    seed: int = 0


def scores(run: Run, data: Data, protocol: Protocol) -> list[Row]:
    """Every score with its floor, and that of the same networks before training."""
    for name in protocol.metrics:
        metric(name)
    if protocol.num < 2:
        raise GanvasError(f"--num must be at least 2, not {protocol.num}.")
    context = context_of(run, data, protocol)
    seen = (
        replace(context, train=binarised(data.train), held_out=binarised(data.held_out)) if binarises(run) else context
    )
    untrained = run.build().model.to(run.device).eval()
    names = protocol.metrics or tuple(n for n in USUAL if not lacking(n, context))
    rows: list[Row] = []
    for name in names:
        # What a model of black and white pixels is asked of examples, it is asked of such examples.
        here = seen if Need.LIKELIHOOD in METRICS[name].needs else context
        rows += evaluate(here, [name], here.untrained(untrained))
    return rows


def context_of(run: Run, data: Data, protocol: Protocol) -> EvaluationContext:
    """The run's model before `data`."""
    images = len(data.info.shape) == 3
    features = feature_network(protocol, data) if images else None
    modes = data.info.modes
    return EvaluationContext(
        data.train,
        data.held_out,
        model=run.model,
        features=features,
        classifier=features if isinstance(features, Classifier) else None,
        mixture=Mixture(torch.tensor(modes.centres), modes.sigma) if modes else None,
        num=protocol.num,
        seed=protocol.seed,
        importance_samples=protocol.importance_samples,
        conditional=run.recipe.num_classes > 0,
    )


def lacking(name: str, context: EvaluationContext) -> bool:
    return any(context.lacks(need) for need in metric(name).needs)


def feature_network(protocol: Protocol, data: Data) -> FeatureNetwork:
    """The network that a protocol names, for images of the data's shape."""
    name = protocol.features
    labelled = data.train.y is not None and len(data.info.classes) > 1
    if name == "auto":
        name = "lenet" if labelled else "random"
    if name == "random":
        channels, height, width = data.info.shape
        return RandomNetwork((channels, height, width))
    if name == "inception":
        return inception(protocol.weights)
    if name == "efficientnet":
        return efficientnet()
    if not labelled or data.train.y is None or data.held_out.y is None:
        raise GanvasError(
            "The features of lenet are learnt from labels, and this data has none.", "Use --features random."
        )
    return train_lenet(data.train.x, data.train.y, data.held_out.x, data.held_out.y, len(data.info.classes))


def binarises(run: Run) -> bool:
    return isinstance(run.recipe.transform, Binarize)


def binarised(split: Split) -> Split:
    """Each pixel drawn black or white with its grey as probability: one fixed draw."""
    with rng.seeded("binarised"):
        x = torch.bernoulli(split.x.float() / 255).mul(255).byte()
    return replace(split, x=x)


def keep(run: Run, rows: Sequence[Row], source: str) -> Path:
    """Adds the rows to the run's evaluation.json; a score of the same name and card takes the older one's place."""
    path = run.path / "evaluation.json"
    new: list[dict[str, Any]] = [{"data": source, "images": run.images_seen, **to_json(row)} for row in rows]
    names = {(entry["score"]["name"], json.dumps(protocol_of(entry))) for entry in new}
    old = [e for e in kept(run.path) if (e["score"]["name"], json.dumps(protocol_of(e))) not in names]
    try:
        return checkpoint.atomically(path, lambda part: part.write_text(json.dumps([*old, *new], indent=2)))
    except OSError as error:
        raise GanvasError(f"The scores cannot be written to {path}: {error}.") from error


def kept(path: Path) -> list[dict[str, Any]]:
    """The scores that a run keeps; none when there are none. GanvasError when the file is damaged."""
    file = path / "evaluation.json"
    if not file.exists():
        return []
    try:
        entries = json.loads(file.read_text())
        for entry in entries:
            Score.from_dict(entry["score"])
        return entries
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanvasError(f"{file} is damaged: {error}.", "Remove it and evaluate again.") from error


def protocol_of(entry: dict[str, Any]) -> dict[str, Any]:
    """A score's card without what changes from one evaluation to the next."""
    return {key: value for key, value in entry["score"]["card"].items() if key not in ("versions", "notes")}


def to_json(row: Row) -> dict[str, Any]:
    named = {"score": row.score, "floor": row.floor, "untrained": row.untrained}
    return {name: None if score is None else score.to_dict() for name, score in named.items()}


def rounded(score: Score | None) -> str:
    """A value with as many digits as its error allows: 92.41 ± 0.12."""
    if score is None:
        return ""
    if score.error is None or not math.isfinite(score.value) or score.error == 0:
        return f"{score.value:.4g}"
    digits = max(0, min(6, 1 - math.floor(math.log10(score.error))))
    return f"{score.value:.{digits}f} ± {score.error:.{digits}f}"


def facts() -> list[dict[str, Any]]:
    """All metrics: name, what each is, what it needs, which way is better, its paper."""
    return [
        {
            "name": m.name,
            "summary": m.summary,
            "needs": [str(need) for need in m.needs],
            "better": m.better,
            "paper": m.paper,
        }
        for m in METRICS.values()
    ]
