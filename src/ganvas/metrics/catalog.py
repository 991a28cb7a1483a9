"""All metrics by name: what each needs, which way is better, where it comes from; and their scores on a context."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ganvas.core.model import Classifies
from ganvas.errors import GanvasError, did_you_mean
from ganvas.metrics import codes, disentanglement, reconstruction, representation
from ganvas.metrics.card import Better, Card, Score
from ganvas.metrics.context import EvaluationContext, Need
from ganvas.metrics.coverage import mixture_coverage, stacked_coverage
from ganvas.metrics.features import FeatureNetwork, probabilities
from ganvas.metrics.fid import frechet_distance
from ganvas.metrics.images import as_float
from ganvas.metrics.inception_score import inception_score
from ganvas.metrics.kid import kernel_distance
from ganvas.metrics.lenet import LeNet
from ganvas.metrics.likelihood import bits_per_dimension
from ganvas.metrics.prdc import prdc
from ganvas.metrics.sliced_wasserstein import PROJECTIONS, sliced_wasserstein

Value = float | tuple[float, float]

TREE_EXAMPLES = 2_000
"""Examples for DCI's boosted trees, whose cost grows with examples times classes (10,000 in published tables)."""

MUTUAL_INFORMATION_EXAMPLES = 5_000


@dataclass(frozen=True)
class Reading:
    """What a metric read off a context: values (with errors, where it has them) by score name, and their protocol."""

    values: dict[str, Value]
    num_samples: int
    num_reference: int | None = None
    network: FeatureNetwork | None = None
    settings: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """One entry of the catalog.

    needs: what a context must have. better: which way its scores improve; `reverse` names those that go the other way.
    has_floor: whether real training data in place of samples show the best value that can be hoped for.
    gives: names of its scores, where there are others than its own.
    enough: the value from which on better is no merit: of samples further from the training set than new data are, no run
    has copied less. traded: beginnings of the names of scores that are bought with others, so that alone none is a merit.
    """

    name: str
    summary: str
    needs: tuple[Need, ...]
    better: Better
    paper: str
    measure: Callable[[EvaluationContext], Reading] = field(repr=False)
    reverse: tuple[str, ...] = ()
    has_floor: bool = False
    gives: tuple[str, ...] = ()
    enough: float | None = None
    traded: tuple[str, ...] = ()

    def compute(self, context: EvaluationContext) -> list[Score]:
        """Its scores, each with its card; GanvasError where the context lacks what it needs."""
        for need in self.needs:
            lack = context.lacks(need)
            if lack:
                raise GanvasError(f"the metric {self.name!r} cannot be had: {lack[0]}", lack[1])
        reading = self.measure(context)
        card = self._card(context, reading)
        return [self._score(name, value, card) for name, value in reading.values.items()]

    def merit(self, score: Score) -> float | None:
        """What runs are ranked by on that score of its; None where they are not."""
        if self.traded and score.name.startswith(self.traded):
            return None
        limit = min if score.better == "higher" else max
        return score.value if self.enough is None else limit(score.value, self.enough)

    def floor(self, context: EvaluationContext) -> list[Score]:
        """Its scores for real training data against the same held-out data; none for a metric of the model itself."""
        return self.compute(context.floor) if self.has_floor else []

    def _score(self, name: str, value: Value, card: Card) -> Score:
        number, error = value if isinstance(value, tuple) else (value, None)
        if math.isnan(number):
            raise GanvasError(
                f"the metric {name!r} is not a number here", "Look at the samples: has the model diverged?"
            )
        if error is not None and not math.isfinite(error):
            error = None  # of one example, or of a perfect reconstruction's infinite PSNR, there is no standard error
        other: Better = "lower" if self.better == "higher" else "higher"
        return Score(name, number, error, other if name in self.reverse else self.better, card)

    def _card(self, context: EvaluationContext, reading: Reading) -> Card:
        network = reading.network
        return Card(
            metric=self.name,
            data=context.data,
            split=context.split,
            num_samples=reading.num_samples,
            num_reference=reading.num_reference,
            features=network.name if network else None,
            features_hash=network.fingerprint if network else None,
            resize=network.resize if network else None,
            settings=reading.settings | context.marks(self.needs),
            seed=context.seed,
            notes=(*context.notes, *reading.notes),
        )


@dataclass(frozen=True)
class Row:
    """A score between what frames it: the floor of real data, and the untrained networks; None where there is none."""

    score: Score
    floor: Score | None
    untrained: Score | None


def metric(name: str) -> Metric:
    """The metric of that name; GanvasError with the nearest names where there is none."""
    if name not in METRICS:
        giver = next((m.name for m in METRICS.values() if name.casefold() in m.gives), None)
        hint = did_you_mean(name, METRICS) if giver is None else f"It is one of the scores of the metric {giver!r}."
        raise GanvasError(f"no metric {name!r}", hint)
    return METRICS[name]


def evaluate(context: EvaluationContext, names: Sequence[str], untrained: EvaluationContext | None = None) -> list[Row]:
    """Rows of all scores of the named metrics. untrained: see `EvaluationContext.untrained`.

    Warns if evaluation examples are, or may be, training examples. The context's `extra_notes` are on the cards alone.
    """
    metrics = [metric(name) for name in names]
    for note in context.notes:
        if note not in context.extra_notes:
            warnings.warn(note, stacklevel=2)
    rows: list[Row] = []
    for each in metrics:
        scores = each.compute(context)
        floors = {score.name: score for score in each.floor(context)}
        before = {score.name: score for score in each.compute(untrained)} if untrained else {}
        rows += [Row(score, floors.get(score.name), before.get(score.name)) for score in scores]
    return rows


def _fid(c: EvaluationContext) -> Reading:
    num, num_features = len(c.held_out.x), c.reference_features.shape[1]
    if num <= num_features:
        raise GanvasError(
            f"the evaluation set is too small: it holds out {num} examples, and a covariance of {num_features} features "
            f"needs at least {num_features + 1}",
            "More samples would not help. KID has no such limit.",
        )
    value = frechet_distance(c.reference_features, c.sample_features)
    return Reading({"fid": value}, len(c.samples), len(c.x), c.features)


def _kid(c: EvaluationContext) -> Reading:
    value = kernel_distance(c.reference_features, c.sample_features)
    return Reading({"kid": value}, len(c.samples), len(c.x), c.features, {"estimator": "all pairs"})


def _prdc(c: EvaluationContext) -> Reading:
    found = prdc(c.reference_features, c.sample_features, c.k, c.seed)
    scores = (found.precision, found.recall, found.density, found.coverage)
    names = ("precision", "recall", "density", "coverage")
    values: dict[str, Value] = dict(zip(names, zip(scores, found.errors, strict=True), strict=True))
    return Reading(values, len(c.samples), len(c.x), c.features, {"k": c.k})


def _is(c: EvaluationContext) -> Reading:
    assert c.naming is not None
    value = inception_score(probabilities(c.naming, c.samples), c.seed)
    return Reading({"is": value}, len(c.samples), None, c.naming, {"splits": 10})


def _swd(c: EvaluationContext) -> Reading:
    num = min(len(c.x), len(c.samples))
    value = sliced_wasserstein(as_float(c.x[:num]), c.samples[:num], c.seed)
    return Reading({"swd": value}, num, num, None, {"projections": PROJECTIONS})


def _memorisation(c: EvaluationContext) -> Reading:
    assert c.training is not None
    settings: dict[str, float | int | str] = {"train": len(c.training.x)}
    return Reading({"memorisation": (c.copying.share, c.copying.error)}, len(c.samples), len(c.x), c.features, settings)


def _elbo(c: EvaluationContext) -> Reading:
    bound = c.bound
    values: dict[str, Value] = {
        "elbo": _mean(-bound.negative_elbo),
        "distortion": _mean(bound.distortion),
        "rate": _mean(bound.rate),
    }
    return Reading(values, len(c.x), notes=c.likelihood_notes)


def _nll(c: EvaluationContext) -> Reading:
    return Reading({"nll": _mean(c.nll)}, len(c.x), settings=_importance(c), notes=c.likelihood_notes)


def _bpd(c: EvaluationContext) -> Reading:
    bits = bits_per_dimension(c.nll, c.x[0].numel())
    return Reading({"bpd": _mean(bits)}, len(c.x), settings=_importance(c))


def _importance(c: EvaluationContext) -> dict[str, float | int | str]:
    return {"importance samples": c.importance_samples}


def _reconstructed(name: str, measure: Callable[[Tensor, Tensor], Tensor]) -> Callable[[EvaluationContext], Reading]:
    def read(c: EvaluationContext) -> Reading:
        return Reading({name: _mean(measure(as_float(c.x), c.reconstructions))}, len(c.x))

    return read


def _lpd(c: EvaluationContext) -> Reading:
    assert c.features is not None
    value = _mean(reconstruction.perceptual_distance(c.features, c.x, c.reconstructions))
    return Reading({"lpd": value}, len(c.x), None, c.features)


def _sharpness(c: EvaluationContext) -> Reading:
    value = reconstruction.sharpness(as_float(c.x), c.reconstructions)
    notes = ("above 1: rougher than the originals",) if value[0] > 1 else ()
    return Reading({"sharpness": value}, len(c.x), notes=notes)


def _label_accuracy(c: EvaluationContext) -> Reading:
    assert isinstance(c.model, Classifies) and c.y is not None
    known = c.y >= 0
    right = (codes.named(c.model, c.x[known]) == c.y[known]).double()
    return Reading({"label-accuracy": _mean(right)}, len(right))


def _class_accuracy(c: EvaluationContext) -> Reading:
    assert c.naming is not None and c.asked is not None
    known = c.asked >= 0
    right = (probabilities(c.naming, c.samples).argmax(1) == c.asked)[known].double()
    settings: dict[str, float | int | str] = {}
    if isinstance(c.naming, LeNet):
        settings["the classifier's own accuracy"] = c.naming.accuracy
    return Reading({"class-accuracy": _mean(right)}, len(right), None, c.naming, settings)


def _active_units(c: EvaluationContext) -> Reading:
    settings: dict[str, float | int | str] = {
        "threshold": representation.ACTIVE_THRESHOLD,
        "dimensions": c.codes.shape[1],
    }
    return Reading({"active-units": representation.active_units(c.codes)}, len(c.x), settings=settings)


def _dimension_rates(c: EvaluationContext) -> Reading:
    rates = representation.rate_per_dimension(c.posteriors, c.autoencoder.prior())
    return Reading({f"rate-{i}": _mean(rate) for i, rate in enumerate(rates.unbind(1))}, len(c.x))


def _mutual_information(c: EvaluationContext) -> Reading:
    chosen: list[torch.distributions.Distribution] = []
    num = 0
    for q in c.posteriors:
        if num >= MUTUAL_INFORMATION_EXAMPLES:
            break
        chosen.append(q)
        num += len(q.mean)
    value = _mean(representation.mutual_information(chosen, c.seed))
    ceiling = math.log(num)
    notes = (
        (f"near its ceiling log {num} = {ceiling:.2f} nats: read as a lower bound",) if value[0] > ceiling - 0.5 else ()
    )
    return Reading({"mutual-information": value}, num, notes=notes)


def _probe(c: EvaluationContext) -> Reading:
    train, test = _labelled_codes(c)
    right = representation.linear_probe(*train, *test, c.seed)
    return Reading({"probe": _mean(right)}, len(test[0]), len(train[0]))


def _knn(c: EvaluationContext) -> Reading:
    train, test = _labelled_codes(c)
    right = representation.nearest_neighbour(*train, *test)
    return Reading({"knn": _mean(right)}, len(test[0]), len(train[0]))


def _labelled_codes(c: EvaluationContext) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Codes and labels of the labelled training and held-out examples."""
    assert c.train.y is not None and c.y is not None
    train_y = c.train.y[c.train_reference]
    known, test_known = train_y >= 0, c.y >= 0
    return (c.train_codes[known], train_y[known]), (c.label_free_codes[test_known], c.y[test_known])


def _on_factors(
    name: str, measure: Callable[[disentanglement.Floats, disentanglement.Integers, int], disentanglement.Scored]
) -> Callable[[EvaluationContext], Reading]:
    """A disentanglement score that is taken on held-out codes alone."""

    def read(c: EvaluationContext) -> Reading:
        (codes, factors), _ = _factor_codes(c)
        return Reading({name: measure(codes, factors, c.seed)}, len(codes))

    return read


def _factor_codes(
    c: EvaluationContext,
) -> tuple[
    tuple[disentanglement.Floats, disentanglement.Integers], tuple[disentanglement.Floats, disentanglement.Integers]
]:
    """Codes and factors, held-out first, then training; class numbers mean the same in both."""
    assert c.held_out.factors is not None and c.train.factors is not None
    held, train = c.held_out.factors[c.reference], c.train.factors[c.train_reference]
    factors = disentanglement.discrete(np.concatenate([held.numpy(), train.numpy()]))
    codes, train_codes = c.label_free_codes.double().numpy(), c.train_codes.double().numpy()
    return (codes, factors[: len(codes)]), (train_codes, factors[len(codes) :])


def _sap(c: EvaluationContext) -> Reading:
    held, train = _factor_codes(c)
    values: dict[str, Value] = {"sap": disentanglement.sap(*held), "sap-svm": disentanglement.sap_svm(*train, *held)}
    return Reading(values, len(held[0]), len(train[0]))


def _dci(c: EvaluationContext) -> Reading:
    (codes, factors), (train_codes, train_factors) = _factor_codes(c)
    codes, train_codes = codes[:TREE_EXAMPLES], train_codes[:TREE_EXAMPLES]
    found = disentanglement.dci(train_codes, train_factors[:TREE_EXAMPLES], codes, factors[:TREE_EXAMPLES], c.seed)
    values: dict[str, Value] = {
        "disentanglement": found.disentanglement,
        "completeness": found.completeness,
        "informativeness": found.informativeness,
    }
    return Reading(values, len(codes), len(train_codes))


def _modes(c: EvaluationContext) -> Reading:
    if c.mixture is not None:
        found, network = mixture_coverage(c.samples, c.mixture), None
    else:
        assert c.channel_classifier is not None
        found, network = stacked_coverage(c.samples, c.channel_classifier), c.channel_classifier
    values: dict[str, Value] = {"modes": found.modes}
    if found.high_quality is not None:
        values["high-quality"] = found.high_quality
    values["reverse-kl"] = found.reverse_kl
    return Reading(values, len(c.samples), None, network, {"modes": found.num_modes})


def _mean(values: Tensor) -> tuple[float, float]:
    """Mean over examples, and its standard error."""
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


_SAMPLED = (Need.SAMPLES, Need.FEATURES)
_LABELLED = (Need.ENCODER, Need.LABELS, Need.LABEL_FREE)
_FACTORED = (Need.ENCODER, Need.FACTORS, Need.LABEL_FREE)

METRICS: dict[str, Metric] = {
    entry.name: entry
    for entry in (
        Metric(
            "fid", "Fréchet distance of samples and held-out data in features",
            _SAMPLED, "lower", "Heusel et al. 2017, arXiv:1706.08500", _fid, has_floor=True,
        ),
        Metric(
            "kid", "unbiased kernel distance of samples and held-out data in features",
            _SAMPLED, "lower", "Binkowski et al. 2018, arXiv:1801.01401", _kid, has_floor=True,
        ),
        Metric(
            "prdc", "precision, recall, density, coverage by nearest neighbours in features",
            _SAMPLED, "higher", "Kynkäänniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797",
            _prdc, has_floor=True, gives=("precision", "recall", "density", "coverage"),
        ),
        Metric(
            "is", "Inception Score's form on a classifier: confident and varied classes",
            (Need.SAMPLES, Need.CLASSIFIER), "higher", "Salimans et al. 2016, arXiv:1606.03498", _is, has_floor=True,
        ),
        Metric(
            "swd", "sliced Wasserstein distance of pixels",
            (Need.SAMPLES,), "lower", "Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3", _swd, has_floor=True,
        ),
        Metric(
            "memorisation", "how often samples lie closer to the training set than held-out data; 0.5 is none",
            (*_SAMPLED, Need.TRAINING), "lower", "Meehan et al. 2020, arXiv:2004.05675", _memorisation,
            enough=0.5,
        ),
        Metric(
            "elbo", "evidence lower bound, with distortion and rate, nats per example",
            (Need.LIKELIHOOD,), "higher", "Kingma & Welling 2014, arXiv:1312.6114", _elbo,
            gives=("elbo", "distortion", "rate"), traded=("distortion", "rate"),
            reverse=("distortion", "rate"),
        ),
        Metric(
            "nll", "importance-weighted −log p(x), nats per example",
            (Need.LIKELIHOOD,), "lower", "Burda et al. 2016, arXiv:1509.00519", _nll,
        ),
        Metric(
            "bpd", "importance-weighted −log₂ p(x) per pixel and channel",
            (Need.LIKELIHOOD, Need.PROBABILITY), "lower", "Burda et al. 2016, arXiv:1509.00519", _bpd,
        ),
        Metric(
            "mse", "mean squared error of reconstructions, units of [−1, 1]",
            (Need.ENCODER,), "lower", "—", _reconstructed("mse", reconstruction.mean_squared_error),
        ),
        Metric(
            "psnr", "peak signal-to-noise ratio of reconstructions, decibel",
            (Need.ENCODER,), "higher", "—", _reconstructed("psnr", reconstruction.peak_signal_noise_ratio),
        ),
        Metric(
            "ssim", "structural similarity of reconstructions",
            (Need.ENCODER,), "higher", "Wang et al. 2004, doi:10.1109/TIP.2003.819861",
            _reconstructed("ssim", reconstruction.structural_similarity),
        ),
        Metric(
            "ms-ssim", "structural similarity of reconstructions over five scales",
            (Need.ENCODER,), "higher", "Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216",
            _reconstructed("ms-ssim", reconstruction.multiscale_structural_similarity),
        ),
        Metric(
            "lpd", "perceptual distance of reconstructions: squared error in features",
            (Need.ENCODER, Need.FEATURES), "lower", "Dosovitskiy & Brox 2016, arXiv:1602.02644", _lpd,
        ),
        Metric(
            "sharpness", "energy of the reconstructions' slopes over that of the originals'; 1 is as sharp",
            (Need.ENCODER,), "higher", "—", _sharpness,
            enough=1,
        ),
        Metric(
            "active-units", "code dimensions whose mean varies over the data",
            (Need.ENCODER,), "higher", "Burda et al. 2016, arXiv:1509.00519", _active_units,
        ),
        Metric(
            "dimension-rates", "KL of each code dimension, nats",
            (Need.ENCODER,), "lower", "Kingma & Welling 2014, arXiv:1312.6114", _dimension_rates,
            traded=("rate-",),
        ),
        Metric(
            "mutual-information", "I(x; z) under the encoder, nats, at most the log of the number of examples",
            (Need.ENCODER,), "higher", "Hoffman & Johnson 2016, ELBO surgery", _mutual_information,
        ),
        Metric(
            "probe", "accuracy of a logistic regression on codes",
            _LABELLED, "higher", "Alain & Bengio 2016, arXiv:1610.01644", _probe,
        ),
        Metric(
            "knn", "accuracy of the nearest neighbour among codes",
            _LABELLED, "higher", "Cover & Hart 1967, doi:10.1109/TIT.1967.1053964", _knn,
        ),
        Metric(
            "label-accuracy", "accuracy of the classes that the model itself names",
            (Need.NAMES, Need.LABELS), "higher", "Makhzani et al. 2015, arXiv:1511.05644", _label_accuracy,
        ),
        Metric(
            "class-accuracy", "how often a classifier sees the class that a sample was drawn for",
            (Need.SAMPLES, Need.CLASSIFIER, Need.CONDITIONAL), "higher",
            "Odena et al. 2017, arXiv:1610.09585", _class_accuracy, has_floor=True,
        ),
        Metric(
            "mig", "mutual information gap of codes and factors",
            _FACTORED, "higher", "Chen et al. 2018, arXiv:1802.04942",
            _on_factors("mig", lambda codes, factors, _: disentanglement.mig(codes, factors)),
        ),
        Metric(
            "sap", "separated attribute predictability, by squared correlation and by linear SVM",
            _FACTORED, "higher", "Kumar et al. 2018, arXiv:1711.00848", _sap,
            gives=("sap", "sap-svm"),
        ),
        Metric(
            "dci", "disentanglement, completeness, informativeness by boosted trees",
            _FACTORED, "higher", "Eastwood & Williams 2018, openreview:By-7dz-AZ", _dci,
            gives=("disentanglement", "completeness", "informativeness"),
        ),
        Metric(
            "beta-vae-score", "accuracy of naming a shared factor from differences of codes",
            _FACTORED, "higher", "Higgins et al. 2017, openreview:Sy2fzU9gl",
            _on_factors("beta-vae-score", disentanglement.beta_vae_score),
        ),
        Metric(
            "factor-vae-score", "accuracy of naming a fixed factor from the steadiest code",
            _FACTORED, "higher", "Kim & Mnih 2018, arXiv:1802.05983",
            _on_factors("factor-vae-score", disentanglement.factor_vae_score),
        ),
        Metric(
            "modes", "modes reached, high-quality share, reverse KL of the modes",
            (Need.SAMPLES, Need.MODES), "higher",
            "Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086", _modes,
            reverse=("reverse-kl",), has_floor=True, gives=("modes", "high-quality", "reverse-kl"),
        ),
    )
}  # fmt: skip
