"""Whether the data of a run are those that it was trained on."""

import sys
from pathlib import Path

from ganvas.data import Data, identity
from ganvas.data.identity import Identity
from ganvas.errors import GanvasError, option
from ganvas.machine import distributed

DATA_CHANGED = (
    f"Restore the old data, start a new run, or continue with the changed data: {option('changed_data', True)}"
)


def identity_of(
    path: Path | None, loaded: Data, place: distributed.Place, changed_data: bool, quiet: bool
) -> Identity | None:
    """The data identity for a run to write; None if nothing changed. path: of a run that continues.

    Prints differences, and the number of examples in both splits. Raises GanvasError for changed data, unless changes are
    allowed. Only the first process checks, because others may see other files.
    """
    if not place.leads:
        return None
    now = Identity.of(loaded)
    then = None if path is None else identity.read(path)
    messages: list[str] = []
    found: Identity | None = None
    if then is None:
        found = now
    elif different := then.differences(now):
        what = "; ".join(different)
        if not changed_data:
            raise GanvasError(f"The data of the run {path} have changed: {what}.", DATA_CHANGED)
        messages.append(f"The data have changed: {what}.")
        found = then.followed_by(now, what)
    elif then.reordered(now):
        messages.append("The training examples have another order: batches differ from those of an uninterrupted run.")
    if path is None:
        messages += loaded.notes
        messages += [f"Not used: {u.num:,} pictures: {u.reason}." for u in loaded.unused if u.pictures]
        messages += [identity.both_sides(now)] if now.on_both_sides else []
    if not quiet:
        for message in messages:
            print(message, file=sys.stderr)
    return found
