"""A run before its data: its scores beside those of real data and of the untrained networks."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ganvas.data import Data, Split
from ganvas.data.domains.codes import Coded
from ganvas.data.domains.pictures import PAIR_COLUMNS
from ganvas.data.sources.by_name import Source
from ganvas.errors import GanvasError
from ganvas.machine.storage import atomically
from ganvas.metrics.card import versions
from ganvas.metrics.catalog import Row, metric
from ganvas.metrics.evaluation import Evaluation, Protocol
from ganvas.metrics.images import as_float
from ganvas.report import write_report
from ganvas.runs.scores import from_json, kept, protocol_of, to_json
from ganvas.use.opening import as_trained, must_hold_out, trained_on, warn_of_known
from ganvas.use.run import Run
from ganvas.use.sampling import choose

NEIGHBOURS, NUM_SUSPECTS = "neighbours.png", 32
"""A picture in a run's folder: the samples that lie closest to training data, each above its nearest training example."""


def evaluation_of(run: Run, data: Data, protocol: Protocol, trained_on: Split | str | None = None) -> Evaluation:
    """A run before `data`, beside the same networks before training. trained_on: as for `Evaluation.of`."""
    untrained = run.build().model.to(run.device).eval()
    choose(untrained, run.chosen)
    domain = run.info.domain
    decode = domain.decode if isinstance(domain, Coded) else None
    evaluation = Evaluation.of(run.model, run.recipe, data, protocol, untrained, trained_on, decode)
    return replace(evaluation, context=replace(evaluation.context, extra_notes=chosen(run), drawn=drawn(run)))


def drawn(run: Run) -> dict[str, float | int | str]:
    """The options of sampling that were given, for a card."""
    return {name: value if type(value) in (int, float) else str(value) for name, value in run.chosen.items()}


def chosen(run: Run) -> tuple[str, ...]:
    """The warning that a checkpoint was chosen by its score; none for the newest checkpoint."""
    if not run.best:
        return ()
    by = run.settings.training.keep_best or "a score"
    return (
        f"this checkpoint was chosen by {by} on held-out examples of {run.settings.source}: "
        "on those its scores look better than on new examples",
    )


def scores(run: Run, data: Data, protocol: Protocol, trained_on: Split | str | None = None) -> list[Row]:
    """Every score with its floor, and that of the same networks before training.

    Of the usual metrics, one that cannot be measured (of too few examples, say) is left out with a warning.
    """
    evaluation = evaluation_of(run, data, protocol, trained_on)
    rows: list[Row] = []
    for name in evaluation.names():
        try:
            rows += measure(run, evaluation, name)
        except GanvasError as error:
            if name in protocol.metrics:
                raise
            warnings.warn(f"{name} is left out: {error.message}", stacklevel=2)
    return rows


def measure(run: Run, evaluation: Evaluation, name: str) -> list[Row]:
    """A metric's rows. For memorisation it leaves a picture in the run, `NEIGHBOURS`, too."""
    rows = evaluation.rows(name)
    if name == "memorisation":
        seen = evaluation.context
        closest = seen.copying.closest[:NUM_SUSPECTS]
        assert seen.training is not None
        nearest = as_float(seen.training.x[seen.copying.neighbours[closest, 0]])
        pairs = run.shown.domain.picture(
            run.shown.domain.beside(seen.samples[closest], nearest, PAIR_COLUMNS), PAIR_COLUMNS
        )
        try:
            atomically(run.path / NEIGHBOURS, lambda part: pairs.save(part, "PNG"))
        except OSError as error:
            warnings.warn(f"The picture {NEIGHBOURS} is left out: {error}.", stacklevel=2)
    return rows


def evaluate(run: Run, data: Source | None = None, *, protocol: Protocol = Protocol()) -> list[Row]:
    """Scores of a run on a source's held-out examples (by default its own), kept in the run's evaluation.json.

    data: as `train` takes it; needed for a run that cannot open its own. The run's page, if it has one, is updated.
    Warns if the run's folder cannot be written.
    """
    kept(run.path)  # a damaged file is named before anything is measured
    loaded = as_trained(run, run.settings.source if data is None else data)
    source = loaded.source
    must_hold_out(source, len(loaded.held_out))
    warn_of_known(run, source, loaded)
    rows = scores(run, loaded, protocol, trained_on(run, source, loaded))
    if keep(run, rows, source, protocol) and (run.path / "report.html").exists():
        write_report(run.path)
    return rows


def keep(run: Run, rows: Sequence[Row], source: str, protocol: Protocol) -> bool:
    """Adds the rows to the run's evaluation.json; a score of the same name and card takes the older one's place.

    Warns and returns False if the file cannot be written.
    """
    path = run.path / "evaluation.json"
    about = {"data": source, "images": run.images_seen, "asked": asked(protocol)}
    new: list[dict[str, Any]] = [{**about, **to_json(row)} for row in rows]
    names = {(entry["score"]["name"], json.dumps(protocol_of(entry))) for entry in new}
    old = [e for e in kept(run.path) if (e["score"]["name"], json.dumps(protocol_of(e))) not in names]
    try:
        atomically(path, lambda part: part.write_text(json.dumps([*old, *new], indent=2)))
    except OSError as error:
        warnings.warn(f"The run does not keep these scores: {path} cannot be written: {error}.", stacklevel=3)
        return False
    return True


def recall(run: Run, evaluation: Evaluation, name: str) -> list[Row]:
    """The rows that measuring a metric would give again, from the run's evaluation.json; none when it must be measured.

    That is so for the same weights, examples, feature network, settings, seed and versions.
    """
    here, _ = evaluation.contexts(name)
    seen = [n for n in (here.features, here.channel_classifier) if n is not None]
    networks = [(None, None), *((n.name, n.fingerprint) for n in seen)]

    def same(entry: dict[str, Any]) -> bool:
        card = entry["score"]["card"]
        return (
            card["metric"] == name
            and entry["images"] == run.images_seen
            and entry.get("asked") == asked(evaluation.protocol)
            and card["data"] == here.data
            and (card["features"], card["features_hash"]) in networks
            and card["split"] == here.split
            and here.marks(metric(name).needs).items() <= card.get("settings", {}).items()  # older cards lack them
            and set(here.notes) <= set(card["notes"])
            and card["versions"] == versions()
        )

    return [from_json(entry) for entry in kept(run.path) if same(entry)]


def asked(protocol: Protocol) -> dict[str, Any]:
    """The parts of a protocol that change scores, except the examples and the feature network, which cards name by hash."""
    return {"num": protocol.num, "importance samples": protocol.importance_samples, "seed": protocol.seed}
