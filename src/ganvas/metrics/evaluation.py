"""A model on its data under one protocol: applicable metrics and their scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ganvas.core.model import Model
from ganvas.data import Binarize, Data, Split
from ganvas.data.domains.codes import Coded
from ganvas.errors import GanvasError, did_you_mean, option
from ganvas.machine import rng
from ganvas.metrics.card import Score
from ganvas.metrics.catalog import METRICS, Row, evaluate, metric
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.coverage import Mixture
from ganvas.metrics.features import Classifier, FeatureNetwork, RandomNetwork
from ganvas.metrics.features.efficientnet import efficientnet
from ganvas.metrics.features.inception import inception
from ganvas.metrics.features.lenet import train_lenet
from ganvas.metrics.features.own import from_file
from ganvas.metrics.needs import Need
from ganvas.nn.efficientnet import installed
from ganvas.training.decoded import decoded
from ganvas.training.recipe import Recipe

FeaturesName = Literal["auto", "lenet", "random", "inception", "efficientnet"]

USUAL = ("fid", "kid", "prdc", "modes", "mse", "ssim", "knn", "elbo")
"""The default metrics: those of these that apply to the run and its data."""


LENET_SIDE = 128
"""The largest side of images for lenet."""

LOOKED_AT, FLAT = 256, 0.3
"""So many images are looked at; in photographs, fewer pixels than this share equal their neighbour."""


@dataclass(frozen=True)
class Protocol:
    """The protocol of scores.

    metrics: names of `METRICS`, or none for the usual ones. num: samples drawn, and held-out examples used at most.
    features: the network that images are seen through: a `FeaturesName`, "FILE.py" or "FILE.py:NAME" for that of a user's
    file (`metrics.features.own`), or a module of one's own (`metrics.features.ModuleFeatures`); "auto" chooses by
    the data: see `usual_features`.
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
            raise GanvasError(f"{option('num')} must be at least 2, not {self.num}.")
        if self.importance_samples < 1:
            raise GanvasError(f"{option('importance_samples')} must be at least 1, not {self.importance_samples}.")
        if self.weights is not None and self.features != "inception":
            raise GanvasError(
                f"{option('weights')} works only with inception.",
                f"Add {option('features', 'inception')}, or leave {option('weights')} out.",
            )
        return replace(self, metrics=tuple(dict.fromkeys(self.metrics)), features=named_features(self.features))


def named_features(features: str | FeatureNetwork) -> str | FeatureNetwork:
    """The name of a feature network, or the user's own network."""
    if isinstance(features, FeatureNetwork):
        return features
    file, colon, name = features.partition(".py:")
    if colon or features.endswith(".py"):
        return from_file(Path(f"{file}.py" if colon else features), name or None)
    if features not in get_args(FeaturesName):
        hint = did_you_mean(features, get_args(FeaturesName))
        raise GanvasError(f"There is no feature network {features!r}.", f"{hint} FILE.py is your own one.")
    return features


@dataclass
class Evaluation:
    """A model on a data set, under one protocol. Shared inputs of metrics are computed once.

    binary: whether it is a model of black and white pixels.
    untrained: the same networks before training; None for no such scores.
    decode: from codes to examples, if the model makes codes.
    """

    context: EvaluationContext
    data: Data
    protocol: Protocol
    binary: bool
    untrained: Model | None = None
    decode: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def of(
        cls,
        model: Model,
        recipe: Recipe,
        data: Data,
        protocol: Protocol,
        untrained: Model | None = None,
        trained_on: Split | str | None = None,
        decode: Callable[[Tensor], Tensor] | None = None,
    ) -> "Evaluation":
        """Of a model that the recipe made. GanvasError for a protocol that cannot be.

        trained_on: what the model has seen, where that is not the data's training split; words say why it cannot be read.
        decode: from codes to examples, if the model makes codes: they are scored as what they decode to.
        """
        protocol = protocol.checked()
        if isinstance(data.info.domain, Coded) and data.first is not None:
            decode, data = data.info.domain.decode, data.first()
        if decode is not None:
            model, untrained = decoded(model, decode), None if untrained is None else decoded(untrained, decode)
        binary = isinstance(recipe.transform, Binarize)
        context = replace(context_of(model, recipe, data, protocol), trained_on=trained_on)
        return cls(context, data, protocol, binary, untrained, decode)

    def on(self, model: Model) -> "Evaluation":
        """The same of another model."""
        shown = model if self.decode is None else decoded(model, self.decode)
        return replace(self, context=self.context.untrained(shown), untrained=None)

    def names(self) -> tuple[str, ...]:
        """The requested metrics: those of the protocol, or the applicable default ones."""
        return self.protocol.metrics or tuple(name for name in USUAL if not self.lacks(name))

    def lacks(self, name: str) -> tuple[str, str] | None:
        """Why a metric does not apply, with a hint; None if it applies."""
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
        # A model of black and white pixels is measured on black and white examples.
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
    looks = data.info.domain.kind == "images" and not seen.isdisjoint((Need.FEATURES, Need.CLASSIFIER))
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


def feature_network(protocol: Protocol, data: Data) -> FeatureNetwork:
    """The network that a protocol names, for images of the data's shape."""
    name = protocol.features
    if isinstance(name, FeatureNetwork):
        return name
    labelled = data.train.y is not None and len(data.info.classes) > 1
    if name == "auto":
        name = usual_features(data, labelled)
    if name == "random":
        channels, height, width = data.info.shape
        return RandomNetwork((channels, height, width))
    if name == "inception":
        return inception(protocol.weights)
    if name == "efficientnet":
        return efficientnet()
    if not labelled:
        raise GanvasError(
            "The features of lenet need labels, but this data has none.", f"Use {option('features', 'random')}."
        )
    return lenet(data.train, data.held_out, len(data.info.classes))


def usual_features(data: Data, labelled: bool) -> FeaturesName:
    """The network for these data: efficientnet for photographs in colour if it is installed, lenet with labels, random else.

    On a classifier trained on few photographs, untrained networks have a precision of 1.
    """
    if photographs(data.held_out.x if len(data.held_out) else data.train.x) and installed():
        return "efficientnet"
    small = all(8 <= side <= LENET_SIDE for side in data.info.shape[1:])
    return "lenet" if labelled and small else "random"


def photographs(x: Tensor) -> bool:
    """Whether images at rest (N, C, H, W) are photographs in colour: few pixels equal the one beside them.

    Measured shares: 0.03 for flowers, 0.04 for CIFAR-10, 0.64 for emoji and 0.62 for stacked digits.
    """
    if x.dim() != 4 or x.shape[1] != 3:
        return False
    some = x[:LOOKED_AT]
    return float((some[..., 1:] == some[..., :-1]).all(1).float().mean()) < FLAT


def channel_classifier(data: Data) -> Classifier | None:
    """What names each channel of stacked images; None for other data."""
    if data.channels is None:
        return None
    train, held_out = data.channels
    assert train.y is not None
    return lenet(train, held_out, int(train.y.max()) + 1)


def lenet(train: Split, held_out: Split, num_classes: int) -> Classifier:
    if train.y is None or held_out.y is None:
        raise GanvasError("The features of lenet need labels, but one split has none.")
    return train_lenet(train.x, train.y, held_out.x, held_out.y, num_classes)


def binarised(split: Split) -> Split:
    """Each pixel drawn black or white with its grey as probability: one fixed draw."""
    x = torch.bernoulli(split.x.float() / 255, generator=rng.generator("binarised")).mul(255).byte()
    return replace(split, x=x)


def facts() -> list[dict[str, Any]]:
    """All metrics: name, summary, requirements, better direction, paper."""
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
