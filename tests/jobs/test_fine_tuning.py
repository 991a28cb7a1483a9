"""A run that begins with another run's weights: what is taken, what is named, and what begins anew."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.jobs import fine_tuning
from ganvas.jobs.fine_tuning import copied
from ganvas.recipes import RECIPES
from ganvas.runs.directory import Directory
from ganvas.service import export
from ganvas.training import checkpoint
from ganvas.training.state import variables
from ganvas.training.trainer import Trainer
from kinds import info_for

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_contract import IMAGES, POINTS, trainer_of

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 4, "images": 64, "quiet": True}
SMALL: dict[str, Any] = {**TINY, "latent": 2}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ganvas.train("vae", out=tmp_path_factory.mktemp("old") / "run", ema=100, **SMALL).path


def events(run: Path, name: str) -> list[str]:
    return [event.message for event in Directory(run).log.events() if event.event == name]


def start_of(run: Path) -> dict[str, torch.Tensor]:
    """A run's newest weights."""
    found = checkpoint.newest(run / "checkpoints", warn=pytest.fail)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_begins_with_all_weights_and_averages_and_its_clocks_at_0(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = POINTS if name == "pacgan-ring" else info_for(name, IMAGES)
    first, second = trainer_of(name, info), trainer_of(name, info)
    assert first.ema and second.ema
    with torch.no_grad():
        for model, change in ((first.model, 1), (first.ema.model, 2)):
            for tensor in variables(model).values():
                tensor.logical_not_() if tensor.dtype == torch.bool else tensor.add_(change)
    weights, averages = (dict(variables(model)) for model in (first.model, first.ema.model))
    monkeypatch.setattr(fine_tuning, "read", lambda run: (640, weights, averages))
    said = fine_tuning.begin(second, "there")
    assert "Not taken" not in said and f"{len(weights)} of {len(weights)} tensors" in said
    for theirs, model in ((weights, second.model), (averages, second.ema.model)):
        assert all(torch.equal(theirs[key], tensor) for key, tensor in variables(model).items())
    assert (second.images_seen, second.steps) == (0, 0)
    assert all(not seat.optimizer.state for seat in second.seats)


def test_tensors_that_do_not_fit_are_named() -> None:
    ours = {"same": torch.zeros(2), "wider": torch.zeros(3), "kind": torch.zeros(1).long(), "new": torch.zeros(1)}
    theirs = {"same": torch.ones(2), "wider": torch.ones(2), "kind": torch.ones(1), "old": torch.ones(1)}
    num, left = copied(theirs, ours)
    assert num == 1 and ours["same"].tolist() == [1, 1] and ours["wider"].tolist() == [0, 0, 0]
    assert left == ["wider ((2,) there, (3,) here)", "kind (another type)", "new (only here)", "old (only there)"]


@pytest.mark.trains
def test_it_stands_in_the_log_and_the_report_and_training_goes_on_from_there(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "new"
    options = ["--width", "4", "--latent", "3", "--images", "64", "--batch-size", "32", "--ema", "100"]
    main(["train", "vae", "--data", "digits", "--init-from", str(old), *options, "--out", str(run)])
    said = capsys.readouterr().out
    (message,) = events(run, "began")
    assert message in said and message in (run / "report.html").read_text()
    assert f"Began with the weights of {old} after 64 images" in message
    assert "decoder.synthesis" in message and "encoder.posterior.weight" in message  # of another code length
    assert Directory(run).settings().init_from == str(old)
    ganvas.train(resume=run, images=128, quiet=True)
    assert events(run, "began") == [message]
    assert ganvas.open(run).images_seen == 128
    assert ganvas.open(run).sample(2).shape == (2, 1, 8, 8)


@pytest.mark.trains
def test_the_average_begins_with_the_other_runs_and_keeps_its_full_influence(old: Path, tmp_path: Path) -> None:
    """From the seed alone, the average forgets the initial weights quickly."""
    slow: dict[str, Any] = {**SMALL, "ema": 1e9}
    middle = ganvas.train("vae", out=tmp_path / "middle", learning_rate=1e-2, init_from=old, **slow).path
    run = ganvas.train("vae", out=tmp_path / "new", learning_rate=1e-9, init_from=middle, **slow)
    theirs, ours = start_of(middle), start_of(run.path)
    key = "ema/encoder.posterior.weight"
    torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=1e-6)
    assert not torch.allclose(theirs[key], theirs[key.replace("ema/", "model/")], rtol=0, atol=1e-6)


@pytest.mark.trains
def test_a_session_killed_before_its_first_checkpoint_begins_with_the_same_weights(old: Path, tmp_path: Path) -> None:
    whole = ganvas.train("vae", out=tmp_path / "whole", init_from=old, **SMALL).path
    run = ganvas.train("vae", out=tmp_path / "run", init_from=old, **SMALL).path
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    ganvas.train(resume=run, quiet=True)
    a, b = start_of(whole), start_of(run)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert len(events(run, "began")) == 1


def test_an_exported_model_serves_as_well(old: Path, tmp_path: Path) -> None:
    export(ganvas.open(old), "hub-folder", tmp_path / "exported")
    trainer = Trainer(*built(old))
    assert "Not taken" not in fine_tuning.begin(trainer, str(tmp_path / "exported"))
    theirs = start_of(old)
    assert all(torch.equal(theirs[f"ema/{key}"], tensor) for key, tensor in variables(trainer.model).items())


def built(run: Path) -> tuple[Any, Any]:
    recipe = ganvas.open(run).build()
    return recipe.model, recipe.optimizers


def test_runs_that_have_nothing_in_common_or_are_none_are_refused(old: Path, tmp_path: Path) -> None:
    for place, says in ((tmp_path / "none", "There is no run"), (old, "No tensor of the run")):
        with pytest.raises(GanvasError, match=says):
            ganvas.train("article-gan", data="digits", out=tmp_path / "new", images=64, init_from=place, quiet=True)
        assert not (tmp_path / "new").exists()
    with pytest.raises(GanvasError, match="init_from"):
        ganvas.train(resume=old, init_from=old, quiet=True)
