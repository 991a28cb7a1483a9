"""Which moves were taken and which failed, and why."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.core.model import Terms
from ganvas.errors import GanvasError
from ganvas.training.failures import BAD_DATA, LOOK_AT_IT, Failure, Norms, Rewind, likely_cause
from ganvas.training.means import Mean
from ganvas.training.seats import Seat
from ganvas.training.state import count


class NotFinite(GanvasError):
    """Too many steps in a row had a NaN or infinite term or gradient. failures: what failed in them."""

    def __init__(self, message: str, hint: str = "", failures: Sequence[Failure] = ()) -> None:
        super().__init__(message, hint)
        self.failures = tuple(failures)


@dataclass(frozen=True)
class Move:
    """A player's move. Until it is looked at, only the device may know whether it was taken.

    norms: of the earlier moves of its kind. sound: whether all was finite. taken: whether it was sound and its gradient not
    too large. counted: whether its terms are in the means. data: whether the batch was finite, if that was looked at.
    """

    step: int
    seat: Seat
    terms: Terms
    norms: Norms
    sound: Tensor | bool
    taken: Tensor | bool
    counted: bool
    data: Tensor | None


class Verdicts:
    """Reads which moves were taken, counts those that were not, and stops training after too many failures.

    patience: so many failures in a row raise `NotFinite`. terms, norms: the means to correct for moves not taken.
    """

    def __init__(self, patience: int, terms: Mean, norms: Mean) -> None:
        self.patience, self.terms, self.norms = patience, terms, norms
        self.moves: list[Move] = []  # since the last check
        self.failures: list[Failure] = []
        self.skipped_steps = 0
        self.skipped_moves = 0  # because of their gradient norm
        self.rewinds: list[Rewind] = []

    def look(self, batch: Batch | None = None) -> None:
        """Reads which moves were taken since the last look. Raises NotFinite if too many in a row were not.

        batch: of the newest step, if it is still at hand.
        """
        moves, self.moves = self.moves, []
        if not moves:
            return
        flags = read([flag for move in moves for flag in (move.sound, move.taken)])
        judged = zip(moves, flags[::2], flags[1::2], strict=True)
        for _, group in itertools.groupby(judged, key=lambda judgement: judgement[0].step):
            failures: list[Failure] = []
            for move, sound, taken in group:
                if not taken and move.counted:
                    self.terms.forget(move.seat.player.name, move.terms)
                    self.norms.forget("gradient", [move.seat.player.name])
                if not sound:
                    failures.append(failure(move, batch))
                elif not taken:
                    self.skipped_moves += 1
            self.note(failures)

    def sound(self, step: int) -> list[Tensor | bool]:
        """Of each move of a step that was not looked at yet, whether all was finite."""
        return [move.sound for move in self.moves if move.step == step]

    def failed(self, step: int) -> bool:
        """Whether a move of a step is known to have failed."""
        return any(flag is False for flag in self.sound(step))

    def note(self, failures: list[Failure]) -> None:
        """failures: of one step."""
        if not failures:
            self.failures = []
            return
        self.failures += failures
        self.skipped_steps += 1
        if len(self.failures) >= self.patience:
            raise NotFinite(
                f"{len(self.failures)} moves in a row gave NaN or infinity; the last: {failures[-1]}.",
                f"All of them were skipped. {failures[-1].advice}",
                self.failures,
            )

    def state(self) -> dict[str, Any]:
        """Facts that JSON keeps."""
        return {
            "skipped_steps": self.skipped_steps,
            "skipped_moves": self.skipped_moves,
            "failures": [asdict(failure) for failure in self.failures],
            "rewinds": [asdict(rewind) for rewind in self.rewinds],
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """The opposite of `state`. Checkpoints of earlier versions hold failures as sentences, and less of the rest."""
        self.moves = []
        self.skipped_steps, self.skipped_moves = count(facts["skipped_steps"]), count(facts.get("skipped_moves", 0))
        self.failures = [failure_of(known) for known in facts["failures"] if isinstance(known, dict)]
        self.rewinds = [rewind_of(known) for known in facts.get("rewinds", [])]


def failure(move: Move, batch: Batch | None) -> Failure:
    """What went wrong in a move, and the likely cause."""
    broken = {name: float(v) for name, v in move.terms.items() if not torch.isfinite(v)}
    what = ", ".join(f"{name} is {value}" for name, value in broken.items())
    what = what or f"the gradient of {' + '.join(move.terms)} is NaN or infinite"
    data = move.data if batch is None else torch.isfinite(batch.x).all()
    if data is not None and not bool(data):
        return Failure(move.step, move.seat.player.name, what, BAD_DATA, LOOK_AT_IT)
    largest = max((float(p.detach().abs().max()) for p in move.seat.parameters if p.numel()), default=0.0)
    cause, advice = likely_cause(broken, move.norms.to_list(), largest)
    return Failure(move.step, move.seat.player.name, what, cause, advice)


def failure_of(facts: Mapping[str, Any]) -> Failure:
    words = {name: str(facts[name]) for name in ("player", "what", "cause", "advice")}
    return Failure(step=count(facts["step"]), **words)


def rewind_of(facts: Mapping[str, Any]) -> Rewind:
    return Rewind(count(facts["images"]), tuple(map(str, facts["players"])), str(facts["message"]))


def read(flags: Sequence[Tensor | bool]) -> list[bool]:
    """Reads all flags with one transfer from the device."""
    unsure = [flag for flag in flags if isinstance(flag, Tensor)]
    seen = iter(torch.stack(unsure).tolist() if unsure else ())
    return [flag if isinstance(flag, bool) else next(seen) for flag in flags]
