from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from linear_vae import LinearVAE, StandardNormal
from torch.distributions import Independent, Normal

from ganvas.core.model import FromCodes
from ganvas.errors import GanvasError
from ganvas.metrics.card import comparable
from ganvas.metrics.catalog import METRICS, evaluate, metric
from ganvas.metrics.context import EvaluationContext
from ganvas.metrics.cost import multiply_adds, num_parameters, peak_memory
from ganvas.metrics.coverage import Mixture
from ganvas.metrics.features import Classifier, ModuleFeatures
from ganvas.metrics.reconstruction import sharpness
from ganvas.probability.distributions import BernoulliImage, DiscretizedLogistic


@dataclass
class Split:
    x: torch.Tensor
    y: torch.Tensor | None = None
    factors: torch.Tensor | None = None


class Generator(FromCodes):
    """Images of noise of a given scale: a GAN in all that metrics can see."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))
        self.prior = StandardNormal(12)

    def players(self):
        return ()

    def forward(self, batch):
        return SimpleNamespace()

    def generate(self, z, y=None):
        return (z * self.scale).view(-1, 1, 3, 4)


class Signs(Classifier):
    """Pixels as features; four classes by the signs of two of them."""

    name = "signs"

    def forward(self, x):
        return x.flatten(1).float()

    def logits(self, x):
        a, b = x.flatten(1)[:, :2].float().T
        return torch.stack([a + b, a - b, b - a, -a - b], 1)


def split(num, seed):
    """Images of the linear VAE, with labels and factors that can be read from its codes."""
    x = LinearVAE().draw(num, seed).float()
    codes = LinearVAE().encode(x).mean
    return Split(x, (codes[:, 2] > 0).long(), torch.stack([codes[:, 0] > 0, codes[:, 1] > 0], 1).long())


def context(**changes):
    given = {
        "train": split(300, 2),
        "held_out": split(200, 3),
        "model": LinearVAE(),
        "features": Signs(),
        "num": 150,
        "importance_samples": 20,
    }
    return EvaluationContext(**(given | changes))


NAMES = [
    "fid", "kid", "prdc", "is", "swd", "memorisation", "modes",
    "elbo", "nll", "bpd", "mse", "psnr", "ssim", "ms-ssim", "lpd", "sharpness",
    "active-units", "dimension-rates", "mutual-information", "probe", "knn",
    "mig", "sap", "dci", "beta-vae-score", "factor-vae-score",
    "label-accuracy", "class-accuracy",
]  # fmt: skip


def test_the_catalog_is_whole():
    assert sorted(METRICS) == sorted(NAMES)
    for name, entry in METRICS.items():
        assert entry.name == name
        assert entry.summary and entry.paper and entry.needs
        assert entry.better in ("lower", "higher")


DENSITY = ("p(x|z) is a density in units of [−1, 1], not a probability",)
NEED_MORE = {"ssim", "ms-ssim", "modes", "label-accuracy", "class-accuracy", "bpd"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - NEED_MORE))
def test_every_metric_gives_scores_with_a_card(name, monkeypatch):
    from ganvas.metrics import disentanglement

    monkeypatch.setattr(disentanglement, "NUM_TRAIN", 300)
    monkeypatch.setattr(disentanglement, "NUM_EVALUATED", 200)
    scores = METRICS[name].compute(context())
    assert scores
    if name != "dimension-rates":  # as many as there are dimensions
        assert tuple(score.name for score in scores) == (METRICS[name].gives or (name,))
    for score in scores:
        assert score.card.metric == name
        assert score.card.split == "held-out"
        assert score.card.num_samples == 150
        assert score.card.notes == (DENSITY if name in ("elbo", "nll") else ())
        assert abs(score.value) < 1e6
        if score.card.features:
            assert score.card.features_hash and score.card.resize == "none"
    again = METRICS[name].compute(context())
    assert [s.value for s in again] == [s.value for s in scores]


def test_small_images_have_no_ssim_through_the_catalog_either():
    with pytest.raises(GanvasError, match="at least 11 pixels"):
        METRICS["ssim"].compute(context())


def test_directions():
    better = {s.name: s.better for name in ("elbo", "fid", "prdc") for s in METRICS[name].compute(context())}
    assert better == {
        "elbo": "higher", "distortion": "lower", "rate": "lower", "fid": "lower",
        "precision": "higher", "recall": "higher", "density": "higher", "coverage": "higher",
    }  # fmt: skip


class Levels(LinearVAE):
    """The linear VAE with a likelihood of 256 levels in place of its density."""

    def decode(self, z, y=None):
        mean = super().decode(z).mean
        return DiscretizedLogistic(mean, torch.full_like(mean, -2.0))


class BlackAndWhite(LinearVAE):
    """The linear VAE with a Bernoulli for each pixel."""

    def decode(self, z, y=None):
        return BernoulliImage(super().decode(z).mean)


def test_nats_are_compared_of_one_kind_of_likelihood_only():
    grey = Split((split(200, 3).x.clamp(-1, 1) * 127.5 + 127.5).byte())
    black = Split(grey.x.ge(128).mul(255).byte())
    for name in ("elbo", "nll"):
        density, levels, surrogate = (
            METRICS[name].compute(context(model=model, held_out=grey))[-1].card
            for model in (LinearVAE(), Levels(), BlackAndWhite())
        )
        for a, b in ((density, levels), (levels, surrogate), (surrogate, density)):
            assert f"the setting likelihood differs: {a.settings['likelihood']}" in (comparable([a, b]) or "")
        assert surrogate.notes == ("p(x|z) is a cross-entropy of grey pixels, not a probability",)
        # Of black and white pixels both are probabilities.
        pair = [METRICS[name].compute(context(model=m, held_out=black))[0].card for m in (Levels(), BlackAndWhite())]
        assert comparable(pair) is None and pair[0].notes == ()


def test_bits_are_of_probabilities_only():
    grey = Split((split(200, 3).x.clamp(-1, 1) * 127.5 + 127.5).byte())
    for model, kind in ((LinearVAE(), "density in units"), (BlackAndWhite(), "cross-entropy of grey pixels")):
        with pytest.raises(
            GanvasError, match=f"'bpd' is not available: {type(model).__name__}'s .* a {kind}"
        ) as refused:
            METRICS["bpd"].compute(context(model=model, held_out=grey))
        assert "nll" in refused.value.hint
    with pytest.raises(GanvasError, match="'bpd' is not available: Generator has no likelihood"):
        METRICS["bpd"].compute(context(model=Generator()))


def test_elbo_is_what_its_halves_say_and_bpd_follows_nll():
    c = context(model=Levels())
    (elbo, distortion, rate), (nll,), (bpd,) = (METRICS[n].compute(c) for n in ("elbo", "nll", "bpd"))
    assert elbo.value == pytest.approx(-distortion.value - rate.value)
    assert nll.error is not None and nll.error > 0
    assert nll.card.settings == {"importance samples": 20, "likelihood": "probability of pixels"}
    assert bpd.value == pytest.approx(nll.value / 12 / 0.6931471805599453)


def test_a_perfect_fit_beats_the_untrained_and_nears_the_floor():
    trained = context()
    rows = evaluate(trained, ["fid", "swd", "elbo"], trained.untrained(LinearVAE(stretch=3.0)))
    by_name = {row.score.name: row for row in rows}
    fid = by_name["fid"]
    assert fid.floor is not None and fid.untrained is not None
    assert fid.score.value < 0.2 * fid.untrained.value
    assert fid.floor.value < 0.2 * fid.untrained.value
    assert fid.floor.card.notes == ("the floor: training data in place of samples",)
    assert by_name["elbo"].floor is None


def test_a_perfect_generator_does_not_beat_a_floor_of_fewer_examples():
    """The model draws as many as there are training examples, so that both are scored on the same number."""
    scores, floors = [], []
    for seed in range(12):
        perfect = {"draw": lambda num, seed=seed: split(num, 70 + seed).x}
        c = context(train=split(120, 2 + seed), held_out=split(2_000, 30), num=2_000, **perfect)
        (row,) = evaluate(c, ["fid"])
        assert row.floor is not None
        assert row.score.card.num_samples == row.floor.card.num_samples == 120
        scores.append(row.score.value)
        floors.append(row.floor.value)
    # Twelve means of FID are a fifth apart by chance; of 2,000 samples the perfect generator's is an eighth of the floor.
    assert sum(scores) == pytest.approx(sum(floors), rel=0.5)


def test_real_features_are_extracted_once():
    calls = []

    class Counted(Signs):
        def forward(self, x):
            calls.append(len(x))
            return super().forward(x)

    c = context(features=Counted())
    evaluate(c, ["fid", "prdc", "memorisation"], c.untrained(LinearVAE(stretch=3.0)))
    # 150 samples each of the model, the floor and the untrained, and the real data once
    assert sum(calls) == 3 * 150 + 150 + 300


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("nll", {"model": Generator()}, r"'nll' is not available: Generator has no likelihood p\(x\|z\)"),
        ("mse", {"model": Generator()}, "Generator has no encoder"),
        ("mse", {"model": None}, "this evaluation has no encoder"),
        ("fid", {"model": None}, "no model to draw from"),
        ("fid", {"features": None}, "no feature network"),
        ("is", {"features": ModuleFeatures(torch.nn.Identity(), "pixels")}, "no classifier"),
        ("probe", {"held_out": Split(split(200, 3).x)}, "no labels"),
        ("mig", {"train": Split(split(300, 2).x)}, "no known factors"),
        ("modes", {}, "no known modes"),
        ("label-accuracy", {}, "LinearVAE does not name classes"),
        ("class-accuracy", {"classifier": Signs()}, "cannot be asked for a class"),
        ("fid", {"num": 12}, "at least 13 are needed"),
    ],
)
def test_a_metric_that_cannot_be_had_says_why(name, changes, reason):
    with pytest.raises(GanvasError, match=reason):
        METRICS[name].compute(context(**changes))


def test_which_models_can_is_in_the_hint():
    with pytest.raises(GanvasError) as caught:
        METRICS["nll"].compute(context(model=Generator()))
    assert "VAEs" in caught.value.hint


def test_an_unknown_metric():
    with pytest.raises(GanvasError, match=r"no metric 'fdi'\nDid you mean 'fid'"):
        metric("fdi")


def test_evaluating_on_the_training_set_is_warned_of_and_written_down():
    train = split(300, 2)
    c = context(train=train, held_out=train)
    with pytest.warns(UserWarning, match="the evaluation set is the training set"):
        (row,) = evaluate(c, ["swd"])
    assert row.score.card.split == "train"
    assert "is the training set" in row.score.card.notes[0]


def test_a_part_of_the_training_set_is_counted():
    train, held = split(300, 2), split(200, 3)
    held.x[:50] = train.x[:50]
    assert context(train=train, held_out=held, num=200).notes == (
        "25.0% of the evaluation examples are also training examples",
    )


def test_modes_of_a_mixture_and_its_floor():
    mixture = Mixture(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), 0.1)
    draw = torch.Generator().manual_seed(0)
    real = mixture.centres.repeat(200, 1) + 0.1 * torch.randn(400, 2, generator=draw)
    c = EvaluationContext(Split(real), Split(real + 0.01), mixture=mixture, draw=lambda n: real[::2][:n], num=200)
    (row, quality, kl) = evaluate(c, ["modes"])
    assert (row.score.value, quality.score.name, kl.score.better) == (1, "high-quality", "lower")
    assert row.floor is not None and row.floor.value == 2
    assert kl.score.value == pytest.approx(0.6931, abs=1e-3)


def test_labels_are_told_to_conditional_models():
    told = []

    class Conditional(Generator):
        def generate(self, z, y=None):
            told.append(y)
            return super().generate(z, y)

    assert len(context(model=Conditional(), conditional=True, num=260).samples) == 260
    assert [len(y) for y in told] == [250, 10]
    told.clear()
    assert len(context(model=Conditional(), num=260).samples) == 260
    assert told == [None, None]


class Obliging(Generator):
    """Draws for class y the picture that `Signs` calls y, but for class 3, for which it draws a 0; names all 1."""

    def generate(self, z, y=None):
        x = super().generate(z).zero_()
        x[:, 0, 0, 0] = torch.tensor([1.0, 1.0, -1.0, 1.0])[y]
        x[:, 0, 0, 1] = torch.tensor([1.0, -1.0, 1.0, 1.0])[y]
        return x

    def classify(self, x):
        return torch.nn.functional.one_hot(torch.ones(len(x), dtype=torch.long), 4).float()


def test_class_accuracy_counts_the_samples_that_look_like_what_was_asked_for():
    train, held = split(400, 2), split(200, 3)
    train.y = torch.arange(400) % 4
    train.y[::8] = -1  # asked for by nobody
    c = context(train=train, held_out=held, model=Obliging(), conditional=True, num=400)
    (row,) = evaluate(c, ["class-accuracy"])
    known = c.asked >= 0
    assert row.score.value == pytest.approx(float((c.asked[known] != 3).double().mean()))
    assert row.score.card.num_samples == int(known.sum())
    chosen = c.floor.samples
    right = (Signs().logits(chosen).argmax(1) == c.floor.asked)[c.floor.asked >= 0]
    assert row.floor is not None and row.floor.value == pytest.approx(float(right.double().mean()))


class ToldTheClass(LinearVAE):
    """Its codes hold the class that it is told, and nothing else of the labels; without one it cannot encode."""

    def encode(self, x, y=None):
        if y is None:
            raise GanvasError("no labels")
        q = super().encode(x)
        return Independent(Normal(q.mean + 100 * y[:, None], 1.0), 1)


class OffersTheClass(ToldTheClass):
    """Encodes without a label, too."""

    def encode(self, x, y=None):
        return LinearVAE.encode(self, x) if y is None else super().encode(x, y)


@pytest.mark.parametrize("name", ["probe", "knn", "mig", "sap", "dci", "beta-vae-score", "factor-vae-score"])
def test_codes_that_hold_the_label_are_not_scored_by_it(name):
    with pytest.raises(GanvasError, match=f"'{name}' is not available: ToldTheClass's encoder is told the class"):
        METRICS[name].compute(context(model=ToldTheClass(), conditional=True))


@pytest.mark.parametrize("name", ["probe", "knn"])
def test_labels_drawn_at_random_are_not_read_from_codes(name):
    draw = torch.Generator().manual_seed(0)
    splits = {where: Split(split(1_000, i).x) for i, where in enumerate(("train", "held_out"))}
    for each in splits.values():
        each.y = torch.randint(10, (1_000,), generator=draw)
    (score,) = METRICS[name].compute(context(model=OffersTheClass(), conditional=True, num=1_000, **splits))
    assert score.value == pytest.approx(0.1, abs=0.04)


def test_label_accuracy_is_of_the_labelled_held_out_examples():
    held = split(200, 3)
    held.y = torch.arange(200) % 4
    held.y[:100] = -1
    (score,) = METRICS["label-accuracy"].compute(context(held_out=held, model=Obliging(), num=200))
    assert (score.value, score.card.num_samples) == (0.25, 100)


def test_a_blurred_picture_is_less_sharp():
    x = split(50, 0).x.view(-1, 1, 3, 4)
    assert sharpness(x, x)[0] == 1
    assert sharpness(x, 0.5 * x)[0] == pytest.approx(0.25), "energy goes with the square"
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    assert sharpness(x, blurred)[0] < 0.5
    assert sharpness(x, x + torch.randn_like(x))[0] > 1
    with pytest.raises(GanvasError, match="2 pixels"):
        sharpness(torch.zeros(5, 2), torch.zeros(5, 2))


def test_evaluation_leaves_the_model_in_its_mode():
    model = LinearVAE()
    model.train()
    context(model=model).bound  # noqa: B018
    assert model.training


def test_cost():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 10))
    assert num_parameters(network) == 3 * 8 * 9 + 8 + 8 * 16 * 10 + 10
    assert multiply_adds(network, torch.zeros(5, 3, 4, 4)) == 16 * 8 * 27 + 8 * 16 * 10
    before = peak_memory()
    held = torch.ones(50_000_000)
    assert peak_memory() >= before and peak_memory() > held.numel() * 4
