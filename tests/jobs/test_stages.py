"""One command for two stages: an autoencoder of pictures, and a flow on its codes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.jobs.stages import critic_after
from ganvas.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*features:UserWarning")
SMALL = {"images": 64, "codes": 64, "width": 16, "quiet": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    g = np.random.default_rng(0)
    for n in range(60):
        Image.fromarray(g.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(place / f"{n}.png")
    return place


@pytest.mark.trains
def test_one_command_trains_both_and_samples_pictures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    main(["train", "pictures", "--data", str(folder), "--out", str(out), *words(SMALL)])
    run = ganvas.open(out)
    assert run.settings.recipe == "flow" and run.images_seen >= 64
    first = ganvas.open(out / "autoencoder").settings
    assert first.recipe == "autoencoder" and first.arguments["critic_after"] == 1  # of 4 steps
    assert run.sample(3).shape == (3, 3, 32, 32)
    assert (out / "report.html").exists()
    again = service.train("pictures", data=str(folder), out=out, **SMALL)
    assert again.images_seen == run.images_seen, "what is finished is not trained again"


@pytest.mark.trains
def test_it_goes_on_from_either_stage_bit_for_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = service.train("pictures", data=str(folder), out=tmp_path / "whole", **SMALL)
    step, steps = Trainer.step, iter(range(1_000))

    def stopping(self: Trainer, batch: object) -> None:
        step(self, batch)  # type: ignore[arg-type]
        if next(steps) in (1, 4):  # once in each stage
            self.stop()

    monkeypatch.setattr(Trainer, "step", stopping)
    first = service.train("pictures", data=str(folder), out=tmp_path / "parts", **SMALL)
    assert first.settings.recipe == "autoencoder"
    parts = first
    for _ in range(2):
        parts = service.train("pictures", data=str(folder), out=tmp_path / "parts", **SMALL)
    assert parts.settings.recipe == "flow" and parts.images_seen == whole.images_seen
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_critic_joins_a_short_first_stage_too() -> None:
    assert critic_after(5_000) == 125 < 5_000 // 16
    assert critic_after(60_000) == critic_after(10**8) == 1_000


def test_mistakes_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="No data was named"):
        service.train("pictures")
    with pytest.raises(GanvasError, match="no option 'latent'"):
        service.train("pictures", data=str(folder), latent=3)
    with pytest.raises(GanvasError, match="at least 1"):
        service.train("pictures", data=str(folder), out=tmp_path / "r", codes=0)
    other = tmp_path / "other" / "autoencoder"
    other.mkdir(parents=True)
    (other / "notes.txt").write_text("mine")
    with pytest.raises(GanvasError, match="is not a run"):
        service.train("pictures", data=str(folder), out=tmp_path / "other", **SMALL)
    assert (other / "notes.txt").read_text() == "mine"


def words(options: dict[str, object]) -> list[str]:
    """Options as a command line has them."""
    found: list[str] = []
    for name, value in options.items():
        found += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return found
