"""What guards a session of training: the lock of the run's folder, signals, and the removal of a run without a step."""

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ganvas.errors import GanvasError, command
from ganvas.machine import distributed
from ganvas.machine.storage import held
from ganvas.runs.directory import Directory
from ganvas.training.trainer import Trainer
from ganvas.training.verdicts import NotFinite


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
            f"Its checkpoints are intact. Free some space, then run: {command('train', resume=path)}",
        ) from error


@contextmanager
def kept_if_trained(directory: Directory, trainer: Trainer, new: bool) -> Generator[None]:
    """Within this context, an error before the first step removes the files of a new run."""
    try:
        yield
    except BaseException as error:
        if new and trainer.steps == 0 and not isinstance(error, NotFinite):
            directory.discard()
        raise


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
