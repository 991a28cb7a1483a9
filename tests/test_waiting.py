"""Where to look at the device waits for it, steps do not look: it leaves out by itself what is not finite."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.data import DataInfo
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer
from ganvas.training.verdicts import NotFinite
from kinds import batch_of, info_for

ADAM = partial(torch.optim.Adam, lr=0.05, fused=True)
WAITS = {
    "aae-semi": "torch looks for classes that are not there, on the CPU alone",
    "acgan": "classes that are not there are looked for, on the CPU alone",
    "biggan": "classes that are not there are looked for, on the CPU alone",
    "code-prior": "classes that are not there are looked for, on the CPU alone",
    "cgan": "classes that are not there are looked for, on the CPU alone",
    "cvae": "classes that are not there are looked for, on the CPU alone",
    "article-vae": "RMSprop cannot leave steps out",
    "consensus-gan": "RMSprop cannot leave steps out",
    "iwae-mnist": "Adadelta cannot leave steps out",
    "wgan": "RMSprop cannot leave steps out",
    "vq-vae": "a codebook looks whether it has begun",
    "vqgan": "a codebook looks whether it has begun",
}


class Readings(TorchDispatchMode):
    """How often a number was fetched from the device, or a shape depended on one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        if function.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique"):
            self.found.append(str(function))
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in WAITS])
def test_steps_read_nothing_back(name: str) -> None:
    info = info_for(name, DataInfo((1, 8, 8), num_train=64, mean=torch.zeros(1, 8, 8)))
    with rng.seeded(0):
        small = {"width": 4, "features": "random"}
        options = {key: value for key, value in small.items() if key in RECIPES[name].__annotations__}
        recipe = build(RECIPES[name], info, options)
    trainer = Trainer(recipe.model, recipe.optimizers, transform=recipe.transform, look_every=1_000)
    batch = batch_of(info, num=16)
    trainer.step(batch)
    with Readings() as readings:
        for _ in range(3):
            trainer.step(batch)
    assert readings.found == []
    trainer.verdicts.look()
    assert trainer.verdicts.skipped_steps == 0


class Pair(FromCodes):
    """Two players whose networks keep running means; the second looks at the first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh())
        self.b = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def players(self) -> tuple[Player, ...]:
        return Player("a", [self.a], self.first), Player("b", [self.b], self.second)

    def forward(self, batch: Batch) -> Round:
        return Round(x=batch.x, h=self.a(batch.x))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z

    def first(self, r: Round) -> Terms:
        return {"size": (r.h - 1).square().mean(), "slope": r.h.mean()}

    def second(self, r: Round) -> Terms:
        # A root's slope is infinite at 0: with batches of 2 the terms are finite and the gradient is not.
        root = (0 * next(self.b.parameters()).sum()).sqrt() if len(r.x) == 2 else 0
        return {"error": self.b(r.h).square().mean() + root}


def stream() -> list[Batch]:
    """Good batches, one not finite, one whose gradient is not, two not finite in a row, and one far too large at the end."""
    g = torch.Generator().manual_seed(1)
    batches = [Batch(torch.randn(8, 3, generator=g)) for _ in range(30)]
    for number in (4, 12, 13):
        batches[number].x[0, 0] = float("nan")
    batches[9] = Batch(batches[9].x[:2])
    return batches


def trained(look_every: int, optimizer: Any = ADAM, **options: Any) -> Trainer:
    trainer = Trainer(Pair(), {"a": optimizer, "b": optimizer}, ema_half_life=20.0, look_every=look_every, **options)
    for batch in stream():
        trainer.step(batch)
    trainer.verdicts.look()
    return trainer


@pytest.mark.trains
@pytest.mark.parametrize("optimizer", [ADAM, partial(torch.optim.RMSprop, lr=0.01)])
@pytest.mark.parametrize("options", [{}, {"skip_gradient_norm": 1.2}])
def test_to_look_later_changes_nothing(optimizer: Any, options: dict[str, Any]) -> None:
    """Weights, averages, running means, moments, means of terms, and what is known of failures."""
    (now, facts), (later, other) = (trained(every, optimizer, **options).state() for every in (1, 7))
    assert facts["skipped_steps"] == 4
    assert bool(facts["skipped_moves"]) == bool(options)
    assert facts == other
    assert now.keys() == later.keys()
    for name, tensor in now.items():
        assert torch.equal(tensor, later[name]), name
        assert torch.isfinite(tensor).all()


def test_failures_say_the_same_whenever_they_are_read() -> None:
    found: list[list[str]] = []
    for every in (1, 100):
        trainer = Trainer(Pair(), {"a": ADAM, "b": ADAM}, look_every=every)
        good, bad = stream()[0], stream()[4]
        for batch in (good, bad, stream()[9], bad):
            trainer.step(batch)
        trainer.verdicts.look()
        found.append([str(failure) for failure in trainer.verdicts.failures])
    assert found[0] == found[1]
    assert "bad data" in found[0][0]
    assert "player b: the gradient of error is NaN or infinite" in found[0][2]


def test_too_many_failures_are_raised_at_the_next_look_and_have_left_no_trace() -> None:
    trainer = Trainer(Pair(), {"a": ADAM, "b": ADAM}, look_every=100, patience=4)
    good, bad = stream()[0], stream()[4]
    trainer.step(good)
    before = copy.deepcopy(trainer.model.state_dict())
    for _ in range(3):
        trainer.step(bad)
    with pytest.raises(NotFinite, match="4 moves in a row"):
        trainer.verdicts.look()
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_callbacks_see_what_was_read() -> None:
    seen: list[tuple[int, int]] = []

    class Note:
        def when(self, before: int, after: int) -> bool:
            return after == 48

        def __call__(self, trainer: Trainer) -> None:
            assert not trainer.verdicts.moves
            seen.append((trainer.images_seen, trainer.verdicts.skipped_steps))

    trainer = Trainer(Pair(), {"a": ADAM, "b": ADAM}, look_every=100)
    trainer.fit(stream(), images=8 * 9, callbacks=[Note()])
    assert seen == [(0, 0), (48, 1), (72, 1)]
