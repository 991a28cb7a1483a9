"""A training run, from its first or next step to its last."""

import shlex
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder, Model
from ganvas.data import Data, Split, batches, identity, keep_labels, representative
from ganvas.data.domains.pictures import PAIR_COLUMNS, beside, save_picture
from ganvas.data.identity import Identity
from ganvas.errors import GanvasError, printable
from ganvas.health import Watch
from ganvas.jobs.progress import Progress
from ganvas.jobs.signals import Examination
from ganvas.machine import distributed
from ganvas.machine.devices import resolve_device
from ganvas.machine.storage import held
from ganvas.metrics.card import Score
from ganvas.metrics.cost import peak_memory
from ganvas.metrics.evaluation import Evaluation, Protocol
from ganvas.nn.synchronised import synchronise
from ganvas.report import write_report
from ganvas.runs.directory import Directory
from ganvas.runs.settings import GROWING, Settings
from ganvas.training import checkpoint, state
from ganvas.training.callbacks import (
    Advance,
    Checkpoint,
    Every,
    Examine,
    KeepBest,
    Log,
    Measure,
    OneTwoFive,
    Picture,
    Scores,
    Tally,
    Validate,
)
from ganvas.training.failures import Rewind
from ganvas.training.recipe import Recipe
from ganvas.training.trainer import Callback, Trainer
from ganvas.training.verdicts import NotFinite
from ganvas.use.walks import line_walk, prior_walk

HELD_OUT_LIMIT = 256
"""Number of held-out examples for validation during training. `evaluate` uses as many as requested."""

MEASURED = Protocol(num=2_000, importance_samples=100)
"""The protocol of metrics during training. It has fewer samples than `evaluate`, so scores are not comparable."""


SMALLER = 0.5
"""Factor on a player's learning rate after a return to a checkpoint because of NaN or infinity."""


@dataclass
class Job:
    """A training run that will start, or continue from its newest checkpoint.

    identity: what the run is to know of its data from now on; None for what it knows already.
    """

    path: Path
    settings: Settings
    recipe: Recipe
    data: Data
    fresh: bool
    place: distributed.Place
    quiet: bool = False
    identity: Identity | None = None

    def run(self) -> None:
        """Trains until the end or a stop. Raises GanvasError if the run cannot be written."""
        with writing(self.path, self.place):
            self.train()

    def train(self) -> None:
        training, directory = self.settings.training, Directory(self.path)
        if training.sync_batchnorm and self.place.world_size > 1:
            synchronise(self.recipe.model)
        trainer = Trainer(
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
        train = self.data.train
        if training.labels is not None:  # hidden from training only: metrics use all labels
            train = keep_labels(train, self.data.info, training.labels, training.seed)
        self.restore(trainer, directory)
        beginning = trainer.state() if trainer.images_seen == 0 else None
        evaluation = self.evaluation(trainer) if self.place.leads else None
        examination = self.examination(trainer) if self.place.leads else None
        if self.place.leads:
            self.prepare(directory, trainer)
        start = time.monotonic() - directory.seconds()
        title = printable(f"{self.settings.recipe} on {self.settings.source}")
        silent = self.quiet or not self.place.leads
        with stopped_by_signals(trainer), Progress(training.images, title, quiet=silent) as progress:
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
                    progress.message(self.rewind(trainer, directory, error, beginning))
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

    def restore(self, trainer: Trainer, directory: Directory) -> None:
        """Loads the newest checkpoint, if the run continues.

        The first process chooses it, because others may see other files.
        """
        if self.fresh:
            return
        found = None
        if self.place.leads:
            found = checkpoint.newest(directory.checkpoints, warn=lambda text: print(text, file=sys.stderr))
        images = distributed.from_leader(0 if found is None else found[0]["images_seen"], trainer.device)
        if images > 0:
            facts, tensors = found or checkpoint.read(checkpoint.path_of(directory.checkpoints, images))
            trainer.restore(tensors, facts)

    def rewind(self, trainer: Trainer, directory: Directory, error: NotFinite, beginning: state.State | None) -> str:
        """Returns the trainer to the newest checkpoint, or to an earlier one if that failed before.

        Players that failed take smaller steps from then on. Returns a message. The checkpoint is written again with the
        smaller steps, so that a killed run continues in the same way.
        """
        failed_at, so_far = trainer.images_seen, list(trainer.verdicts.rewinds)
        factors = {seat.player.name: seat.step_factor for seat in trainer.seats}
        images = distributed.from_leader(self.earlier(directory, so_far) if self.place.leads else 0, trainer.device)
        if images > 0:
            facts, tensors = checkpoint.read(checkpoint.path_of(directory.checkpoints, images))
        else:
            assert beginning is not None, "a resumed run has a checkpoint"
            tensors, facts = beginning
        trainer.restore(tensors, facts)
        players = tuple(dict.fromkeys(failure.player for failure in error.failures))
        for seat in trainer.seats:
            name = seat.player.name
            seat.step_factor = factors[name] * (SMALLER if name in players else 1.0)
        last = error.failures[-1]
        message = (
            f"rewind {len(so_far) + 1} of at most {self.settings.training.rewinds}: at {failed_at:,} images {last}."
            f" Returned to {images:,} images, with steps {SMALLER:g} times as large for {' and '.join(players)}"
        )
        trainer.verdicts.rewinds = [*so_far, Rewind(images, players, message)]
        trainer.verdicts.failures = []
        if self.place.leads:
            directory.rewind(images or -1)
            if images > 0:
                checkpoint.save(trainer, directory.checkpoints, self.settings.training.keep)
            note_rewinds(directory, trainer)
        return message

    def earlier(self, directory: Directory, so_far: list[Rewind]) -> int:
        """The images of the checkpoint to return to; 0 for the start."""
        known = [int(path.stem) for path in checkpoint.checkpoints(directory.checkpoints)]
        if so_far and len(known) > 1 and known[-1] == so_far[-1].images:
            known.pop()  # it failed twice
        return known[-1] if known else 0

    def failed(self, trainer: Trainer, directory: Directory, error: NotFinite, seconds: float) -> NotFinite:
        """Records that the run was stopped and why, writes its report, and returns the error to raise."""
        times = len(trainer.verdicts.rewinds)
        rewound = f" after {times} rewind{'s' * (times > 1)}" if times else ""
        message = f"given up{rewound}: {error.message}"
        hint = error.hint
        if self.place.leads:
            end = {"images": trainer.images_seen, "event": "failed", "message": message, "seconds": seconds}
            directory.record({**end, "partial": True})
            hint = f"{hint}\nReport: {write_report(directory.path)}"
        return NotFinite(f"Training was {message}", hint, error.failures)

    def evaluation(self, trainer: Trainer) -> Evaluation | None:
        """The evaluation during training, or None. Raises GanvasError if a metric cannot be computed."""
        names = self.settings.training.metrics
        if not names:
            return None
        protocol = replace(MEASURED, metrics=names)
        evaluation = Evaluation.of(trainer.best_model, self.recipe, self.data, protocol)
        if self.fresh:
            for name in names:
                evaluation.scores(name)  # raises for impossible metrics before files are written
        return evaluation

    def examination(self, trainer: Trainer) -> Examination | None:
        """The examination of vital signs, or None if there are too few examples."""
        if not len(self.data.held_out):
            return None
        found = Examination(self.data, trainer.seed, trainer.device, self.recipe.num_classes, self.recipe.transform)
        return found if found.possible else None

    def prepare(self, directory: Directory, trainer: Trainer) -> None:
        """Prepares the run's files for the first step."""
        directory.guard()
        if self.fresh:
            directory.erase()
            directory.create(self.settings, self.recipe)
        else:
            directory.complete(self.recipe)
            directory.rewind(trainer.images_seen or -1)  # without a checkpoint, the run starts again
            note_rewinds(directory, trainer)
            directory.write("recipe.json", self.settings.to_json())
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
        for fact in directory.facts():
            watch.feed(fact)
        record = Recorder(directory, progress, watch, clock)
        held_out = self.data.held_out
        chosen = representative(held_out, HELD_OUT_LIMIT)
        rows = [chosen[part] for part in whole_batches(len(chosen), training.batch_size)]

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
            *(() if evaluation is None else (self.measure(evaluation, directory),)),
            Checkpoint(training.checkpoint_every, directory.checkpoints, training.keep, clock),
        ]

    def measure(self, evaluation: Evaluation, directory: Directory) -> Measure:
        """The callback for metrics, with their protocol; it keeps the best checkpoint if requested."""
        training, network = self.settings.training, evaluation.context.features
        protocol = {
            "num": min(evaluation.protocol.num, len(self.data.held_out)),
            "samples": evaluation.protocol.num,
            "features": None if network is None else network.name,
            "split": "held-out",
            "seed": evaluation.protocol.seed,
        }

        def record(line: Mapping[str, object]) -> None:
            directory.record({**line, "protocol": protocol})

        def scores(model: Model) -> Scores:
            return scores_now(evaluation if model.clock.images == 0 else evaluation.on(model), model.clock.images)

        best = KeepBest(training.keep_best, directory.checkpoints, training.keep) if training.keep_best else None
        return Measure(training.when("metrics_every"), record, scores, best)

    def finish(self, trainer: Trainer, directory: Directory, seconds: float) -> None:
        """Records how the run ended, writes its report, and prints both."""
        seen, done = trainer.images_seen, trainer.images_seen >= self.settings.training.images
        event = "finished" if done else "stopped"
        message = f"{event} after {seen:,} images and {duration(seconds)}"
        end = {"images": seen, "event": event, "message": message, "seconds": seconds, "peak_memory": peak_memory()}
        directory.record({**end, "partial": True})
        page = write_report(directory.path)
        if not self.quiet:
            print(f"{message[0].upper()}{message[1:]}.")
            if not done:
                print(f"Continue with: ganvas train --resume {shlex.quote(str(self.path))}")
            print(f"Report: {page}")


@contextmanager
def writing(path: Path, place: distributed.Place) -> Generator[None]:
    """Within this context, the first process creates and locks the run's folder. A disk error gives a GanvasError."""
    try:
        if not place.leads:
            yield
            return
        path.mkdir(parents=True, exist_ok=True)
        try:
            with held(path):
                yield
        finally:
            with suppress(OSError):
                path.rmdir()  # succeeds only if nothing was written
    except OSError as error:
        raise GanvasError(
            f"The run {path} cannot be written: {error}.",
            f"Its checkpoints are intact. Free some space, then run: ganvas train --resume {shlex.quote(str(path))}",
        ) from error


def note_rewinds(directory: Directory, trainer: Trainer) -> None:
    """Writes returns to checkpoints that are missing in the metrics, for example after a kill."""
    told = {fact.get("message") for fact in directory.facts() if fact.get("event") == "rewound"}
    for rewind in trainer.verdicts.rewinds:
        if rewind.message not in told:
            directory.record({"images": trainer.images_seen, "event": "rewound", "message": rewind.message})


def whole_batches(num: int, size: int) -> list[torch.Tensor]:
    """Rows 0 to num − 1 in batches of equal size; leftover rows are skipped.

    Packed critics need equal batches, and terms that compare examples depend on the batch size. With fewer than `size` rows,
    the size is the largest power of two that fits.
    """
    if not num:
        return []
    size = size if num >= size else 1 << (num.bit_length() - 1)
    return list(torch.arange(num - num % size).split(size))


class Recorder:
    """Writes each line of metrics to the run and shows it. Findings about the run's health get their own lines.

    watch: has read the run's lines so far. clock: the training time in seconds. Every line stores it, so a killed run can
        continue from the newest line before its checkpoint.
    """

    def __init__(self, directory: Directory, progress: Progress, watch: Watch, clock: Callable[[], float]) -> None:
        self.directory, self.progress, self.watch, self.clock = directory, progress, watch, clock
        self.tallied: dict[str, Mapping[str, float]] = {}

    def __call__(self, line: Mapping[str, Any]) -> None:
        self.directory.record({**line, "seconds": self.clock()})
        for change in self.watch.feed(line):
            clock = {name: line[name] for name in ("images", "step", "partial")}
            self.directory.record({**clock, **change.line()})
            self.progress.message(f"{line['images']:,} images: {change}")
        if "metrics" in line:
            self.tallied = {"last epoch": line["metrics"]}
        if line.get("split") == "train":
            self.progress.update(line["images"], line["images_per_second"], {**line["players"], **self.tallied})


def scores_now(evaluation: Evaluation, images: int) -> Scores:
    """The scores of each metric. A metric that fails now is skipped with a message."""
    found: dict[str, list[Score]] = {}
    for name in evaluation.protocol.metrics:
        try:
            found[name] = evaluation.scores(name)
        except GanvasError as error:
            print(f"Not measured at {images:,} images: {error.message}.", file=sys.stderr)
    return found


def draw_progress(model: Model, recipe: Recipe, data: Data, folder: Path, images: int, device: str) -> None:
    """Draws a run's pictures: samples, reconstructions, a walk between two held-out examples."""
    info, number = data.info, f"{images:09d}"
    is_image = len(info.shape) == 3
    num = 64 if is_image else 2_500
    y = torch.arange(num, device=device) % recipe.num_classes if recipe.num_classes else None
    save_picture(model.sample(num, y).cpu(), folder / f"prior-{number}.png", info)
    if not is_image or not len(data.held_out):
        return
    shown = data.held_out.batch(representative(data.held_out, 2 * PAIR_COLUMNS), device)
    if isinstance(model, Autoencoder):
        reconstruction = model.reconstruct(shown.x, shown.y)
        pairs = beside(shown.x, reconstruction).cpu()
        save_picture(pairs, folder / f"reconstruction-{number}.png", info, columns=PAIR_COLUMNS)
        walk = line_walk(model, shown.x[:1], shown.x[-1:], None if shown.y is None else shown.y[:1], steps=11)
    else:
        walk = prior_walk(model, None if y is None else y[:1], steps=11)
    save_picture(walk.cpu(), folder / f"walk-{number}.png", info, columns=11)


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def stopped_by_signals(trainer: Trainer) -> Generator[None]:
    """SIGINT and SIGTERM save and end training after the current step. A second signal ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if trainer.stopping:
            raise KeyboardInterrupt
        trainer.stop()

    try:
        old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # only the main thread receives signals
        old = {}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
