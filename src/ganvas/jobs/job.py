"""A training run, from its first or next step to its last."""

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ganvas.core.batch import Batch
from ganvas.core.model import Model
from ganvas.data import Data, Split, batches, identity, keep_labels, representative
from ganvas.data.domains.codes import Coded
from ganvas.data.identity import Identity
from ganvas.errors import printable
from ganvas.health import Watch
from ganvas.jobs.fine_tuning import begin
from ganvas.jobs.forecast import Forecast
from ganvas.jobs.guards import kept_if_trained, stopped_by_signals, writing
from ganvas.jobs.measuring import evaluation_of, measure
from ganvas.jobs.pictures import draw_progress
from ganvas.jobs.progress import Progress
from ganvas.jobs.recorder import Recorder
from ganvas.jobs.rewinding import note_rewinds, restore, rewind
from ganvas.jobs.signals import Examination
from ganvas.machine import distributed
from ganvas.machine.devices import resolve_device
from ganvas.metrics.cost import peak_memory
from ganvas.metrics.evaluation import Evaluation
from ganvas.nn.synchronised import synchronise
from ganvas.report import write_report
from ganvas.runs.directory import Directory
from ganvas.runs.log import Event
from ganvas.runs.settings import GROWING, Settings
from ganvas.training.callbacks import (
    Advance,
    Called,
    Checkpoint,
    Every,
    Examine,
    Log,
    OneTwoFive,
    Picture,
    Tally,
    Validate,
)
from ganvas.training.recipe import Recipe
from ganvas.training.trainer import Callback, Trainer
from ganvas.training.verdicts import NotFinite
from ganvas.use.opening import keep_first_stage

HELD_OUT_LIMIT = 256
"""Number of held-out examples for validation during training. `evaluate` uses as many as requested."""


@dataclass
class Job:
    """A training run that will start, or continue from its newest checkpoint.

    identity: what the run is to know of its data from now on; None for what it knows already.
    change: of the options, since the last session, in words. callbacks: the user's, for the first process.
    """

    path: Path
    settings: Settings
    recipe: Recipe
    data: Data
    fresh: bool
    place: distributed.Place
    quiet: bool = False
    identity: Identity | None = None
    change: str = ""
    callbacks: Sequence[Callable[[Trainer], object]] = ()

    def run(self) -> None:
        """Trains until the end or a stop. Raises GanvasError if the run cannot be written."""
        with writing(self.path, self.place):
            self.train()

    def trainer(self) -> Trainer:
        training = self.settings.training
        if training.sync_batchnorm and self.place.world_size > 1:
            synchronise(self.recipe.model)
        return Trainer(
            self.recipe.model,
            self.recipe.optimizers,
            learning_rate=self.recipe.learning_rate,
            ema_half_life=self.recipe.ema_half_life,
            transform=self.recipe.transform,
            seed=training.seed,
            device=resolve_device(training.device),
            place=self.place,
            skip_gradient_norm=training.skip_gradient_norm,
            precision=training.precision,
            compile=training.compile,
        )

    def train(self) -> None:
        training, directory, trainer = self.settings.training, Directory(self.path), self.trainer()
        train = self.data.train
        if training.labels is not None:  # hidden from training only: metrics use all labels
            train = keep_labels(train, self.data.info, training.labels, training.seed)
        spent = 0.0 if self.fresh else restore(trainer, directory, self.place)
        began = begin(trainer, self.settings.init_from)
        beginning = trainer.state() if trainer.images_seen == 0 else None
        evaluation = (
            evaluation_of(trainer, training.metrics, self.recipe, self.data, self.fresh) if self.place.leads else None
        )
        examination = self.examination(trainer) if self.place.leads else None
        if self.place.leads:
            self.prepare(directory, trainer, began)
        start = time.monotonic() - spent
        title = printable(f"{self.settings.recipe} on {self.settings.source}")
        silent = self.quiet or not self.place.leads
        progress = Progress(training.images, title, quiet=silent)
        with (
            kept_if_trained(directory, trainer, self.fresh and self.place.leads),
            stopped_by_signals(trainer),
            progress,
        ):
            progress.start(trainer.images_seen)
            while True:
                happenings = self.happenings(
                    trainer, directory, progress, lambda: time.monotonic() - start, evaluation, examination
                )
                try:
                    stream = self.stream(train, trainer)
                    trainer.fit(stream, training.images, happenings if self.place.leads else ())
                    break
                except NotFinite as error:
                    if len(trainer.verdicts.rewinds) >= training.rewinds:
                        raise self.failed(trainer, directory, error, time.monotonic() - start) from error
                    progress.message(rewind(trainer, directory, self.place, training, error, beginning))
        if self.place.leads:
            self.finish(trainer, directory, time.monotonic() - start)

    def stream(self, train: Split, trainer: Trainer) -> Iterator[Batch]:
        """The batches from the trainer's position on."""
        return batches(
            train,
            self.settings.training.batch_size,
            self.settings.training.seed,
            trainer.images_seen,
            self.place.rank,
            self.place.world_size,
            trainer.device,
            self.recipe.labelled_share,
        )

    def failed(self, trainer: Trainer, directory: Directory, error: NotFinite, seconds: float) -> NotFinite:
        """Records that the run was stopped and why, writes its report, and returns the error to raise."""
        times = len(trainer.verdicts.rewinds)
        rewound = f" after {times} rewind{'s' * (times > 1)}" if times else ""
        message = f"given up{rewound}: {error.message}"
        hint = error.marked[1]
        if self.place.leads:
            end = Event(images=trainer.images_seen, event="failed", message=message, seconds=seconds, partial=True)
            directory.log.append(end)
            hint = f"{hint}\nReport: {write_report(directory.path)}"
        return NotFinite(f"Training was {message}", hint, error.failures)

    def examination(self, trainer: Trainer) -> Examination | None:
        """The examination of vital signs, or None if there are too few examples."""
        if not len(self.data.held_out):
            return None
        found = Examination(self.data, trainer.seed, trainer.device, self.recipe.num_classes, self.recipe.transform)
        return found if found.possible else None

    def prepare(self, directory: Directory, trainer: Trainer, began: str) -> None:
        """Prepares the run's files for the first step. began: with what weights, in words."""
        directory.guard()
        if self.fresh:
            directory.erase()
            directory.create(self.settings, self.recipe)
        else:
            directory.complete(self.recipe)
            directory.rewind(trainer.images_seen or -1)  # without a checkpoint, the run starts again
            note_rewinds(directory, trainer)
            directory.write("recipe.json", self.settings.to_json())
        known = any(event.event == "began" for event in directory.log.events())
        for event, message in (("began", "" if known else began), ("changed", self.change)):
            if message:
                directory.log.append(Event(images=trainer.images_seen, event=event, message=message))
                if not self.quiet:
                    print(message)
        if isinstance(self.data.info.domain, Coded):
            keep_first_stage(self.path, self.data.info.domain)
        if self.identity is not None:
            directory.write(identity.FILE, self.identity.to_json())

    def happenings(
        self,
        trainer: Trainer,
        directory: Directory,
        progress: Progress,
        clock: Callable[[], float],
        evaluation: Evaluation | None,
        examination: Examination | None,
    ) -> list[Callback]:
        training = self.settings.training
        watch = Watch(self.settings.arguments)
        for line in directory.log.lines():
            watch.feed(line.record())
        record = Recorder(directory, progress, watch, clock)
        held_out = self.data.held_out
        rows = validation_batches(held_out, training.batch_size)

        def validation() -> list[Batch]:
            return [held_out.batch(part, trainer.device) for part in rows]

        def draw(model: Model, images: int) -> None:
            draw_progress(model, self.recipe, self.data, directory.samples, images, trainer.device)

        return [
            Log(training.when("log_every"), record, clock),
            Advance(Every(GROWING["log_every"].first), progress.advance),
            Tally(Every(self.data.info.num_train), record),
            Validate(training.when("validate_every"), record, validation),
            *(() if examination is None else (Examine(training.when("health_every"), record, examination),)),
            Picture(OneTwoFive(1_000), draw),
            *(() if evaluation is None else (measure(evaluation, directory, training, len(held_out), clock),)),
            Checkpoint(training.checkpoint_every, directory.checkpoints, training.keep, clock),
            *self.forecast(clock, progress),
            *(Called(training.when("log_every"), function) for function in self.callbacks),
        ]

    def forecast(self, clock: Callable[[], float], progress: Progress) -> list[Callback]:
        """For images."""
        shape = self.data.info.shape
        if self.data.info.domain.kind != "images":
            return []
        return [Forecast(max(shape[1:]), self.settings.training.images, clock, progress.message)]

    def finish(self, trainer: Trainer, directory: Directory, seconds: float) -> None:
        """Records how the run ended, writes its report, and prints both."""
        seen, done = trainer.images_seen, trainer.images_seen >= self.settings.training.images
        event = "finished" if done else "stopped"
        message = f"{event} after {seen:,} images and {duration(seconds)}"
        end = Event(images=seen, event=event, message=message, seconds=seconds, partial=True, peak_memory=peak_memory())
        directory.log.append(end)
        page = write_report(directory.path)
        if not self.quiet:
            print(f"{message[0].upper()}{message[1:]}.")
            if not done:
                print(f"Continue with: ganvas train --resume {shlex.quote(str(self.path))}")
            print(f"Report: {page}")


def validation_batches(held_out: Split, batch_size: int) -> list[torch.Tensor]:
    """Rows of the held-out examples that a run is watched by, in batches of one size."""
    chosen = representative(held_out, HELD_OUT_LIMIT)
    return [chosen[part] for part in whole_batches(len(chosen), batch_size)]


def whole_batches(num: int, size: int) -> list[torch.Tensor]:
    """Rows 0 to num − 1 in batches of equal size; leftover rows are skipped.

    Packed critics need equal batches, and terms that compare examples depend on the batch size. With fewer than `size` rows,
    the size is the largest power of two that fits.
    """
    if not num:
        return []
    size = size if num >= size else 1 << (num.bit_length() - 1)
    return list(torch.arange(num - num % size).split(size))


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
