"""The perceptual autoencoder: its terms, who learns what, one pass through the frozen network, and what it learns."""

import pytest
import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.perceptual import feature_distance
from ganvas.machine import rng
from ganvas.models.autoencoder import PerceptualAutoencoder
from ganvas.recipes.pictures import autoencoder
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer, total

IMAGES = DataInfo(shape=(3, 16, 16), num_train=64)
SMALL = {"width": 8, "code_channels": 2, "grid": 4, "critic_width": 8, "features": "random"}


def made(info: DataInfo = IMAGES, **options: object) -> PerceptualAutoencoder:
    with rng.seeded("build"):
        model = build(autoencoder, info, SMALL | options).model
    assert isinstance(model, PerceptualAutoencoder)
    return model


def batch(num: int = 4) -> Batch:
    return Batch(torch.rand(num, 3, 16, 16, generator=rng.generator("batch")) * 2 - 1)


def test_codes_lie_on_the_grid_that_was_asked_for() -> None:
    model = made()
    q = model.encode(batch().x)
    assert q.mean.shape == (4, 2, 4, 4) and model.prior().sample((3,)).shape == (3, 2, 4, 4)
    assert made(DataInfo(shape=(1, 28, 28), num_train=64), grid=8).prior().event_shape == (2, 7, 7)
    assert made(grid=64).prior().event_shape == (2, 8, 8), "an image halves at least once"
    assert made(DataInfo(shape=(3, 64, 64), num_train=64), grid=16).prior().event_shape == (2, 16, 16)


def test_terms_are_l1_the_distance_of_features_and_the_summed_rate_each_with_its_weight() -> None:
    model, b = made(perceptual=0.3, rate=1e-3), batch()
    with torch.no_grad():
        r = model(b)
        terms = model.autoencoder_loss(r)
        torch.testing.assert_close(terms["pixel"], (b.x - r.fake).abs().mean())
        seen = feature_distance(model.features(b.x), model.features(r.fake)).mean()
        torch.testing.assert_close(terms["perceptual"], 0.3 * seen)
        variance, mean = r.q.variance, r.q.mean
        kl = 0.5 * (variance + mean.square() - 1 - variance.log()).sum((1, 2, 3)).mean()
        torch.testing.assert_close(terms["rate"], 1e-3 * kl)
    assert set(terms) == {"pixel", "perceptual", "rate"}, "the critic has not joined"


def test_the_critic_joins_late_and_is_listened_to_later() -> None:
    model = made(critic_after=3)
    assert [p.turn(2) for p in model.players()] == [None, 2]
    assert [p.turn(3) for p in model.players()] == [0, 3]
    b = batch()
    for steps, heard in ((3, False), (3 + model.warm_up - 1, False), (3 + model.warm_up, True)):
        model.clock.steps = steps
        assert ("adversarial" in model.autoencoder_loss(model(b))) == heard
    silent = made(critic_after=0, adversarial=0.0)
    silent.steps = 10_000
    assert "adversarial" not in silent.autoencoder_loss(silent(b))


def test_a_step_with_both_players_passes_each_image_through_the_frozen_network_once() -> None:
    model = made(critic_after=0)
    seen: list[int] = []
    model.features.register_forward_hook(lambda m, args, out: seen.append(len(args[0])))
    optimizers = build(autoencoder, IMAGES, SMALL).optimizers
    trainer = Trainer(model, optimizers)
    trainer.clock.steps = 1_000
    trainer.step(batch(6))
    assert seen == [6, 6], "the images, and their reconstructions"


def test_the_frozen_network_and_its_mixes_are_no_parameters_and_do_not_change() -> None:
    model = made(critic_after=0)
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert names == {"encoder", "decoder", "critics"}
    x = batch().x
    before = [stage.clone() for stage in model.projection(model.features(x))]
    trainer = Trainer(model, build(autoencoder, IMAGES, SMALL).optimizers)
    for _ in range(3):
        trainer.step(batch())
    assert all(torch.equal(a, b) for a, b in zip(before, model.projection(model.features(x)), strict=True))


def test_the_critics_loss_reaches_no_reconstruction_and_the_autoencoders_loss_reaches_encoder_and_decoder() -> None:
    model = made(critic_after=0)
    model.clock.steps = 1_000
    r = model(batch())
    judged = list(torch.autograd.grad(total(model.critic_loss(r)), [r.fake], allow_unused=True, retain_graph=True))
    assert judged == [None]
    adversarial = model.autoencoder_loss(r)["adversarial"]
    for network in (model.encoder, model.decoder):
        slopes = torch.autograd.grad(adversarial, list(network.parameters()), allow_unused=True, retain_graph=True)
        assert any(g is not None and bool((g != 0).any()) for g in slopes)


def test_no_layer_of_the_decoder_strides_upwards() -> None:
    """Transposed convolutions leave a grid: the decoder enlarges by nearest neighbours."""
    assert not any(isinstance(layer, nn.ConvTranspose2d) for layer in made().decoder.modules())


def test_pictures_have_no_lattice_of_single_pixels() -> None:
    """The decoder's last step before tanh is a blur that no pattern of alternating pixels passes."""
    decoder = made().decoder
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    lattice = ((rows + columns) % 2 * 2.0 - 1).expand(1, 3, 16, 16)
    decoder.synthesis.forward = lambda z, y=None: lattice
    assert float(decoder(torch.zeros(1, 2, 4, 4))[..., 1:-1, 1:-1].abs().max()) < 1e-6


@pytest.mark.slow
@pytest.mark.trains
def test_it_learns_to_reconstruct() -> None:
    """A hundred steps, sixty with the critic: held-out images come back nearer than the mean image, which would be at 1."""
    made_of = build(autoencoder, IMAGES, SMALL | {"critic_after": 40, "learning_rate": 3e-3, "perceptual": 0.05})
    assert isinstance(made_of.model, PerceptualAutoencoder)
    made_of.model.warm_up = 20
    trainer = Trainer(made_of.model, made_of.optimizers, ema_half_life=100)
    g = rng.generator("blobs")
    for _ in range(100):
        trainer.step(Batch(blobs(16, g)))
    assert trainer.verdicts.skipped_steps == 0
    x = blobs(64, rng.generator("others"))
    with torch.no_grad():
        error = (trainer.best_model.eval().reconstruct(x) - x).abs().mean()
    assert float(error) < 0.9 * float((x - x.mean(0)).abs().mean())


def blobs(num: int, g: torch.Generator) -> Tensor:
    """Images of four squares, each of a colour of its own, (num, 3, 16, 16)."""
    colours = torch.rand(num, 3, 2, 2, generator=g) * 2 - 1
    return colours.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


def test_what_it_cannot_do_is_refused_with_a_hint() -> None:
    for info, options, words in (
        (DataInfo(shape=(2,), num_train=10), {}, "for images"),
        (DataInfo(shape=(4, 16, 16), num_train=10), {}, "one or three channels"),
        (IMAGES, {"grid": 0}, "0x0 codes"),
        (IMAGES, {"code_channels": 0}, "at least one channel"),
    ):
        with pytest.raises(GanvasError, match=words) as error:
            build(autoencoder, info, SMALL | options)
        assert error.value.hint
