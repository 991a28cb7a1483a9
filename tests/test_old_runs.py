"""Runs of version 0.1.0, kept in runs_0_1_0, still open, resume and report.

`ganvas train RECIPE --data digits --size 8 --width 8 --images 640 --batch-size 32` of that version made them.
expected.safetensors holds what `run.sample(4, seed=0)` and `run.reconstruct(x)` of that version returned.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import ganvas
from ganvas import service

OLD = Path(__file__).parent / "runs_0_1_0"
RECIPES = ("vae", "vaegan", "vq-vae")


@pytest.fixture(params=RECIPES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / request.param, tmp_path / request.param))


def test_an_old_run_gives_what_it_gave(old: Path) -> None:
    run, expected = ganvas.open(old), load_file(old / "expected.safetensors")
    # Other processors add in another order: float32 keeps 7 digits, and a dozen layers lose two of them.
    torch.testing.assert_close(run.sample(4, seed=0), expected["samples"], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(run.reconstruct(expected["x"]), expected["reconstruction"], atol=1e-4, rtol=1e-3)


def test_an_old_run_goes_on(old: Path) -> None:
    run = service.train(resume=old, images=704, quiet=True)
    assert run.images_seen == 704
    lines = [json.loads(line) for line in (old / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["event"] == "finished" and lines[-1]["images"] == 704


def test_an_old_run_is_reported_and_diagnosed(old: Path) -> None:
    page = service.report(old).read_text()
    assert old.name in page
    assert service.doctor(old).recipe == old.name
