"""What one session of training leaves for the next."""

from pathlib import Path
from typing import Any

import pytest

import ganvas
from ganvas.runs.directory import Directory

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "quiet": True}
SMALL: dict[str, Any] = {**TINY, "width": 4, "latent": 2}

BROKEN = """\
from dataclasses import replace

from ganvas.data import DataInfo
from ganvas.recipes.vae import vae
from ganvas.training.recipe import Recipe


def fail(batch):
    raise RuntimeError("no step")


def broken(info: DataInfo) -> Recipe:
    return replace(vae(info), transform=fail)
"""


def seconds(run: Path) -> float:
    """Of the last event, the end of a session."""
    found = Directory(run).log.events()[-1].seconds
    assert found
    return found


def test_the_time_of_a_run_never_shrinks(tmp_path: Path) -> None:
    """Also if a session is killed after it dropped the lines of the end before, and before it wrote new ones."""
    run = tmp_path / "run"
    ganvas.train("vae", out=run, images=64, log_every=1_000, validate_every=1_000, **SMALL)
    first = seconds(run)
    ganvas.train(resume=run, images=96, quiet=True)
    second = seconds(run)
    Directory(run).rewind(96)
    ganvas.train(resume=run, images=128, quiet=True)
    assert first < second < seconds(run)


@pytest.mark.parametrize("before", [False, True], ids=["new", "overwritten"])
def test_a_training_that_fails_before_its_first_step_leaves_nothing(tmp_path: Path, before: bool) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    out = tmp_path / "run"
    if before:
        ganvas.train("vae", out=out, images=32, **SMALL)
    with pytest.raises(RuntimeError, match="no step"):
        ganvas.train(str(tmp_path / "broken.py"), out=out, images=64, overwrite=before, **TINY)
    assert not out.exists()
