"""What a user measures: scores of one run, and runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from ganvas.data import Data, ImageOptions, Split
from ganvas.errors import GanvasError, option
from ganvas.metrics.evaluation import Protocol
from ganvas.studies import comparison
from ganvas.use.opening import as_trained, must_hold_out, trained_on, warn_of_known
from ganvas.use.run import Run


def compare(runs: Sequence[Run], out: Path, *, data: str | None = None, protocol: Protocol = Protocol()) -> Path:
    """Compares scores, pictures and costs of runs. Writes index.html (returned) and compare.json to `out`.

    data: source of held-out examples; by default the source that all runs were trained on.
    """
    sources = list(dict.fromkeys(run.settings.source for run in runs))
    if data is None and len(sources) > 1:
        raise GanvasError(
            f"These runs were trained on different data: {', '.join(sources)}.",
            f"Name the source of held-out examples for all of them: {option('data', 'SOURCE')}",
        )
    source = data or "".join(sources)
    loaded: dict[ImageOptions, Data] = {}

    def load(run: Run) -> tuple[Data, Split | str | None]:
        options = run.settings.options
        if options not in loaded:
            loaded[options] = as_trained(run, source)
            must_hold_out(source, len(loaded[options].held_out))
        warn_of_known(run, source, loaded[options])
        return loaded[options], trained_on(run, source, loaded[options])

    return comparison.compare(runs, load, source, protocol, out)
