"""Runs that several people use: files follow the umask, and a folder that may only be read is enough to measure a run."""

import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.service import evaluate, export
from ganvas.studies.measuring import Protocol
from ganvas.training import checkpoint

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 4, "latent": 2, "images": 64, "quiet": True}
NOBODY = 65_534


@contextmanager
def as_somebody_else() -> Generator[None]:
    """Within this context, the process has no rights of the administrator, whom no mode of a file hinders."""
    if not hasattr(os, "geteuid"):
        pytest.skip("needs users")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A folder that everybody may read. The caches are in it, too."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    yield place
    shutil.rmtree(place)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_files_of_a_run_and_of_an_export_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run = ganvas.train("vae", out=tmp_path / "run", **TINY)
        export(run, "hub-folder", tmp_path / "exported")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".safetensors", ".json", ".png"}
    assert {path.name: oct(mode(path)) for path in files if mode(path) != 0o640} == {}


def test_a_file_that_may_not_be_read_is_not_called_missing(shared: Path) -> None:
    run = ganvas.train("vae", out=shared / "run", **TINY).path
    weights = checkpoint.checkpoints(run / "checkpoints")[-1].with_suffix(".safetensors")
    for private in (weights, weights.with_suffix(".json"), run / "recipe.json"):
        before = mode(private)
        private.chmod(0)
        with as_somebody_else(), pytest.raises(GanvasError, match="no permission to read") as refused:
            ganvas.open(run).sample(1)
        private.chmod(before)
        assert private.name in refused.value.message and "chmod" in refused.value.hint
    with as_somebody_else():
        assert ganvas.open(run).sample(1).shape == (1, 1, 8, 8)


@pytest.mark.trains
def test_a_run_that_may_not_be_written_is_measured_and_the_score_returned(shared: Path) -> None:
    run = ganvas.train("vae", out=shared / "run", **TINY).path
    run.chmod(0o555)
    with as_somebody_else(), pytest.warns(UserWarning, match="does not keep these scores"):
        rows = evaluate(ganvas.open(run), protocol=Protocol(metrics=("mse",), num=32))
    run.chmod(0o755)
    assert [row.score.name for row in rows] == ["mse"] and not (run / "evaluation.json").exists()
    assert (
        evaluate(ganvas.open(run), protocol=Protocol(metrics=("mse",), num=32)) and (run / "evaluation.json").exists()
    )


def test_samples_are_not_mixed_with_those_of_an_earlier_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ganvas.train("vae", out=tmp_path / "run", **TINY).path
    folder = tmp_path / "samples"
    folder.mkdir()  # an empty folder is as good as none
    main(["sample", str(run), "--num", "3", "--out", str(folder)])
    assert len(list(folder.iterdir())) == 3
    with pytest.raises(SystemExit):
        main(["sample", str(run), "--num", "2", "--out", str(folder)])
    assert "has files already" in capsys.readouterr().err
    assert len(list(folder.iterdir())) == 3
