"""Vital signs of samples that are known: fresh ones, copies, and ones that are all alike."""

import pytest
import torch

from ganvas.data import Data, open_data
from ganvas.jobs import signals
from ganvas.jobs.signals import NUM_CODED, Examination, auc, copies, spreads, squared
from ganvas.models.vaegan import VAEGAN
from ganvas.recipes import RECIPES
from ganvas.use.opening import seeded_build


@pytest.fixture(scope="module")
def few() -> Data:
    """A ring of which 64 points are known."""
    data = open_data("ring8")
    return Data(data.source, data.train.select(torch.arange(64)), data.held_out, data.info)


def test_fresh_samples_are_no_nearer_to_the_few_training_examples_and_copies_are(few: Data) -> None:
    examination = Examination(few, 0, "cpu")
    fresh = few.held_out.batch(torch.arange(len(few.held_out) - 256, len(few.held_out))).x
    copied = examination.known.repeat(4, 1) + 1e-4
    of_fresh, of_copied = (examination.of_samples(x) for x in (fresh, copied))
    assert of_fresh["nearer_train"] == pytest.approx(0.5, abs=0.15)
    assert of_copied["nearer_train"] == 1.0
    assert of_fresh["distance"] == pytest.approx(0.0, abs=0.05)


def test_of_a_large_training_set_all_but_copies_is_told_as_of_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data("ring8")
    samples = data.held_out.batch(torch.arange(len(data.held_out) - 256, len(data.held_out))).x * 1.1
    large = Examination(data, 0, "cpu").of_samples(samples)
    monkeypatch.setattr(signals, "SEARCHED", len(data.train))
    small = Examination(data, 0, "cpu").of_samples(samples)
    small.pop("copies")
    assert large.pop("bins") == small.pop("bins")
    assert large == pytest.approx(small, rel=1e-9)


def test_samples_that_are_alike_have_no_spread(few: Data) -> None:
    alike = Examination(few, 0, "cpu").of_samples(few.train.batch(torch.zeros(256, dtype=torch.long)).x)
    assert alike["spread"] == pytest.approx(0.0, abs=1e-3)
    assert isinstance(alike["bins"], list) and max(alike["bins"]) == 1.0


@pytest.mark.parametrize("dimensions", [2, 64, 256])
def test_distances_are_those_of_float64_to_what_a_judgement_needs(dimensions: int) -> None:
    """Also of pairs that are a hundred times as near as others, and far from the origin."""
    a = torch.randn(50, dimensions, generator=torch.Generator().manual_seed(0)) + 30
    b = a + 0.01 * torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
    expected = (a.double()[:, None] - b.double()).square().sum(2)
    torch.testing.assert_close(squared(a, b).double(), expected, rtol=2e-2, atol=0.0)


def test_copies_have_one_neighbour_much_nearer_than_all_others() -> None:
    distances = torch.tensor([[1.0, 3.1, 5.0], [1.0, 2.9, 5.0], [0.0, 0.0, 5.0], [0.0, 1.0, 1.0]])
    assert copies(distances.square()) == 0.5


def test_signs_of_codes_and_critic_are_of_the_model_as_it_is() -> None:
    """Each by its definition, from the same examples."""
    data = open_data("digits")
    recipe = seeded_build(RECIPES["vaegan"], data.info, {"width": 4, "latent": 3}, 0)
    model, examination = recipe.model.eval(), Examination(data, 0, "cpu")
    assert isinstance(model, VAEGAN)
    held_out, train = examination.held_out, examination.train
    assert len(held_out) == len(train) == NUM_CODED
    with torch.no_grad():
        found = examination(model, model)
        errors = [(model.reconstruct(b.x) - b.x).square().mean() for b in (held_out, train)]
        active = (model.encode(held_out.x).mean.var(0) > 0.01).float().mean()
    assert found["overfit"] == pytest.approx(float(errors[0] / errors[1]), rel=1e-4)
    assert found["unexplained"] == pytest.approx(float(errors[0] / held_out.x.var(0, correction=0).mean()), rel=1e-4)
    assert found["active_units"] == pytest.approx(float(active))
    assert 0 <= found["critic_auc"] <= 1  # pyright: ignore[reportOperatorIssue]
    assert auc(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0])) == 0.875


def test_samples_of_one_class_that_are_alike_are_told_from_varied_ones() -> None:
    """As a whole they are varied: ten classes look different."""
    data = open_data("digits")
    examination = Examination(data, 0, "cpu", num_classes=10)
    assert data.train.y is not None
    y = torch.arange(examination.num) % 10
    members = [(data.train.y == number).nonzero().squeeze(1) for number in range(10)]
    varied = torch.stack([members[int(number)][i // 10] for i, number in enumerate(y)])
    alike = torch.stack([members[int(number)][0] for number in y])
    found = [examination.of_samples(data.info.domain.view(data.train.batch(rows).x), y) for rows in (varied, alike)]
    assert found[0]["class_spread"] == pytest.approx(1.0, abs=0.15)
    assert float(found[0]["least_class_spread"]) > 0.6  # pyright: ignore[reportArgumentType]
    assert max(found[1][name] for name in ("class_spread", "least_class_spread")) == pytest.approx(0.0, abs=1e-3)
    assert float(found[1]["spread"]) > 0.6  # pyright: ignore[reportArgumentType]
    one = torch.where(y == 3, alike, varied)
    last = examination.of_samples(data.info.domain.view(data.train.batch(one).x), y)
    assert last["least_class_spread"] == pytest.approx(0.0, abs=1e-3)
    assert float(last["class_spread"]) > 0.8  # pyright: ignore[reportArgumentType]


def test_spreads_are_means_over_pairs_of_a_class() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0], [9.0], [100.0]])
    y = torch.tensor([0, 0, 0, 1, 1, -1])
    means, num = spreads((x - x.T).square(), y, 3)
    assert num.tolist() == [3, 2, 0]
    assert means.tolist() == pytest.approx([2.0, 2.0, 0.0])


def test_what_the_class_explains_the_code_does_not() -> None:
    """A decoder that gives each class's mean leaves all of the variance within classes."""
    data = open_data("digits")
    recipe = seeded_build(RECIPES["cvae"], data.info, {"network": "mlp", "width": 8, "latent": 2}, 0)
    examination = Examination(data, 0, "cpu", num_classes=10)
    model = recipe.model.eval()
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "generate", lambda _, z, y: examination.class_means[y])
        found = examination.of_codes(model, examination.held_out, examination.train)  # pyright: ignore[reportArgumentType]
    assert found["unexplained_in_class"] == pytest.approx(1.0, rel=1e-4)
    assert float(found["unexplained"]) < 0.9  # pyright: ignore[reportArgumentType]


def test_examples_that_are_repeated_are_counted() -> None:
    data = open_data("digits")
    few = data.train.select(torch.arange(400) % 8)
    copied = Data(data.source, few, data.held_out, data.info)
    assert Examination(copied, 0, "cpu").distinct == 8 / 400
    assert Examination(data, 0, "cpu").distinct > 0.9
