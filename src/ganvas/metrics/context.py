"""Inputs of metrics: real data, samples, codes, reconstructions, features; each is computed at first use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from ganvas.core.abilities import Classifies, Encodes, HasLikelihood, Samples
from ganvas.core.model import Autoencoder, LatentVariableModel, Model
from ganvas.machine import rng
from ganvas.machine.rng import seeded
from ganvas.metrics import codes
from ganvas.metrics.copying import Memorisation, memorisation
from ganvas.metrics.coverage import Mixture
from ganvas.metrics.examples import ExamplesInUse, choice
from ganvas.metrics.features import Classifier, FeatureNetwork, extract
from ganvas.metrics.images import as_float
from ganvas.metrics.likelihood import Bound, Kind, kind_of, negative_elbo, negative_log_likelihood
from ganvas.metrics.needs import LACKS, Need

SAMPLE_BATCH = 250


@dataclass
class EvaluationContext(ExamplesInUse):
    """One model on one data set, under one protocol.

    The fields of `ExamplesInUse` come first.
    model: None when only samples are to be judged.
    features: the network for FID, KID and their like.
    classifier: for the Inception Score; default: `features`, where that is one.
    mixture, channel_classifier: what the modes are, of points and of stacked digits.
    draw: from a number to that many examples, (num, ...) in [−1, 1]; default: the model's own `sample`.
    draw_y: the classes (num,) of what `draw` gives, where it was asked for any.
    importance_samples: codes an example for −log p. k: neighbours for precision and recall.
    conditional: whether the model is told labels; samples are then drawn for random training labels.
    drawn: options of the model's sampling that were given.
    shared: features of real data, by the network's weights; `floor` and `untrained` hand it on.
    """

    model: Model | None = None
    features: FeatureNetwork | None = None
    classifier: Classifier | None = None
    mixture: Mixture | None = None
    channel_classifier: Classifier | None = None
    draw: Callable[[int], Tensor] | None = None
    draw_y: Tensor | None = None
    importance_samples: int = 5_000
    k: int = 5
    conditional: bool = False
    drawn: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])
    shared: dict[tuple[str, str], Tensor] = field(default_factory=dict[tuple[str, str], Tensor], repr=False)

    def lacks(self, need: Need) -> tuple[str, str] | None:
        """Why `need` is not met, with a hint; None if it is met."""
        if _HAS[need](self):
            return None
        reason, hint = LACKS[need]
        kind = self.likelihood if need is Need.PROBABILITY and isinstance(self.model, HasLikelihood) else ""
        return reason.format(model=type(self.model).__name__ if self.model else "this evaluation", kind=kind), hint

    def untrained(self, model: Model) -> "EvaluationContext":
        """The same protocol on another model, such as the same networks before training."""
        return replace(self, model=model, draw=None, draw_y=None)

    @cached_property
    def floor(self) -> "EvaluationContext":
        """The same protocol on an ideal generator: real training examples, chosen by the seed."""

        chosen = choice(len(self.train.x), self.num_samples, self.seed, "floor")
        y = None if self.train.y is None else self.train.y[chosen]

        def real(num: int) -> Tensor:
            return as_float(self.train.x[chosen[:num]])

        return replace(
            self, model=None, draw=real, draw_y=y, extra_notes=("the floor: training data in place of samples",)
        )

    @cached_property
    def told(self) -> Tensor | None:
        """The labels that the model gets with `x`."""
        return self.y if self.conditional else None

    @property
    def samples(self) -> Tensor:
        """Examples from the model, float in [−1, 1], (num_samples, ...)."""
        return self._drawn[0]

    @property
    def asked(self) -> Tensor | None:
        """The requested classes of the samples, (num,)."""
        return self._drawn[1]

    @cached_property
    def _drawn(self) -> tuple[Tensor, Tensor | None]:
        with seeded(self.seed, "evaluation samples"):
            samples, y = (self.draw(self.num_samples), self.draw_y) if self.draw else self._drawn_from_model()
        assert len(samples) <= self.num_samples
        return samples, y

    def _drawn_from_model(self) -> tuple[Tensor, Tensor | None]:
        model = self.model
        assert model is not None and isinstance(model, Samples)
        asked: Tensor | None = None
        labels: list[Tensor | None] = [None] * -(-self.num_samples // SAMPLE_BATCH)
        if self.conditional and self.train.y is not None:
            asked = self.train.y[rng.integers(len(self.train.y), self.num_samples, device="cpu")]
            labels = list(asked.to(codes.device_of(model)).split(SAMPLE_BATCH))
        left, drawn = self.num_samples, list[Tensor]()
        with codes.evaluating(model):
            for y in labels:
                drawn.append(model.sample(min(left, SAMPLE_BATCH), y).float().cpu())
                left -= len(drawn[-1])
        return torch.cat(drawn), asked

    @cached_property
    def sample_features(self) -> Tensor:
        """Features of the samples, (num, F)."""
        return extract(self._features, self.samples)

    @cached_property
    def reference_features(self) -> Tensor:
        """Features of the held-out examples used, (R, F)."""
        return self._shared("reference", self.x)

    @cached_property
    def training_features(self) -> Tensor:
        """Features of all examples that the model has seen, (N, F)."""
        assert self.training is not None
        return self._shared("training", self.training.x)

    @cached_property
    def copying(self) -> Memorisation:
        """Each sample's nearest training example in features, and the samples closest to one."""
        return memorisation(self.training_features, self.reference_features, self.sample_features)

    @cached_property
    def naming(self) -> Classifier | None:
        """The classifier, or the feature network where that is one."""
        return self.classifier or (self.features if isinstance(self.features, Classifier) else None)

    @cached_property
    def posteriors(self) -> list[Distribution]:
        """q(z|x) of the held-out examples used, a list of batches."""
        return codes.posteriors(self.autoencoder, self.x, self.told)

    @cached_property
    def codes(self) -> Tensor:
        """Posterior means of the held-out examples used, (R, L)."""
        return torch.cat([q.mean.flatten(1).float().cpu() for q in self.posteriors])

    @cached_property
    def label_free_codes(self) -> Tensor:
        """Posterior means of the held-out examples used, made without their labels, (R, L)."""
        return codes.means(self.autoencoder, self.x) if self.conditional else self.codes

    @cached_property
    def encodes_without_labels(self) -> bool:
        """Whether the model makes codes of examples whose class it is not told."""
        try:
            codes.posteriors(self.autoencoder, self.x[:1])
        except Exception:  # the encoder may be a user's own, which can fail without labels in any way
            return False
        return True

    @cached_property
    def train_codes(self) -> Tensor:
        """Posterior means of those training examples, made without their labels, (T, L)."""
        return codes.means(self.autoencoder, self.train.x[self.train_reference])

    @cached_property
    def reconstructions(self) -> Tensor:
        """The held-out examples used, through the code and back, float in [−1, 1], (R, ...)."""
        model = self.autoencoder
        with codes.evaluating(model):
            return torch.cat([model.reconstruct(*b).float().cpu() for b in codes.batches(model, self.x, self.told)])

    @cached_property
    def bound(self) -> Bound:
        """Distortion and rate of the held-out examples used."""
        return negative_elbo(self.latent_variable_model, self.x, self.told, seed=self.seed)

    @cached_property
    def nll(self) -> Tensor:
        """−log p of the held-out examples used, (R,), by `importance_samples` codes each."""
        return negative_log_likelihood(
            self.latent_variable_model, self.x, self.told, samples=self.importance_samples, seed=self.seed
        )

    @cached_property
    def likelihood(self) -> Kind:
        """The kind of the model's p(x|z) for the held-out examples used."""
        return kind_of(self.latent_variable_model, self.x, self.told)

    @property
    def likelihood_notes(self) -> tuple[str, ...]:
        """A note if p(x|z) is not a probability: its nats are then not a code length of the pixels."""
        if self.likelihood is Kind.PROBABILITY:
            return ()
        return (f"p(x|z) is a {self.likelihood}, not a probability",)

    def marks(self, needs: Sequence[Need]) -> dict[str, float | int | str]:
        """What the card of a metric with these needs says of the run: settings without which its scores mean little."""
        marks: dict[str, float | int | str] = {}
        if Need.LIKELIHOOD in needs:
            marks["likelihood"] = str(self.likelihood)
        if Need.SAMPLES in needs:
            marks |= self.drawn
        if Need.TRAINING in needs:
            marks["training data"] = self.training_data[:12]
        return marks

    @property
    def autoencoder(self) -> Autoencoder:
        """The model, known to have an encoder."""
        assert isinstance(self.model, Encodes)
        return cast(Autoencoder, self.model)

    @property
    def latent_variable_model(self) -> LatentVariableModel:
        """The model, known to have a likelihood."""
        assert isinstance(self.model, HasLikelihood)
        return cast(LatentVariableModel, self.model)

    @property
    def _features(self) -> FeatureNetwork:
        assert self.features is not None
        return self.features

    def _shared(self, split: str, x: Tensor) -> Tensor:
        key = (split, self._features.name + self._features.fingerprint)
        if key not in self.shared:
            self.shared[key] = extract(self._features, x)
        return self.shared[key]


def _labelled(y: Tensor | None) -> bool:
    return y is not None and bool((y >= 0).any())


_HAS: dict[Need, Callable[[EvaluationContext], bool]] = {
    Need.SAMPLES: lambda c: c.draw is not None or isinstance(c.model, Samples),
    Need.FEATURES: lambda c: c.features is not None,
    Need.CLASSIFIER: lambda c: c.naming is not None,
    Need.ENCODER: lambda c: isinstance(c.model, Encodes),
    Need.LIKELIHOOD: lambda c: isinstance(c.model, HasLikelihood),
    Need.PROBABILITY: lambda c: isinstance(c.model, HasLikelihood) and c.likelihood is Kind.PROBABILITY,
    Need.LABELS: lambda c: _labelled(c.train.y) and _labelled(c.held_out.y),
    Need.FACTORS: lambda c: c.train.factors is not None and c.held_out.factors is not None,
    Need.MODES: lambda c: c.mixture is not None or c.channel_classifier is not None,
    Need.NAMES: lambda c: isinstance(c.model, Classifies),
    Need.TRAINING: lambda c: c.training is not None,
    Need.LABEL_FREE: lambda c: not c.conditional or c.encodes_without_labels,
    Need.CONDITIONAL: lambda c: c.conditional and _labelled(c.train.y),
}
