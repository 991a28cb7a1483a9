"""Where a run goes on: from its newest checkpoint, or from an earlier one after a loss that was NaN or infinite."""

import sys

from ganvas.machine import distributed
from ganvas.runs.directory import Directory
from ganvas.runs.log import Event, finite
from ganvas.runs.settings import Training
from ganvas.training import checkpoint, state
from ganvas.training.failures import Rewind
from ganvas.training.trainer import Trainer
from ganvas.training.verdicts import NotFinite

SMALLER = 0.5
"""Factor on a player's learning rate after a return to a checkpoint because of NaN or infinity."""


def restore(trainer: Trainer, directory: Directory, place: distributed.Place) -> float:
    """Loads the newest checkpoint of a run that continues. Returns the seconds that the run was trained so far.

    The first process chooses it, because others may see other files.
    """
    found = None
    if place.leads:
        found = checkpoint.newest(directory.checkpoints, warn=lambda text: print(text, file=sys.stderr))
    images = distributed.from_leader(0 if found is None else found[0]["images_seen"], trainer.device)
    if images > 0:
        facts, tensors = found or checkpoint.read(checkpoint.path_of(directory.checkpoints, images))
        trainer.restore(tensors, facts)
        return max(directory.log.seconds(), finite(facts.get("seconds")) or 0.0)
    return directory.log.seconds()


def rewind(
    trainer: Trainer,
    directory: Directory,
    place: distributed.Place,
    training: Training,
    error: NotFinite,
    beginning: state.State | None,
) -> str:
    """Returns the trainer to the newest checkpoint, or to an earlier one if that failed before.

    Players that failed take smaller steps from then on. Returns a message. The checkpoint is written again with the
    smaller steps, so that a killed run continues in the same way.
    """
    failed_at, so_far = trainer.images_seen, list(trainer.verdicts.rewinds)
    factors = {seat.player.name: seat.step_factor for seat in trainer.seats}
    images = distributed.from_leader(earlier(directory, so_far) if place.leads else 0, trainer.device)
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
        f"rewind {len(so_far) + 1} of at most {training.rewinds}: at {failed_at:,} images {last}."
        f" Returned to {images:,} images, with steps {SMALLER:g} times as large for {' and '.join(players)}"
    )
    trainer.verdicts.rewinds = [*so_far, Rewind(images, players, message)]
    trainer.verdicts.failures = []
    if place.leads:
        directory.rewind(images or -1)
        if images > 0:
            checkpoint.save(trainer, directory.checkpoints, training.keep, seconds=finite(facts.get("seconds")))
        note_rewinds(directory, trainer)
    return message


def earlier(directory: Directory, so_far: list[Rewind]) -> int:
    """The images of the checkpoint to return to; 0 for the start."""
    known = [int(path.stem) for path in checkpoint.checkpoints(directory.checkpoints)]
    if so_far and len(known) > 1 and known[-1] == so_far[-1].images:
        known.pop()  # it failed twice
    return known[-1] if known else 0


def note_rewinds(directory: Directory, trainer: Trainer) -> None:
    """Writes returns to checkpoints that are missing in the metrics, for example after a kill."""
    told = {event.message for event in directory.log.events() if event.event == "rewound"}
    for each in trainer.verdicts.rewinds:
        if each.message not in told:
            directory.log.append(Event(images=trainer.images_seen, event="rewound", message=each.message))
