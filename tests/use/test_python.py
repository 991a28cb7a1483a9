"""A run in Python: classes by name, pickles, pictures from files, callbacks, and mistakes that are never torch's messages."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.errors import GanvasError
from ganvas.training.trainer import Trainer
from ganvas.use.labels import numbers_of
from ganvas.use.run import Run

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 8, "latent": 4, "images": 64, "quiet": True}

OWN = """\
from ganvas.data import DataInfo
from ganvas.recipes.vae import vae
from ganvas.training.recipe import Recipe


def mine(info: DataInfo, *, latent: int = 3) -> Recipe:
    return vae(info, latent=latent, width=4)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    place = tmp_path_factory.mktemp("runs")
    return {name: ganvas.train(name, out=place / name, **TINY) for name in ("vae", "cvae", "cgan")}


@pytest.mark.parametrize(
    "y", [[3, 1], ["3", "1"], (3, "1"), torch.tensor([3, 1]), np.array([3, 1]), np.array(["3", "1"])]
)
def test_classes_are_numbers_or_names(y: Any, runs: dict[str, Run]) -> None:
    wanted = runs["cgan"].sample(2, y=torch.tensor([3, 1]))
    assert torch.equal(runs["cgan"].sample(2, y=y), wanted)


def test_one_class_stands_for_all(runs: dict[str, Run]) -> None:
    run, x = runs["cvae"], torch.zeros(3, 1, 8, 8)
    for y in (7, "7"):
        assert torch.equal(run.sample(2, y=y), run.sample(2, y=[7, 7]))
        assert torch.equal(run.encode(x, y)[0], run.encode(x, [7, 7, 7])[0])
        assert torch.equal(run.reconstruct(x, y), run.reconstruct(x, torch.full((3,), 7)))
        assert torch.equal(run.interpolate(steps=3, y=y), run.interpolate(steps=3, y=[7]))


def test_names_are_tried_before_numbers() -> None:
    assert numbers_of(["10", "20"], ["20", "10"], 2).tolist() == [1, 0]
    assert numbers_of([-1, 0], ["a"], 2, least=-1).tolist() == [-1, 0]


def test_the_length_of_a_code_is_known(runs: dict[str, Run]) -> None:
    run = runs["vae"]
    assert run.latent_length == 4
    assert run.generate(torch.zeros(2, run.latent_length)).shape == (2, 1, 8, 8)


MISTAKES: dict[str, tuple[str, Callable[[Run], object], str]] = {
    "a class that is not there": ("cgan", lambda run: run.sample(2, y=10), "There is no class 10: .* 0 to 9"),
    "an unknown name": ("cgan", lambda run: run.sample(2, y="ten"), "There is no class 'ten'"),
    "too few classes": ("cgan", lambda run: run.sample(2, y=[1]), "2 examples have 1 classes"),
    "half a class": ("cgan", lambda run: run.sample(1, y=[0.5]), "0.5 is no class"),
    "a set of classes": ("cgan", lambda run: run.sample(1, y={1}), "cannot be given as set"),  # type: ignore[arg-type]
    "no class": ("cvae", lambda run: run.encode(torch.zeros(1, 1, 8, 8)), "got no labels"),
    "a class of a model without": ("vae", lambda run: run.sample(1, y=1), "not conditional"),
    "a number as text": ("vae", lambda run: run.sample("4"), "cannot be '4'"),  # type: ignore[arg-type]
    "no samples": ("vae", lambda run: run.sample(0), "at least 1"),
    "half a sample": ("vae", lambda run: run.sample(1.5), "cannot be 1.5"),  # type: ignore[arg-type]
    "codes of another length": ("vae", lambda run: run.generate(torch.zeros(2, 3)), r"are float, \(N, 4\)"),
    "one code alone": ("vae", lambda run: run.generate(torch.zeros(4)), r"are float, \(N, 4\)"),
    "whole codes": ("vae", lambda run: run.generate(torch.zeros(1, 4).long()), "are float"),
    "NaN in codes": ("vae", lambda run: run.generate(torch.full((1, 4), torch.nan)), "NaN"),
    "codes in a list": ("vae", lambda run: run.generate([[0.0] * 4]), "in a tensor, not in a list"),  # type: ignore[arg-type]
    "an array": ("vae", lambda run: run.encode(np.zeros((1, 1, 8, 8))), "not in a ndarray"),  # type: ignore[arg-type]
    "a number": ("vae", lambda run: run.reconstruct(torch.tensor(1.0)), "shape"),
    "no examples": ("vae", lambda run: run.encode(torch.zeros(0, 1, 8, 8)), "There are no examples"),
    "a walk of one step": ("vae", lambda run: run.interpolate(steps=1), "at least 2"),
    "callbacks that are none": ("vae", lambda run: ganvas.train("vae", callbacks=[3], **TINY), "not int"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_error_of_ganvas(name: str, runs: dict[str, Run]) -> None:
    recipe, call, says = MISTAKES[name]
    with pytest.raises(GanvasError, match=says):
        call(runs[recipe])


def test_a_run_is_pickled_by_its_place(runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs["vae"].path.parent)
    near = ganvas.open("vae")
    stored = pickle.dumps(near)
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(stored)
    assert torch.equal(again.sample(3, seed=1), runs["vae"].sample(3, seed=1))
    assert len(stored) < 2_000
    (tmp_path / "mine.py").write_text(OWN)
    own = ganvas.train(
        str(tmp_path / "mine.py"), data="digits", out=tmp_path / "own", images=32, batch_size=32, quiet=True
    )
    assert pickle.loads(pickle.dumps(own)).sample(2).shape == (2, 1, 8, 8)


def test_pictures_are_loaded_in_their_order(tmp_path: Path) -> None:
    for name, level, size in (("b.png", 255, (8, 8)), ("a.png", 0, (8, 8)), ("wide.png", 128, (16, 8))):
        Image.new("L", size, level).save(tmp_path / name)
    files = [tmp_path / "b.png", str(tmp_path / "a.png")]
    assert ganvas.load_images(files)[:, 0, 0, 0].tolist() == [1.0, -1.0]
    assert ganvas.load_images(tmp_path / "a.png").shape == (1, 1, 8, 8)
    assert ganvas.load_images(tmp_path, size=4, channels=3).shape == (3, 3, 4, 4)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for wrong, says in (
        ([*files, tmp_path / "wide.png"], "2 different sizes"),
        ([tmp_path / "none.png"], "There is no file"),
        ([files[0], tmp_path / "broken.png"], "broken.png cannot be read"),
        ([], "The list of files is empty"),
    ):
        with pytest.raises(GanvasError, match=says):
            ganvas.load_images(wrong)


@pytest.mark.trains
def test_callbacks_see_the_trainer_and_can_stop_it_and_change_nothing(tmp_path: Path) -> None:
    seen: list[tuple[int, bool]] = []

    def look(trainer: Trainer) -> None:
        seen.append((trainer.images_seen, trainer.model.training))
        trainer.model.eval()
        torch.randn(3)

    options: dict[str, Any] = {**TINY, "images": 256, "log_every": 64}
    run = ganvas.train("vae", out=tmp_path / "a", callbacks=[look], **options)
    plain = ganvas.train("vae", out=tmp_path / "b", **options)
    assert seen == [(0, True), (64, True), (128, True), (192, True), (256, True)]
    assert torch.equal(run.sample(4), plain.sample(4))
    stopped = ganvas.train("vae", out=tmp_path / "c", callbacks=[lambda t: t.images_seen and t.stop()], **options)
    assert stopped.images_seen == 96  # the step after the one that was stopped
    again: list[int] = []
    ganvas.train(resume=stopped.path, callbacks=[lambda t: again.append(t.images_seen)], quiet=True)
    assert again[-1] == 256
