"""What happens to each line of metrics: it is written, shown, and looked at for failures of training."""

from collections.abc import Callable, Mapping
from typing import Any

from ganvas.health import Watch
from ganvas.jobs.progress import Progress
from ganvas.runs.directory import Directory
from ganvas.runs.log import Counted, Trained, line


class Recorder:
    """Writes each line of metrics to the run and shows it. Findings about the run's health get their own lines.

    watch: has read the run's lines so far. clock: the training time in seconds. Every line stores it, so a killed run can
        continue from the newest line before its checkpoint.
    """

    def __init__(self, directory: Directory, progress: Progress, watch: Watch, clock: Callable[[], float]) -> None:
        self.directory, self.progress, self.watch, self.clock = directory, progress, watch, clock
        self.tallied: dict[str, Mapping[str, float]] = {}

    def __call__(self, kind: str, /, **fields: Any) -> None:
        new = line(kind, **{**fields, "seconds": self.clock()})
        self.directory.log.append(new)
        for change in self.watch.feed(new.record()):
            clock = {name: fields[name] for name in ("images", "step", "partial")}
            self.directory.log.append(line("health", **clock, **change.line()))
            self.progress.message(f"{new.images:,} images: {change}")
        if isinstance(new, Counted):
            self.tallied = {"last epoch": new.metrics}
        if isinstance(new, Trained):
            self.progress.update(new.images, new.images_per_second or 0.0, {**new.players, **self.tallied})
