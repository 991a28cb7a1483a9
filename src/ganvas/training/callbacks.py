"""What happens during training besides training: when, and what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.core.model import Model
from ganvas.machine import rng
from ganvas.training import checkpoint
from ganvas.training.trainer import Mean, Trainer

When = Callable[[int, int], bool]
"""Whether something is due when the images seen went from the first number to the second."""


@dataclass(frozen=True)
class Every:
    """Each time another `images` were seen."""

    images: int

    def __call__(self, before: int, after: int) -> bool:
        return after // self.images > before // self.images


@dataclass(frozen=True)
class OneTwoFive:
    """At 1, 2, 5, 10, 20, 50 ... times `first` images: early changes are the quick ones."""

    first: int

    def __call__(self, before: int, after: int) -> bool:
        return self.passed(after) > self.passed(before)

    def passed(self, images: int) -> int:
        """How many of these marks lie at or below `images`."""
        count, decade = 0, self.first
        while decade <= images:
            count += sum(images >= decade * factor for factor in (1, 2, 5))
            decade *= 10
        return count


@dataclass(frozen=True)
class Sparser:
    """Every `first` images until 8 × first were seen, every 2 × first until 16 × first, every 4 × first until 32 × first, and
    so on, with so many `doublings`: what is trained for long changes slowly.

    Marks follow from the images seen alone, so that a run in two parts has those of one in one go. From 8 × first on, the
    newer half of what was seen has five marks or more at each mark, and at most a quarter of it lies behind the last one.
    """

    first: int
    doublings: int = 3

    def __call__(self, before: int, after: int) -> bool:
        return self.last(after) > self.last(before)

    def last(self, images: int) -> int:
        """The largest mark at or below `images`."""
        period = self.first << min(self.doublings, (images // (8 * self.first)).bit_length())
        return images // period * period


class Record(Protocol):
    """Takes one line of a run's metrics."""

    def __call__(self, line: Mapping[str, object]) -> None: ...


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
        # A line that only the end of training calls for leaves the means as they are, for a run that is resumed.
        players = trainer.terms.read() if due else trainer.terms.peek()
        norms = trainer.gradient_norms.read() if due else trainer.gradient_norms.peek()
        if not players:
            return
        self.record(
            {
                "images": trainer.images_seen,
                "step": trainer.steps,
                "seconds": now,
                "images_per_second": (trainer.images_seen - images) / max(now - seconds, 1e-9),
                "split": "train",
                "players": players,
                "roles": {seat.player.name: seat.player.role for seat in trainer.seats if seat.player.role},
                "gradient_norms": norms.get("gradient", {}),
                "skipped_steps": trainer.skipped_steps,
                "skipped_moves": trainer.skipped_moves,
                "partial": not due,
            }
        )


class Advance:
    """Tells how many images were seen, which costs nothing, also between two lines of metrics."""

    def __init__(self, when: When, tell: Callable[[int], None]) -> None:
        self.when, self.tell = when, tell

    def __call__(self, trainer: Trainer) -> None:
        self.tell(trainer.images_seen)


@runtime_checkable
class Tallied(Protocol):
    """A module that counts in training how it is used, as a codebook does."""

    def tallied(self) -> Mapping[str, Tensor]:
        """Numbers by name about what was counted."""
        ...

    def tally_anew(self) -> None: ...


class Tally:
    """What the model's modules counted since the last line, as metrics of the run; nothing where none counts."""

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
        # As in `Log`: a line that only the end of training calls for begins nothing anew.
        due = self.when(trainer.before, trainer.images_seen)
        if due:
            for module in counting.values():
                module.tally_anew()
        self.record({"images": trainer.images_seen, "step": trainer.steps, "metrics": values, "partial": not due})


class Validate:
    """Each player's terms on held-out data: the same losses, of the model that samples come from, with nothing moved.

    batches: makes the held-out batches anew.
    """

    def __init__(self, when: When, record: Record, batches: Callable[[], list[Batch]]) -> None:
        self.when, self.record, self.batches = when, record, batches

    def __call__(self, trainer: Trainer) -> None:
        if trainer.images_seen > 0:
            line = {"images": trainer.images_seen, "step": trainer.steps, "split": "held_out"}
            due = self.when(trainer.before, trainer.images_seen)
            self.record({**line, "players": held_out_terms(trainer, self.batches()), "partial": not due})


def held_out_terms(trainer: Trainer, batches: list[Batch]) -> dict[str, dict[str, float]]:
    """Every player's mean terms over `batches`, drawn with the same noise whenever it is called."""
    model = trainer.best_model
    model.images_seen, model.steps = trainer.images_seen, trainer.steps
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
    """Vital signs of the model, at the start and the end as well.

    signs: from the model that trains and the one that samples come from, both in evaluation mode.
    """

    def __init__(
        self, when: When, record: Record, signs: Callable[[Model, Model], Mapping[str, float | list[float]]]
    ) -> None:
        self.when, self.record, self.signs = when, record, signs

    def __call__(self, trainer: Trainer) -> None:
        images, models = trainer.images_seen, {trainer.model, trainer.best_model}
        training = [model for model in models if model.training]
        for model in models:
            model.images_seen, model.steps = images, trainer.steps
            model.eval()
        with torch.no_grad():
            signs = self.signs(trainer.model, trainer.best_model)
        for model in training:
            model.train()
        partial = images > 0 and not self.when(trainer.before, images)
        self.record({"images": images, "step": trainer.steps, "signs": signs, "partial": partial})


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
    """Metrics of the model that samples come from, at the start and the end as well.

    measure: from that model to its scores. then: is told of those that were due, so that where a run was stopped on its
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
        trainer.best_model.images_seen = images
        scores = self.measure(trainer.best_model)
        values = {score.name: score.value for group in scores.values() for score in group}
        due = self.when(trainer.before, images)
        self.record({"images": images, "step": trainer.steps, "metrics": values, "partial": images > 0 and not due})
        if due and self.then:
            self.then(trainer, scores)


class KeepBest:
    """Keeps the checkpoint with the best value so far of a metric: of its first score, where it has several."""

    def __init__(self, metric: str, folder: Path, keep: int = 2) -> None:
        self.metric, self.folder, self.keep = metric, folder, keep

    def __call__(self, trainer: Trainer, scores: Scores) -> None:
        if self.metric not in scores:  # it could not be measured this time
            return
        score = scores[self.metric][0]
        best = checkpoint.read_best(self.folder)
        if best is None or (score.value < best.value if score.better == "lower" else score.value > best.value):
            checkpoint.save_best(trainer, self.folder, score.name, score.value, self.keep)


SECONDS_APART = 5
TIMES_APART = 200
"""What lies between two checkpoints at least, in seconds, and in units of what the last one took."""


class Checkpoint:
    """All that is needed to go on from here, in `folder`; the newest `keep` stay.

    every: images between two. Where it is not given, they go by the clock: what is lost with a machine is time, and so is
        what saving costs, half a percent at most.
    While steps fail none is written, except at the end: those that stay are such as training can go back to.
    """

    def __init__(self, every: int | None, folder: Path, keep: int, clock: Callable[[], float]) -> None:
        self.when = self.worth_while if every is None else Every(every)
        self.folder, self.keep, self.clock = folder, keep, clock
        self.next = clock() + SECONDS_APART

    def worth_while(self, before: int, after: int) -> bool:
        return self.clock() >= self.next

    def __call__(self, trainer: Trainer) -> None:
        if trainer.images_seen > 0 and (trainer.ending or not trainer.failures):
            start = self.clock()
            checkpoint.save(trainer, self.folder, self.keep)
            end = self.clock()
            self.next = end + max(SECONDS_APART, TIMES_APART * (end - start))


class Picture:
    """Hands the model that samples come from to `draw`, in evaluation mode, with the images seen."""

    def __init__(self, when: When, draw: Callable[[Model, int], None]) -> None:
        self.when, self.draw = when, draw

    def __call__(self, trainer: Trainer) -> None:
        model = trainer.best_model
        was_training = model.training
        model.eval()
        with rng.seeded(trainer.seed, "pictures"), torch.inference_mode():
            self.draw(model, trainer.images_seen)
        model.train(was_training)
