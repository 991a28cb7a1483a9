"""The trainer: turns, laziness, freezing, averages, and the clock."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Lazy, Player, Round, Terms
from ganvas.core.order import Alternating, OneDraw, Order, Simultaneous
from ganvas.core.schedules import Constant, Cosine, Linear, PowerPerEpoch, as_schedule
from ganvas.machine import rng
from ganvas.models.gan import GAN
from ganvas.networks import Critic, Generator, Mlp
from ganvas.probability.priors import Normal
from ganvas.training import checkpoint
from ganvas.training.callbacks import SECONDS_APART, TIMES_APART, Checkpoint, Every, OneTwoFive, Sparser
from ganvas.training.ema import EMA
from ganvas.training.trainer import Trainer
from ganvas.training.verdicts import NotFinite

SGD = partial(torch.optim.SGD, lr=0.1)


class Two(FromCodes):
    """Two numbers a and b, each descending a loss in which the other stands, too."""

    def __init__(self, every: int = 1, after: int = 0, lazy: int = 0, order: Order = Alternating()) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        for layer, value in ((self.a, 1.0), (self.b, 2.0)):
            nn.init.constant_(layer.weight, value)
        self.prior = Normal(1)
        self.every, self.after, self.lazy = every, after, lazy
        self.order = order
        self.graphs: list[tuple[bool, bool]] = []

    def players(self) -> tuple[Player, ...]:
        lazy = [Lazy(lambda r: {"size": r.a.square().mean()}, self.lazy)] if self.lazy else []
        return (
            Player("first", [self.a], self.product, lazy=lazy),
            Player("second", [self.b], self.negative, every=self.every, after=self.after),
        )

    def forward(self, batch: Batch) -> Round:
        a, b = self.a(batch.x), self.b(batch.x)
        self.graphs.append((a.requires_grad, b.requires_grad))
        return Round(a=a, b=b)

    def generate(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return self.a(z)

    def product(self, r: Round) -> Terms:
        return {"product": (r.a * r.b).mean()}

    def negative(self, r: Round) -> Terms:
        return {"negative": -(r.a * r.b).mean()}


def play(model: Two, steps: int = 1) -> Trainer:
    trainer = Trainer(model, {"first": SGD, "second": SGD})
    for _ in range(steps):
        trainer.step(Batch(torch.ones(4, 1)))
    return trainer


def values(model: Two) -> tuple[float, float]:
    return model.a.weight.item(), model.b.weight.item()


def test_alternating_players_see_the_moves_before_theirs_and_freeze_each_other() -> None:
    model = Two()
    play(model)
    a = 1.0 - 0.1 * 2.0
    assert values(model) == pytest.approx((a, 2.0 + 0.1 * a))
    assert model.graphs == [(True, False), (False, True)]


def test_simultaneous_players_share_one_forward() -> None:
    model = Two(order=Simultaneous())
    play(model)
    assert values(model) == pytest.approx((1.0 - 0.1 * 2.0, 2.0 + 0.1 * 1.0))
    assert model.graphs == [(True, True)]


def test_a_player_plays_every_kth_step_from_the_one_it_joins_at() -> None:
    player = Player("p", [], lambda r: {}, every=3, after=4)
    assert [s for s in range(12) if player.turn(s) is not None] == [4, 7, 10]
    assert [player.turn(s) for s in (4, 7, 10)] == [0, 1, 2]


def test_a_lazy_penalty_is_a_step_of_its_own_every_kth_turn_and_k_times_as_much() -> None:
    rate = 0.1 / (1 + 1 / 4)  # c = k / (k + 1)
    model = Two(lazy=4)
    trainer = Trainer(model, {"first": SGD, "second": partial(torch.optim.SGD, lr=0.0)})
    a = 1.0
    for step in range(6):
        trainer.step(Batch(torch.ones(4, 1)))
        a -= rate * 2.0
        if step % 4 == 0:
            a -= rate * 4 * 2 * a
        assert values(model)[0] == pytest.approx(a, rel=1e-5)


def test_a_penalty_of_every_turn_is_one_more_term() -> None:
    model = Two(lazy=1)
    trainer = play(model)
    assert values(model)[0] == pytest.approx(1.0 - 0.1 * (2.0 + 2 * 1.0))
    assert set(trainer.terms.peek()["first"]) == {"product", "size"}


def test_adam_is_corrected_for_laziness() -> None:
    trainer = Trainer(Two(lazy=16), {"first": partial(torch.optim.Adam, lr=1e-3, betas=(0.0, 0.99)), "second": SGD})
    group = trainer.seats[0].optimizer.param_groups[0]
    c = 16 / 17
    assert group["lr"] == pytest.approx(1e-3 * c)
    assert group["betas"] == pytest.approx((0.0, 0.99**c))


def test_the_clock_counts_images_and_drives_the_learning_rate() -> None:
    model = Two()
    trainer = Trainer(model, {"first": SGD, "second": SGD}, learning_rate=Linear(1.0, 0.0, 8))
    seen = []
    for _ in range(3):
        trainer.step(Batch(torch.ones(4, 1)))
        seen.append((trainer.images_seen, trainer.seats[0].optimizer.param_groups[0]["lr"]))
    assert seen == [(4, pytest.approx(0.1)), (8, pytest.approx(0.05)), (12, 0.0)]


def test_too_many_steps_that_are_not_finite_end_training_with_a_name() -> None:
    model = Two()
    trainer = Trainer(model, {"first": SGD, "second": SGD}, patience=6)
    bad = Batch(torch.full((4, 1), float("inf")))
    trainer.step(bad)
    trainer.step(bad)
    assert values(model) == (1.0, 2.0)
    with pytest.raises(NotFinite, match="player second: negative is -inf"):
        trainer.step(bad)


def test_a_good_step_clears_the_count_of_failures() -> None:
    trainer = Trainer(Two(), {"first": SGD, "second": SGD}, patience=6)
    for x in (float("nan"), 1.0, float("nan"), 1.0):
        trainer.step(Batch(torch.full((4, 1), x)))
    assert trainer.verdicts.failures == []
    assert trainer.verdicts.skipped_steps == 2


def test_training_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    trainer = Trainer(Two(), {"first": SGD, "second": SGD})
    torch.manual_seed(3)
    trainer.fit([Batch(torch.ones(4, 1))] * 3, images=12)
    assert torch.equal(torch.rand(2), expected)


def test_fit_calls_back_at_the_start_when_due_and_at_the_end() -> None:
    called: list[int] = []

    class Note:
        when = Every(8)

        def __call__(self, trainer: Trainer) -> None:
            called.append(trainer.images_seen)

    Trainer(Two(), {"first": SGD, "second": SGD}).fit([Batch(torch.ones(3, 1))] * 99, images=20, callbacks=[Note()])
    assert called == [0, 9, 18, 21]


def test_one_two_five_is_due_at_each_mark_once() -> None:
    due = OneTwoFive(10)
    assert [n for n in range(1, 1_200) if due(n - 1, n)] == [10, 20, 50, 100, 200, 500, 1_000]
    assert due(15, 600)


@pytest.mark.parametrize("doublings", [0, 3, 6])
def test_marks_grow_sparser_as_more_is_seen(doublings: int) -> None:
    due = Sparser(10, doublings)
    marks = [n for n in range(1, 10_001) if due(n - 1, n)]
    periods = [10 << min(doublings, k) for k in range(7)]
    ends = [10, 80, 160, 320, 640, 1_280, 2_560, 10_001]
    assert marks == [mark for a, b, p in zip(ends[:-1], ends[1:], periods, strict=True) for mark in range(a, b, p)]
    newer = [sum(2 * n >= mark for n in marks if n <= mark) for mark in marks if mark >= 80]
    assert min(newer) == 5
    assert max(after - before for before, after in pairwise(marks)) == periods[-1]


@pytest.mark.parametrize("batch", [1, 7, 64, 300])
def test_each_mark_is_met_once_by_the_first_step_that_reaches_it(batch: int) -> None:
    due = Sparser(10)
    met = [n for n in range(batch, 1_200, batch) if due(n - batch, n)]
    marks = {due.last(n) for n in range(10, met[-1] + 1)}
    assert met == sorted({-(-mark // batch) * batch for mark in marks})


@pytest.mark.trains
def test_checkpoints_go_by_the_clock_unless_a_period_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by how long the last one took."""
    now, takes = 0.0, 1.0

    def save(trainer: Trainer, *_: object, **__: object) -> None:
        nonlocal now
        now += takes
        saved.append(trainer.images_seen)

    def fit(images: int, **given: int | None) -> list[int]:
        nonlocal now
        now = 0.0
        saved.clear()
        trainer = Trainer(Two(), {"first": SGD, "second": SGD})
        watch = Checkpoint(given.get("every"), tmp_path, 2, lambda: now)
        trainer.fit(ticking(), images, [watch])
        return list(saved)

    def ticking() -> Iterator[Batch]:
        nonlocal now
        while True:
            now += 1.0  # a step takes a second
            yield Batch(torch.ones(3, 1))

    saved: list[int] = []
    monkeypatch.setattr(checkpoint, "save", save)
    assert fit(3 * 500) == [
        3 * SECONDS_APART,
        3 * (SECONDS_APART + TIMES_APART),
        3 * (SECONDS_APART + 2 * TIMES_APART),
        1_500,
    ]
    takes = 0.0
    assert fit(61) == [*range(3 * SECONDS_APART, 61, 3 * SECONDS_APART), 63]
    assert fit(60, every=20) == [21, 42, 60]


def test_schedules() -> None:
    assert [Linear(0.0, 2.0, 10)(n) for n in (0, 5, 10, 99)] == [0.0, 1.0, 2.0, 2.0]
    assert [Cosine(1.0, 0.0, 10)(n) for n in (0, 5, 10)] == pytest.approx([1.0, 0.5, 0.0])
    rate = PowerPerEpoch(50, 60_000, 0.9)
    assert rate(59_999) == 1.0
    assert rate(60_000) == pytest.approx((1 - 1 / 50) ** 0.9)
    assert rate(50 * 60_000) == pytest.approx((1 / 50) ** 0.9)
    assert as_schedule(3)(7) == 3.0
    assert as_schedule(Constant(2.0))(7) == 2.0


def test_the_average_halves_its_memory_every_half_life() -> None:
    model = Two()
    ema = EMA(model, half_life=8, ramp=1e9)
    with torch.no_grad():
        model.a.weight.fill_(3.0)
    ema.update(images_seen=4, batch_size=4)
    ema.update(images_seen=8, batch_size=4)
    assert ema.model.a.weight.item() == pytest.approx(3.0 - 2.0 * 0.5)


def test_the_average_forgets_its_start_quickly() -> None:
    model = Two()
    ema = EMA(model, half_life=1e9)
    with torch.no_grad():
        model.a.weight.fill_(3.0)
    ema.update(images_seen=4, batch_size=4)
    assert ema.model.a.weight.item() == pytest.approx(3.0, abs=1e-4)


class Alike(nn.Module):
    """A prior whose every draw is the same."""

    def forward(self) -> "Alike":
        return self

    def sample(self, shape: tuple[int]) -> torch.Tensor:
        return torch.linspace(-1, 1, shape[0] * 3).view(*shape, 3)


def small_gan(**options) -> tuple[GAN, list[bool]]:
    """A GAN of points, and a list that tells of each run of its generator whether it left a graph."""
    with rng.seeded("small"):
        family = Mlp(width=8, depth=1)
        model = GAN(Generator(family.synthesis(3, (2,))), Critic(family.analysis((2,))), Alike(), **options)
    graphs: list[bool] = []
    model.generator.register_forward_hook(lambda module, inputs, x: graphs.append(x.requires_grad))
    return model, graphs


def test_one_draw_runs_the_generator_once_and_moves_both_as_two_equal_draws_would() -> None:
    (once, graphs), (twice, _) = small_gan(order=OneDraw()), small_gan()
    for model in (once, twice):
        Trainer(model, {"critic": SGD, "generator": SGD}).step(Batch(torch.ones(4, 2)))
    assert graphs == [True]
    for p, q in zip(once.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_one_draw_leaves_no_graph_of_a_generator_that_waits() -> None:
    model, graphs = small_gan(order=OneDraw(), critic_steps=2)
    trainer = Trainer(model, {"critic": SGD, "generator": SGD})
    for _ in range(4):
        trainer.step(Batch(torch.ones(4, 2)))
    assert graphs == [True, False, True, False]


class Following(Two):
    """Counts the steps that it follows, and logs a number that nobody descends."""

    def __init__(self, order: Order = Alternating()) -> None:
        super().__init__(every=2, order=order)
        self.register_buffer("followed", torch.zeros(()))
        self.seen: list[set[str]] = []

    def forward(self, batch: Batch) -> Round:
        r = super().forward(batch)
        r.logged["a"] = r.a.mean()
        return r

    def follow(self, rounds: Mapping[str, Round]) -> None:
        assert not torch.is_grad_enabled()
        self.seen.append(set(rounds))
        self.followed += 1


@pytest.mark.parametrize("order", [Alternating(), Simultaneous(), OneDraw()])
def test_a_model_follows_each_sound_step_once(order: Order) -> None:
    model = Following(order)
    trainer = Trainer(model, {"first": SGD, "second": SGD})
    for x in (1.0, 1.0, float("nan"), 1.0):
        trainer.step(Batch(torch.full((4, 1), x)))
    assert model.seen == [{"first", "second"}, {"first"}, {"first"}], "the step with NaN is not followed"
    assert model.followed == 3
    assert set(trainer.logged.peek()["logged"]) == {"a"}
    assert set(trainer.terms.peek()) == {"first", "second"}, "what is logged is no term"


def test_what_a_failed_step_changed_is_taken_back_on_a_device_that_is_read_later() -> None:
    model = Following()
    trainer = Trainer(model, dict.fromkeys(("first", "second"), partial(SGD, fused=True)), look_every=4)
    for x in (1.0, float("nan"), 1.0):
        trainer.step(Batch(torch.full((4, 1), x)))
    assert len(model.seen) == 3, "nobody knows yet that the second step failed"
    assert model.followed == 2


def test_a_model_and_its_average_share_one_clock() -> None:
    trainer = Trainer(Two(), {"first": SGD, "second": SGD}, ema_half_life=100)
    trainer.step(Batch(torch.ones(4, 1)))
    assert trainer.best_model is not trainer.model
    assert trainer.best_model.clock is trainer.model.clock
    assert (trainer.clock.images, trainer.clock.steps) == (4, 1)
