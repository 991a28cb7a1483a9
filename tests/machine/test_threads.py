"""Threads of one process do not change each other's random numbers and arithmetic."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import ganvas
from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.machine import rng
from ganvas.machine.arithmetic import fast_arithmetic
from ganvas.recipes.vae import vae
from ganvas.training.checkpoint import checkpoints
from ganvas.training.trainer import Trainer

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 8, "latent": 4, "quiet": True, "images": 1_600}
RUNS: dict[str, dict[str, Any]] = {"vae": {"seed": 1}, "gan": {"seed": 2, "diffaugment": "translation"}}


def together(*calls: Callable[[], object]) -> None:
    """Runs calls in a thread each, and raises what one of them raised."""
    failed: list[BaseException] = []
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        try:
            start.wait()
            call()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(run / "checkpoints")[-1].with_suffix(".safetensors"))


@pytest.mark.trains
def test_trainings_and_samples_in_threads_are_those_of_each_alone(tmp_path: Path) -> None:
    def training(name: str, place: str) -> None:
        ganvas.train(name, out=tmp_path / place / name, **TINY, **RUNS[name])

    for name in RUNS:
        training(name, "alone")
    other = ganvas.train("vae", out=tmp_path / "other", **{**TINY, "images": 64})
    alone = other.sample(8, seed=3)
    done = threading.Event()

    def train(name: str) -> None:
        try:
            training(name, "together")
        finally:
            done.set()

    found: list[torch.Tensor] = []

    def sample() -> None:
        while not done.is_set():
            found.append(other.sample(8, seed=3))

    together(*(lambda name=name: train(name) for name in RUNS), sample)
    for name in RUNS:
        one, two = weights(tmp_path / "alone" / name), weights(tmp_path / "together" / name)
        assert one.keys() == two.keys()
        assert [key for key in one if not torch.equal(one[key], two[key])] == []
    assert len(found) > 1 and all(torch.equal(alone, each) for each in found)


def test_noise_does_not_depend_on_what_other_threads_draw_from_torchs_own_generator() -> None:
    def drawn() -> torch.Tensor:
        like = torch.zeros(())
        with rng.seeded("noise"):
            first = [rng.randn(3, like=like) for _ in range(500)]
        with rng.restored(), rng.drawing("cpu", "step", 1):
            return torch.cat([*first, *(rng.rand(3, like=like) for _ in range(500))])

    alone, found, done = drawn(), [], threading.Event()

    def draw() -> None:
        try:
            found.extend(drawn() for _ in range(10))
        finally:
            done.set()

    def others() -> None:
        while not done.is_set():
            torch.randn(3)

    together(draw, others)
    assert all(torch.equal(alone, each) for each in found)


def test_initial_weights_are_not_disturbed_by_steps() -> None:
    def built() -> torch.Tensor:
        with rng.building(0, "weights"):
            return torch.cat([nn.Linear(20, 20).weight for _ in range(300)])

    alone, found, done = built(), [], threading.Event()

    def build() -> None:
        try:
            found.extend(built() for _ in range(3))
        finally:
            done.set()

    def step() -> None:
        while not done.is_set():
            with rng.restored(), rng.drawing("cpu", 0, "step", 1):
                rng.randn(3, like=torch.zeros(()))

    together(build, step)
    assert all(torch.equal(alone, each) for each in found)


class Dropping(nn.Module):
    def __init__(self, layer: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.layer, self.encoder = layer, encoder

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> Any:
        return self.encoder(self.layer(x), y)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.RReLU()])
def test_layers_that_draw_from_the_shared_generator_have_it_alone(layer: nn.Module) -> None:
    """Two models with such a layer are trained at the same time as each alone."""

    def trained(seed: int) -> torch.Tensor:
        info = DataInfo((4,), num_train=64)
        with rng.building(seed):
            recipe = vae(info, network="mlp", latent=2, width=8)
            recipe.model.encoder = Dropping(layer, recipe.model.encoder)
        trainer = Trainer(recipe.model, recipe.optimizers, seed=seed)
        trainer.fit((Batch(torch.ones(8, 4)) for _ in range(30)), 240)
        return torch.cat([p.detach().flatten() for p in recipe.model.parameters()])

    alone = [trained(seed) for seed in (0, 1)]
    found: dict[int, torch.Tensor] = {}
    together(*(lambda seed=seed: found.update({seed: trained(seed)}) for seed in (0, 1)))
    assert all(torch.equal(alone[seed], found[seed]) for seed in (0, 1))


def test_the_callers_generator_is_as_before_also_if_contexts_overlap() -> None:
    before = torch.get_rng_state()
    first, second = rng.seeded(1), rng.seeded(2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_denormal_numbers_of_other_threads_stay() -> None:
    """A thread that starts within the context inherits the mode, so both start before it."""
    tiny, found = torch.tensor(1e-40), []
    inside, looked = threading.Event(), threading.Event()

    def fast() -> None:
        with fast_arithmetic():
            inside.set()
            looked.wait(60)
            found.append(float(tiny * 1))

    def other() -> None:
        inside.wait(60)
        found.append(float(tiny * 1))
        with fast_arithmetic():
            found.append(float(tiny * 1))
        looked.set()

    together(fast, other)
    assert found[0] > 0 and found[1:] == [0, 0]
