"""A run before its data: which protocol applies, the scores, and where they are kept."""

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from ganvas import rng
from ganvas.data import Binarize, Data, Split, picture
from ganvas.errors import GanvasError, did_you_mean
from ganvas.metrics.card import Score, versions
from ganvas.metrics.catalog import METRICS, Row, evaluate, metric
from ganvas.metrics.context import EvaluationContext, Need
from ganvas.metrics.coverage import Mixture
from ganvas.metrics.efficientnet import efficientnet
from ganvas.metrics.features import Classifier, FeatureNetwork, RandomNetwork
from ganvas.metrics.images import as_float
from ganvas.metrics.inception import inception
from ganvas.metrics.lenet import train_lenet
from ganvas.metrics.own_features import from_file
from ganvas.model import Model
from ganvas.pictures import PAIR_COLUMNS, beside, writing
from ganvas.recipe import Recipe
from ganvas.runs import Run
from ganvas.storage import atomically, read_list

FeaturesName = Literal["auto", "lenet", "random", "inception", "efficientnet"]

NEIGHBOURS, NUM_SUSPECTS = "neighbours.png", 32
"""A picture in a run's folder: the samples that lie closest to training data, each above its nearest training example."""

USUAL = ("fid", "kid", "prdc", "modes", "mse", "ssim", "knn", "elbo")
"""What is measured when nobody says what: those of these that the run and its data can give."""


@dataclass(frozen=True)
class Protocol:
    """How scores are taken.

    metrics: names of `METRICS`, or none for the usual ones. num: samples drawn, and held-out examples used at most.
    features: the network that images are seen through: a `FeaturesName`, "FILE.py" or "FILE.py:NAME" for that of a user's
    file (`metrics.own_features`), or a module of one's own (`metrics.features.ModuleFeatures`); "auto" is lenet where the
    data has classes, and else random.
    weights: a file of weights for inception. importance_samples: codes an example for −log p.
    """

    metrics: tuple[str, ...] = ()
    num: int = 10_000
    features: str | FeatureNetwork = "auto"
    weights: Path | None = None
    importance_samples: int = 5_000
    seed: int = 0

    def checked(self) -> "Protocol":
        """The same without repetitions, and with the network of a user's file, which is executed, for the file's name.

        GanvasError for names that are no metrics or networks, too small a number, and weights for no network.
        """
        for name in self.metrics:
            metric(name)
        if self.num < 2:
            raise GanvasError(f"--num must be at least 2, not {self.num}.")
        if self.importance_samples < 1:
            raise GanvasError(f"--importance-samples must be at least 1, not {self.importance_samples}.")
        if self.weights is not None and self.features != "inception":
            raise GanvasError("--weights are inception's.", "Give --features inception, too, or leave them out.")
        return replace(self, metrics=tuple(dict.fromkeys(self.metrics)), features=named_features(self.features))


def named_features(features: str | FeatureNetwork) -> str | FeatureNetwork:
    """The name of a feature network, or the network itself where it is the user's."""
    if isinstance(features, FeatureNetwork):
        return features
    file, colon, name = features.partition(".py:")
    if colon or features.endswith(".py"):
        return from_file(Path(f"{file}.py" if colon else features), name or None)
    if features not in get_args(FeaturesName):
        hint = did_you_mean(features, get_args(FeaturesName))
        raise GanvasError(f"There is no feature network {features!r}.", f"{hint} FILE.py is one of your own.")
    return features


@dataclass
class Evaluation:
    """A model before a data set, under one protocol; what several of its metrics need is made once.

    binary: whether it is a model of black and white pixels.
    untrained: the same networks before training; None for no such scores.
    """

    context: EvaluationContext
    data: Data
    protocol: Protocol
    binary: bool
    untrained: Model | None = None

    @classmethod
    def of(
        cls,
        model: Model,
        recipe: Recipe,
        data: Data,
        protocol: Protocol,
        untrained: Model | None = None,
        trained_on: Split | str | None = None,
    ) -> "Evaluation":
        """Of a model that the recipe made. GanvasError for a protocol that cannot be.

        trained_on: what the model has seen, where that is not the data's training split; words say why it cannot be read.
        """
        protocol = protocol.checked()
        binary = isinstance(recipe.transform, Binarize)
        context = replace(context_of(model, recipe, data, protocol), trained_on=trained_on)
        return cls(context, data, protocol, binary, untrained)

    def on(self, model: Model) -> "Evaluation":
        """The same of another model."""
        return replace(self, context=self.context.untrained(model), untrained=None)

    def names(self) -> tuple[str, ...]:
        """The metrics asked for: those of the protocol, or what can be had of the usual ones."""
        return self.protocol.metrics or tuple(name for name in USUAL if not self.lacks(name))

    def lacks(self, name: str) -> tuple[str, str] | None:
        """Why a metric cannot be had, and what would help; None when it can."""
        return next(filter(None, map(self.contexts(name)[0].lacks, metric(name).needs)), None)

    def rows(self, name: str) -> list[Row]:
        """A metric's scores, with those of real data and of the untrained networks."""
        here, before = self.contexts(name)
        return evaluate(here, [name], before)

    def scores(self, name: str) -> list[Score]:
        """A metric's scores alone."""
        return metric(name).compute(self.contexts(name)[0])

    def contexts(self, name: str) -> tuple[EvaluationContext, EvaluationContext | None]:
        """Where a metric is taken: of the model, and of the untrained networks."""
        # What a model of black and white pixels is asked of examples, it is asked of such examples.
        binary = self.binary and Need.LIKELIHOOD in metric(name).needs
        return (self.binarised, self.binarised_before) if binary else (self.context, self.before)

    @cached_property
    def before(self) -> EvaluationContext | None:
        return None if self.untrained is None else self.context.untrained(self.untrained)

    @cached_property
    def binarised(self) -> EvaluationContext:
        train, held_out = binarised(self.data.train), binarised(self.data.held_out)
        return replace(self.context, train=train, held_out=held_out, grey=self.context)

    @cached_property
    def binarised_before(self) -> EvaluationContext | None:
        return None if self.untrained is None else self.binarised.untrained(self.untrained)


def context_of(model: Model, recipe: Recipe, data: Data, protocol: Protocol) -> EvaluationContext:
    """The model before `data`, with a feature network if a metric needs one."""
    names = protocol.metrics or USUAL
    seen = {need for name in names for need in metric(name).needs}
    looks = len(data.info.shape) == 3 and not seen.isdisjoint((Need.FEATURES, Need.CLASSIFIER))
    features = feature_network(protocol, data) if looks else None
    modes = data.info.modes
    return EvaluationContext(
        data.train,
        data.held_out,
        model=model,
        features=features,
        classifier=features if isinstance(features, Classifier) else None,
        mixture=Mixture(torch.tensor(modes.centres), modes.sigma) if modes else None,
        channel_classifier=channel_classifier(data) if "modes" in names else None,
        num=protocol.num,
        seed=protocol.seed,
        importance_samples=protocol.importance_samples,
        conditional=recipe.num_classes > 0,
    )


def evaluation_of(run: Run, data: Data, protocol: Protocol, trained_on: Split | str | None = None) -> Evaluation:
    """A run before `data`, beside the same networks before training. trained_on: as for `Evaluation.of`."""
    return Evaluation.of(run.model, run.recipe, data, protocol, run.build().model.to(run.device).eval(), trained_on)


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
        pairs = picture(beside(seen.samples[closest], nearest), columns=PAIR_COLUMNS, info=run.info)
        with writing(run.path / NEIGHBOURS):
            atomically(run.path / NEIGHBOURS, lambda part: pairs.save(part, "PNG"))
    return rows


def feature_network(protocol: Protocol, data: Data) -> FeatureNetwork:
    """The network that a protocol names, for images of the data's shape."""
    name = protocol.features
    if isinstance(name, FeatureNetwork):
        return name
    labelled = data.train.y is not None and len(data.info.classes) > 1
    if name == "auto":
        name = "lenet" if labelled else "random"
    if name == "random":
        channels, height, width = data.info.shape
        return RandomNetwork((channels, height, width))
    if name == "inception":
        return inception(protocol.weights)
    if name == "efficientnet":
        return efficientnet()
    if not labelled:
        raise GanvasError(
            "The features of lenet are learnt from labels, and this data has none.", "Use --features random."
        )
    return lenet(data.train, data.held_out, len(data.info.classes))


def channel_classifier(data: Data) -> Classifier | None:
    """What names each channel of stacked images; None for other data."""
    if data.channels is None:
        return None
    train, held_out = data.channels
    assert train.y is not None
    return lenet(train, held_out, int(train.y.max()) + 1)


def lenet(train: Split, held_out: Split, num_classes: int) -> Classifier:
    if train.y is None or held_out.y is None:
        raise GanvasError("The features of lenet are learnt from labels, and one split has none.")
    return train_lenet(train.x, train.y, held_out.x, held_out.y, num_classes)


def binarised(split: Split) -> Split:
    """Each pixel drawn black or white with its grey as probability: one fixed draw."""
    x = torch.bernoulli(split.x.float() / 255, generator=rng.generator("binarised")).mul(255).byte()
    return replace(split, x=x)


def keep(run: Run, rows: Sequence[Row], source: str, protocol: Protocol) -> Path:
    """Adds the rows to the run's evaluation.json; a score of the same name and card takes the older one's place."""
    path = run.path / "evaluation.json"
    about = {"data": source, "images": run.images_seen, "asked": asked(protocol)}
    new: list[dict[str, Any]] = [{**about, **to_json(row)} for row in rows]
    names = {(entry["score"]["name"], json.dumps(protocol_of(entry))) for entry in new}
    old = [e for e in kept(run.path) if (e["score"]["name"], json.dumps(protocol_of(e))) not in names]
    try:
        return atomically(path, lambda part: part.write_text(json.dumps([*old, *new], indent=2)))
    except OSError as error:
        raise GanvasError(f"The scores cannot be written to {path}: {error}.") from error


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
    """What of a protocol changes scores, but for the examples and the feature network, which cards name by their hash."""
    return {"num": protocol.num, "importance samples": protocol.importance_samples, "seed": protocol.seed}


def kept(path: Path) -> list[dict[str, Any]]:
    """The scores that a run keeps; none when there are none. GanvasError when the file is damaged."""
    file = path / "evaluation.json"
    if not file.exists():
        return []
    try:
        entries = read_list(file)
        for entry in entries:
            check_entry(entry)
        return entries
    except (OSError, ValueError, KeyError, TypeError, OverflowError, GanvasError) as error:
        words = error.message if isinstance(error, GanvasError) else str(error)
        raise GanvasError(f"{file} is damaged: {words}.", "Remove it and evaluate again.") from error


def check_entry(entry: dict[str, Any]) -> None:
    """Raises an error unless `entry` is as `keep` writes one."""
    from_json(entry)
    images, data = entry["images"], entry["data"]
    if not isinstance(images, int) or isinstance(images, bool) or not isinstance(data, str):
        raise TypeError("an entry does not name its data or the images seen")


def protocol_of(entry: dict[str, Any]) -> dict[str, Any]:
    """A score's card without what changes from one evaluation to the next, or follows from the run and the rest."""
    card = {key: value for key, value in entry["score"]["card"].items() if key not in ("versions", "notes")}
    settings = card.get("settings", {}).items()
    return card | {"settings": {key: value for key, value in settings if key not in ("likelihood", "training data")}}


def to_json(row: Row) -> dict[str, Any]:
    named = {"score": row.score, "floor": row.floor, "untrained": row.untrained}
    return {name: None if score is None else score.to_dict() for name, score in named.items()}


def from_json(entry: dict[str, Any]) -> Row:
    """The opposite of `to_json`."""
    score, floor, untrained = (
        None if entry[n] is None else Score.from_dict(entry[n]) for n in ("score", "floor", "untrained")
    )
    if score is None:
        raise ValueError("an entry has no score")
    return Row(score, floor, untrained)


def rounded(score: Score | None) -> str:
    """A score with as many digits as its error allows; "" for none."""
    return "" if score is None else with_error(score.value, score.error)


def with_error(value: float, error: float | None) -> str:
    """A value with as many digits as its error allows: 92.41 ± 0.12."""
    # KID over subsets that are the whole set has a deviation of rounding alone.
    if error is None or not math.isfinite(value) or error <= 1e-9 * abs(value):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
    digits = max(0, min(6, 1 - math.floor(math.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def facts() -> list[dict[str, Any]]:
    """All metrics: name, what each is, what it needs, which way is better, its paper."""
    return [
        {
            "name": m.name,
            "summary": m.summary,
            "needs": [str(need) for need in m.needs],
            "better": m.better,
            "paper": m.paper,
        }
        for m in METRICS.values()
    ]
