"""What ACGAN's two players minimise, and conditional recipes as a whole."""

import math

import pytest
import torch
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import NonSaturating, Relativistic
from ganvas.machine import rng
from ganvas.models.acgan import ACGAN, cross_entropy
from ganvas.nn.conditioning import ConditionalNorm, ScoreHead
from ganvas.recipes.conditional import acgan, cgan, cvae
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

POINTS = DataInfo(shape=(2,), classes=("left", "right"), num_train=512)
IMAGES = DataInfo(shape=(1, 8, 8), classes=("a", "b", "c"), num_train=64)


def small(**changes: object) -> ACGAN:
    with rng.seeded("build"):
        model = build(acgan, POINTS, {"width": 16, "latent": 4, **changes}).model
    assert isinstance(model, ACGAN)
    return model


def labelled() -> Batch:
    return Batch(torch.randn(6, 2), torch.tensor([0, 1, 1, -1, 0, 1]))


def test_the_terms_are_those_of_the_paper() -> None:
    model = small(class_weight=0.5)
    r = model(labelled())
    (real, real_class), (fake, fake_class) = model.look(r.x), model.look(r.fake)
    known = torch.tensor([0, 1, 2, 4, 5])
    on_real = F.cross_entropy(real_class[known], r.y[known])
    on_fake = F.cross_entropy(fake_class[known], r.y[known])
    critic, generator = (player.loss(r) for player in model.players())
    torch.testing.assert_close(critic["class"], 0.5 * (on_real + on_fake))
    torch.testing.assert_close(
        generator["class"], 0.5 * on_fake
    )  # both players name classes: L_C has one sign for both
    torch.testing.assert_close(critic["adversarial"], NonSaturating().critic(real, fake))
    torch.testing.assert_close(generator["adversarial"], NonSaturating().generator(None, fake))


def test_a_paired_loss_compares_with_the_real_scores() -> None:
    model = small()
    model.loss = Relativistic()
    r = model(labelled())
    expected = Relativistic().generator(model.look(r.x)[0], model.look(r.fake)[0])
    torch.testing.assert_close(model.generator_loss(r)["adversarial"], expected)


def test_unlabelled_examples_have_no_class_term() -> None:
    assert float(cross_entropy(torch.randn(3, 4), torch.full((3,), -1))) == 0.0
    assert float(cross_entropy(torch.zeros(2, 4), torch.tensor([1, -1]))) == pytest.approx(math.log(4))


@pytest.mark.trains
@pytest.mark.parametrize("recipe", [cvae, cgan, acgan])
def test_samples_are_of_the_class_that_was_asked_for(recipe) -> None:
    with rng.seeded("build"):
        made = build(recipe, POINTS, {"width": 32, "latent": 2, "learning_rate": 1e-3})
    assert made.num_classes == 2
    trainer = Trainer(made.model, made.optimizers)
    g = rng.generator("data")
    for _ in range(400):
        y = torch.randint(2, (64,), generator=g)
        centre = torch.stack([2.0 * y - 1, torch.zeros(64)], dim=1)
        trainer.step(Batch(centre + 0.1 * torch.randn(64, 2, generator=g), y))
    assert trainer.verdicts.skipped_steps == 0
    asked = torch.arange(400) % 2
    with torch.no_grad(), rng.seeded("sample"):
        x = trainer.model.eval().sample(400, asked)
    assert float(((x[:, 0] > 0) == (asked == 1)).double().mean()) > 0.95


@pytest.mark.parametrize("recipe", [cvae, cgan, acgan])
def test_data_without_labels_is_refused(recipe) -> None:
    with pytest.raises(GanvasError, match="needs labels") as error:
        build(recipe, DataInfo(shape=(1, 8, 8)), {})
    assert "metadata.jsonl" in error.value.hint


@pytest.mark.parametrize("recipe", [cvae, cgan, acgan])
def test_a_batch_without_labels_is_refused(recipe) -> None:
    model = build(recipe, IMAGES, {"width": 8, "latent": 4}).model
    with pytest.raises(GanvasError, match="no labels"):
        model(Batch(torch.zeros(4, 1, 8, 8)))


def test_the_conditional_gan_conditions_in_all_three_ways() -> None:
    model = build(cgan, IMAGES, {"width": 8, "latent": 4, "spectral_norm": False}).model
    assert any(isinstance(m, ConditionalNorm) for m in model.generator.modules())
    assert model.generator.synthesis.seed.concatenation.num_added > 0
    assert isinstance(model.critic.head, ScoreHead) and model.critic.head.projection is not None
