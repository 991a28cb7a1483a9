"""Metrics during training, and the best checkpoint by one of them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ganvas.core.model import Model
from ganvas.data import Data
from ganvas.errors import GanvasError
from ganvas.metrics.card import Score
from ganvas.metrics.evaluation import Evaluation, Protocol
from ganvas.runs.directory import Directory
from ganvas.runs.log import line
from ganvas.runs.settings import Training
from ganvas.training.callbacks import KeepBest, Measure, Scores
from ganvas.training.recipe import Recipe
from ganvas.training.trainer import Trainer

MEASURED = Protocol(num=2_000, importance_samples=100)
"""The protocol of metrics during training. It has fewer samples than `evaluate`, so scores are not comparable."""


def evaluation_of(
    trainer: Trainer, metrics: tuple[str, ...], recipe: Recipe, data: Data, fresh: bool
) -> Evaluation | None:
    """The evaluation during training, or None. Raises GanvasError if a metric cannot be computed."""
    names = metrics
    if not names:
        return None
    protocol = replace(MEASURED, metrics=names)
    evaluation = Evaluation.of(trainer.best_model, recipe, data, protocol)
    if fresh:
        for name in names:
            evaluation.scores(name)  # raises for impossible metrics before files are written
    return evaluation


def measure(
    evaluation: Evaluation, directory: Directory, training: Training, num_held_out: int, clock: Callable[[], float]
) -> Measure:
    """The callback for metrics, with their protocol; it keeps the best checkpoint if requested.

    clock: the training time in seconds.
    """
    network = evaluation.context.features
    protocol = {
        "num": min(evaluation.protocol.num, num_held_out),
        "samples": evaluation.protocol.num,
        "features": None if network is None else network.name,
        "split": "held-out",
        "seed": evaluation.protocol.seed,
    }

    def record(kind: str, /, **fields: Any) -> None:
        directory.log.append(line(kind, protocol=protocol, **fields))

    def scores(model: Model) -> Scores:
        return scores_now(evaluation if model.clock.images == 0 else evaluation.on(model), model.clock.images)

    best = KeepBest(training.keep_best, directory.checkpoints, training.keep, clock) if training.keep_best else None
    return Measure(training.when("metrics_every"), record, scores, best)


def scores_now(evaluation: Evaluation, images: int) -> Scores:
    """The scores of each metric. A metric that fails now is skipped with a message."""
    found: dict[str, list[Score]] = {}
    for name in evaluation.protocol.metrics:
        try:
            found[name] = evaluation.scores(name)
        except GanvasError as error:
            print(f"Not measured at {images:,} images: {error.message}.", file=sys.stderr)
    return found
