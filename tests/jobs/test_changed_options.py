"""A run that goes on with another batch size or learning rate: a segment that its log and its page show."""

from pathlib import Path
from typing import Any

import pytest
import torch

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.runs.directory import Directory
from ganvas.training import checkpoint

SMALL: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 4, "latent": 2, "images": 64, "quiet": True}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return ganvas.train("vae", out=tmp_path / "run", **SMALL).path


def changes(run: Path) -> list[tuple[int, str]]:
    return [(event.images, event.message) for event in Directory(run).log.events() if event.event == "changed"]


@pytest.mark.trains
def test_each_change_is_recorded_at_its_place(run: Path) -> None:
    main(["train", "--resume", str(run), "--images", "96", "--batch-size", "16", "--learning-rate", "1e-4", "--quiet"])
    ganvas.train(resume=run, images=128, batch_size=16, quiet=True)  # nothing new
    ganvas.train(resume=run, images=160, learning_rate=1e-5, quiet=True)
    assert changes(run) == [
        (64, "Goes on with batch size 16 instead of 32 and learning rate 0.0001 instead of 0.001."),
        (128, "Goes on with learning rate 1e-05 instead of 0.0001."),
    ]
    settings = Directory(run).settings()
    assert settings.training.batch_size == 16 and settings.arguments["learning_rate"] == 1e-5
    facts, _ = checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])
    assert facts["images_seen"] == 160 and facts["steps"] == 2 + 6
    page = (run / "report.html").read_text()
    assert "changed after 64 images" in page and "learning rate 1e-05 instead of 0.0001" in page
    assert ">finished<" in page


@pytest.mark.trains
def test_the_learning_rate_is_that_of_the_steps(run: Path) -> None:
    def weights() -> torch.Tensor:
        tensors = checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])[1]
        return torch.cat([t.flatten() for name, t in tensors.items() if name.endswith("weight") and "model/" in name])

    before = weights()
    ganvas.train(resume=run, images=96, learning_rate=1e-12, quiet=True)
    torch.testing.assert_close(weights(), before, rtol=0, atol=1e-9)
    ganvas.train(resume=run, images=128, learning_rate=1e-2, quiet=True)
    assert float((weights() - before).abs().max()) > 1e-3


def test_values_that_cannot_be_are_refused_and_change_nothing(run: Path) -> None:
    before = (run / "recipe.json").read_bytes()
    for wrong in ({"batch_size": 0}, {"batch_size": 10_000}, {"learning_rate": -1.0}, {"learning_rate": "fast"}):
        with pytest.raises(GanvasError):
            ganvas.train(resume=run, images=128, quiet=True, **wrong)
    with pytest.raises(GanvasError, match="keeps its own data") as refused:
        ganvas.train(resume=run, images=128, latent=3, quiet=True)
    assert "init_from" in refused.value.hint
    assert (run / "recipe.json").read_bytes() == before and not changes(run)
