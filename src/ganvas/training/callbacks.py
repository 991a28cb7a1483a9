"""Actions during training: logs, validation, examinations, metrics, checkpoints, pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.core.model import Model
from ganvas.machine import rng
from ganvas.training import checkpoint
from ganvas.training.means import Mean
from ganvas.training.trainer import Trainer

When = Callable[[int, int], bool]
"""A function of images seen before and now: whether an action is due."""


@dataclass(frozen=True)
class Every:
    """Due after every `images` images."""

    images: int

    def __call__(self, before: int, after: int) -> bool:
        return after // self.images > before // self.images


@dataclass(frozen=True)
class OneTwoFive:
    """At 1, 2, 5, 10, 20, 50 ... times `first` images, because changes are fastest early in training."""

    first: int

    def __call__(self, before: int, after: int) -> bool:
        return self.passed(after) > self.passed(before)

    def passed(self, images: int) -> int:
        """The number of marks up to `images`."""
        count, decade = 0, self.first
        while decade <= images:
            count += sum(images >= decade * factor for factor in (1, 2, 5))
            decade *= 10
        return count


@dataclass(frozen=True)
class Sparser:
    """Every `first` images until 8 × first, every 2 × first until 16 × first, every 4 × first until 32 × first, and so on.

    doublings: how often the period doubles. It grows because a long training changes slowly. Marks depend on images seen
    only, so a resumed run has the same marks. From 8 × first on, the newer half of training has at least five marks, and
    at most a quarter of it is after the last mark.
    """

    first: int
    doublings: int = 3

    def __call__(self, before: int, after: int) -> bool:
        return self.last(after) > self.last(before)

    def last(self, images: int) -> int:
        """The largest mark up to `images`."""
        period = self.first << min(self.doublings, (images // (8 * self.first)).bit_length())
        return images // period * period


class Record(Protocol):
    """Writes one line of a run's metrics: its kind and its fields, as `runs/log.py` lists them."""

    def __call__(self, kind: str, /, **fields: Any) -> None: ...


class Log:
    """Each player's mean terms and gradient norm since the last line, and the speed."""

    def __init__(self, when: When, record: Record, clock: Callable[[], float]) -> None:
        self.when, self.record, self.clock = when, record, clock
        self.last: tuple[int, float] | None = None

    def __call__(self, trainer: Trainer) -> None:
        now = self.clock()
        images, seconds = self.last or (0, 0.0)
        self.last = (trainer.images_seen, now)
        due = self.when(trainer.before, trainer.images_seen)
        # A line at the end of training does not reset the means: a resumed run continues them.
        players = trainer.terms.read() if due else trainer.terms.peek()
        norms = trainer.gradient_norms.read() if due else trainer.gradient_norms.peek()
        logged = trainer.logged.read() if due else trainer.logged.peek()
        if not players:
            return
        self.record(
            "training",
            images=trainer.images_seen,
            step=trainer.steps,
            seconds=now,
            images_per_second=(trainer.images_seen - images) / max(now - seconds, 1e-9),
            players=players,
            roles={seat.player.name: seat.player.role for seat in trainer.seats if seat.player.role},
            gradient_norms=norms.get("gradient", {}),
            skipped_steps=trainer.verdicts.skipped_steps,
            skipped_moves=trainer.verdicts.skipped_moves,
            partial=not due,
            **logged,
        )


class Advance:
    """Reports the images seen at each step, between two lines of metrics too."""

    def __init__(self, when: When, tell: Callable[[int], None]) -> None:
        self.when, self.tell = when, tell

    def __call__(self, trainer: Trainer) -> None:
        self.tell(trainer.images_seen)


@runtime_checkable
class Tallied(Protocol):
    """A module that counts its use in training, such as a codebook."""

    def tallied(self) -> Mapping[str, Tensor]:
        """Named numbers from the counts."""
        ...

    def tally_anew(self) -> None: ...


class Tally:
    """Logs what the model's modules counted since the last line, if any module counts."""

    def __init__(self, when: When, record: Record) -> None:
        self.when, self.record = when, record

    def __call__(self, trainer: Trainer) -> None:
        counting = {name: m for name, m in trainer.model.named_modules() if isinstance(m, Tallied)}
        if not counting or trainer.images_seen == 0:
            return
        values: dict[str, float] = {}
        for name, module in counting.items():
            prefix = "" if len(counting) == 1 else f"{name} "
            values |= {prefix + key: float(value) for key, value in module.tallied().items()}
        # As in `Log`: a line at the end of training resets nothing.
        due = self.when(trainer.before, trainer.images_seen)
        if due:
            for module in counting.values():
                module.tally_anew()
        self.record("counts", images=trainer.images_seen, step=trainer.steps, metrics=values, partial=not due)


class Validate:
    """Logs each player's terms on held-out data, for the averaged model if there is one. No parameter changes.

    batches: returns new held-out batches.
    """

    def __init__(self, when: When, record: Record, batches: Callable[[], list[Batch]]) -> None:
        self.when, self.record, self.batches = when, record, batches

    def __call__(self, trainer: Trainer) -> None:
        if trainer.images_seen > 0:
            due = self.when(trainer.before, trainer.images_seen)
            terms = held_out_terms(trainer, self.batches())
            self.record("held-out", images=trainer.images_seen, step=trainer.steps, players=terms, partial=not due)


def held_out_terms(trainer: Trainer, batches: list[Batch]) -> dict[str, dict[str, float]]:
    """Every player's mean terms over `batches`, with the same noise at every call."""
    model = trainer.best_model

    means = Mean()
    was_training = model.training
    model.eval()
    with rng.seeded(trainer.seed, "held out"), torch.no_grad():
        for batch in batches:
            if trainer.transform:
                batch = trainer.transform(batch)
            r = model(batch)
            for player in model.players():
                means.add(player.name, player.loss(r))
    model.train(was_training)
    return means.read()


class Examine:
    """Logs vital signs of the model, also at the start and the end.

    signs: a function of the trained model and the averaged one, both in evaluation mode.
    """

    def __init__(
        self, when: When, record: Record, signs: Callable[[Model, Model], Mapping[str, float | list[float]]]
    ) -> None:
        self.when, self.record, self.signs = when, record, signs

    def __call__(self, trainer: Trainer) -> None:
        images, models = trainer.images_seen, {trainer.model, trainer.best_model}
        training = [model for model in models if model.training]
        for model in models:
            model.eval()
        with torch.no_grad():
            signs = self.signs(trainer.model, trainer.best_model)
        for model in training:
            model.train()
        partial = images > 0 and not self.when(trainer.before, images)
        self.record("signs", images=images, step=trainer.steps, signs=signs, partial=partial)


class Scored(Protocol):
    """A number about a model. better: "lower" or "higher"."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def better(self) -> str: ...


Scores = Mapping[str, Sequence[Scored]]
"""The scores of each metric."""


class Measure:
    """Computes metrics of the averaged model if there is one, also at the start and the end.

    measure: from that model to its scores. then: is called with those that were due, so that where a run was stopped on its
    way makes no difference.
    """

    def __init__(
        self,
        when: When,
        record: Record,
        measure: Callable[[Model], Scores],
        then: Callable[[Trainer, Scores], None] | None = None,
    ) -> None:
        self.when, self.record, self.measure, self.then = when, record, measure, then

    def __call__(self, trainer: Trainer) -> None:
        images = trainer.images_seen

        scores = self.measure(trainer.best_model)
        values = {score.name: score.value for group in scores.values() for score in group}
        due = self.when(trainer.before, images)
        self.record("metrics", images=images, step=trainer.steps, metrics=values, partial=images > 0 and not due)
        if due and self.then:
            self.then(trainer, scores)


class KeepBest:
    """Keeps the checkpoint with the best value of a metric, by its first score if it has several."""

    def __init__(self, metric: str, folder: Path, keep: int, clock: Callable[[], float]) -> None:
        self.metric, self.folder, self.keep, self.clock = metric, folder, keep, clock

    def __call__(self, trainer: Trainer, scores: Scores) -> None:
        if self.metric not in scores:  # it could not be computed this time
            return
        score = scores[self.metric][0]
        best = checkpoint.read_best(self.folder)
        if best is None or (score.value < best.value if score.better == "lower" else score.value > best.value):
            checkpoint.save_best(trainer, self.folder, score.name, score.value, self.keep, self.clock())


SECONDS_APART = 5
TIMES_APART = 200
"""The minimum time between two checkpoints: in seconds, and in multiples of the last saving time."""


class Checkpoint:
    """Saves everything needed to continue, in `folder`; keeps the newest `keep` checkpoints.

    every: images between two. Without it, elapsed time decides, because a crash loses time and saving costs time. Saving
        takes at most half a percent.
    While steps fail, none is written, except at the end. So every kept checkpoint is one that training can return to.
    """

    def __init__(self, every: int | None, folder: Path, keep: int, clock: Callable[[], float]) -> None:
        self.when = self.worth_while if every is None else Every(every)
        self.folder, self.keep, self.clock = folder, keep, clock
        self.next = clock() + SECONDS_APART

    def worth_while(self, before: int, after: int) -> bool:
        return self.clock() >= self.next

    def __call__(self, trainer: Trainer) -> None:
        if trainer.images_seen > 0 and (trainer.ending or not trainer.verdicts.failures):
            start = self.clock()
            checkpoint.save(trainer, self.folder, self.keep, seconds=start)
            end = self.clock()
            self.next = end + max(SECONDS_APART, TIMES_APART * (end - start))


class Picture:
    """Calls `draw` with the averaged model (if any) in evaluation mode, and the images seen."""

    def __init__(self, when: When, draw: Callable[[Model, int], None]) -> None:
        self.when, self.draw = when, draw

    def __call__(self, trainer: Trainer) -> None:
        model = trainer.best_model
        was_training = model.training
        model.eval()
        with rng.seeded(trainer.seed, "pictures"), torch.inference_mode():
            self.draw(model, trainer.images_seen)
        model.train(was_training)


class Called:
    """Calls a user's function with the trainer. Afterwards the model is in its mode again."""

    def __init__(self, when: When, function: Callable[[Trainer], object]) -> None:
        self.when, self.function = when, function

    def __call__(self, trainer: Trainer) -> None:
        modes = [(model, model.training) for model in (trainer.model, trainer.best_model)]
        self.function(trainer)
        for model, was_training in modes:
            model.train(was_training)
