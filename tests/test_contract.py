"""The contract that every recipe's model keeps, whatever it is."""

import copy

import pytest
import torch

from ganvas.core.batch import Batch
from ganvas.core.model import Autoencoder
from ganvas.core.order import Simultaneous
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.training import checkpoint
from ganvas.training.contract import dry_step
from ganvas.training.gradients import gradient, total
from ganvas.training.recipe import build, learnt, options
from ganvas.training.trainer import Trainer
from kinds import batch_of, info_for

IMAGES = DataInfo(shape=(1, 12, 12), classes=("a", "b", "c"), num_train=512, mean=torch.zeros(1, 12, 12))
POINTS = DataInfo(shape=(2,), classes=("a", "b", "c"), num_train=512, mean=torch.zeros(2))
SMALL = {"width": 8, "latent": 6, "features": "random", "level_images": 0}  # all levels of growing networks at once


def trainer_of(name: str, info: DataInfo) -> Trainer:
    function = RECIPES[name]
    small = {key: value for key, value in SMALL.items() if key in options(function)}
    with rng.building("build", name):
        recipe = build(function, info, small)
    return Trainer(recipe.model, recipe.optimizers, ema_half_life=100, transform=recipe.transform)


@pytest.fixture(params=RECIPES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_player_moves_by_the_gradient_of_its_own_loss_and_nobody_else_moves(name: str) -> None:
    trainer = trainer_of(name, info_for(name, IMAGES))
    seats = trainer.seats
    trainer.clock.steps = next(s for s in range(10_000) if all(seat.player.turn(s) is not None for seat in seats))
    moves: list[str] = []
    real_move = trainer._move

    def checked_move(seat, terms, gradients):
        # The isolated gradient: the same random numbers, every parameter free, no shared graph, this player's loss alone.
        everything = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
        isolated = isolated_gradient(trainer, before, seat.player.name, batch, moves.count(seat.player.name))
        for g, expected in zip(gradients, isolated, strict=True):
            assert (g is None) == (expected is None)
            if g is not None:
                torch.testing.assert_close(g, expected, rtol=1e-3, atol=1e-6 * max(1.0, float(expected.abs().max())))
        failures = real_move(seat, terms, gradients)
        own = {id(p) for p in seat.parameters}
        for n, p in trainer.model.named_parameters():
            assert id(p) in own or torch.equal(p, everything[n]), f"{seat.player.name}'s turn moved {n}"
        moves.append(seat.player.name)
        return failures

    batch = batch_of(info_for(name, IMAGES))
    for seat in seats:  # one player at a time, so that each is compared from the same state
        before = copy.deepcopy(trainer.model)
        trainer._move = checked_move
        trainer.model.clock.images = 0
        with rng.seeded("turn"):
            prepared = trainer.transform(batch) if trainer.transform else batch
            if isinstance(trainer.model.order, Simultaneous):
                trainer._together([seat], prepared)
            else:
                trainer._alternately([seat], prepared)
    assert set(moves) == {seat.player.name for seat in seats}


def isolated_gradient(trainer: Trainer, model, player_name: str, batch: Batch, move: int):
    """What a player's first move must follow, its loss with the penalties of every turn, or a later one, a lazy penalty.

    On a copy of the model in which nothing is frozen.
    """
    alone = copy.deepcopy(model)
    player = next(p for p in alone.players() if p.name == player_name)
    with rng.seeded("turn"):
        prepared = trainer.transform(batch) if trainer.transform else batch
        r = alone(prepared)
        terms = dict(player.loss(r))
        for lazy in player.lazy:
            if lazy.every == 1:
                terms |= lazy.penalty(r)
        if move > 0:
            lazy = [lazy for lazy in player.lazy if lazy.every > 1][move - 1]
            if not isinstance(
                trainer.model.order, Simultaneous
            ):  # a lazy penalty's move has a forward of its own, after the first move
                with torch.no_grad():
                    for p, now in zip(alone.parameters(), trainer.model.parameters(), strict=True):
                        p.copy_(now)
                r = alone(prepared)
            terms = {name: lazy.every * value for name, value in lazy.penalty(r).items()}
        return gradient(terms, player.parameters())


def test_every_parameter_is_moved_by_somebody_and_reached_by_a_term(name: str) -> None:
    facts = dry_step(trainer_of(name, info_for(name, IMAGES)), batch_of(info_for(name, IMAGES)))
    assert facts.unreached == ()
    assert facts.unmoved == ()
    assert all(player.terms for player in facts.players)


def test_save_load_sample_is_bit_equal(name: str, tmp_path) -> None:
    trainer = trainer_of(name, info_for(name, IMAGES))
    for seed in range(3):
        trainer.step(batch_of(info_for(name, IMAGES), seed))
    path = checkpoint.save(trainer, tmp_path)
    other = trainer_of(name, info_for(name, IMAGES))
    other.step(batch_of(info_for(name, IMAGES), 99))
    checkpoint.load(other, path)
    for a, b in ((trainer.model, other.model), (trainer.ema.model, other.ema.model)):
        assert torch.equal(samples(a), samples(b))
    for t in (trainer, other):
        for seed in (7, 8):
            t.step(batch_of(info_for(name, IMAGES), seed))
    for (n, p), q in zip(trainer.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        assert torch.equal(p, q), f"{n} differs two steps after resuming"
    assert trainer.terms.peek() == other.terms.peek()


def samples(model) -> torch.Tensor:
    model.eval()
    with rng.seeded("sample"), torch.no_grad():
        y = torch.arange(8) % 3
        x = model.sample(8, y)
    model.train()
    return x


def test_sampling_is_seed_stable_and_shaped_as_the_data(name: str) -> None:
    model = trainer_of(name, info_for(name, IMAGES)).model
    x = samples(model)
    assert x.shape == (8, *info_for(name, IMAGES).shape)
    assert torch.equal(x, samples(model))
    assert torch.isfinite(x.float()).all()


def test_an_autoencoder_reconstructs_in_the_shape_of_its_input(name: str) -> None:
    model = trainer_of(name, info_for(name, IMAGES)).model.eval()
    if not isinstance(model, Autoencoder):
        assert not hasattr(model, "encode")
        return
    batch = batch_of(info_for(name, IMAGES), num=5)
    with torch.no_grad():
        assert model.reconstruct(batch.x, batch.y).shape == batch.x.shape
        assert model.encode(batch.x, batch.y).mean.shape[0] == 5


def test_points_are_learnt_from_or_refused_with_a_hint(name: str) -> None:
    try:
        trainer = trainer_of(name, POINTS)
    except GanvasError as error:
        assert error.hint
        return
    for seed in range(2):
        trainer.step(batch_of(POINTS, seed))
    assert samples(trainer.model).shape == (8, 2)


def test_a_term_that_is_not_finite_is_named_and_its_step_not_taken(name: str) -> None:
    if "images" not in learnt(RECIPES[name]):
        pytest.skip("its examples are whole numbers")
    trainer = trainer_of(name, IMAGES)
    trainer.transform = None  # binarisation would make a number of it again
    batch = batch_of(info_for(name, IMAGES))
    batch.x[0] = float("nan")
    before = copy.deepcopy(dict(trainer.model.named_parameters()))
    trainer.patience = 10_000
    trainer.step(batch)
    assert trainer.verdicts.skipped_steps == 1
    assert "step 0, player " in str(trainer.verdicts.failures[0])
    for n, p in trainer.model.named_parameters():
        assert torch.isfinite(p).all(), n
    for n, b in trainer.model.named_buffers():
        assert torch.isfinite(b).all(), f"{n} was spoilt by a step that was not taken"
    first = next(seat for seat in trainer.seats if seat.player.turn(0) is not None)
    if len(trainer.seats) == 1:
        assert all(torch.equal(p, before[n]) for n, p in trainer.model.named_parameters())
    assert first.player.name in str(trainer.verdicts.failures[0])


def test_total_is_the_sum_of_terms() -> None:
    assert float(total({"a": torch.tensor(1.5), "b": torch.tensor(-0.5)})) == 1.0
