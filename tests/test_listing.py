"""`ganvas runs`: what there is, whatever state it is in."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import ganvas
from ganvas.cli import main
from ganvas.machine import storage
from ganvas.runs import listing
from ganvas.use.export import export

pytestmark = pytest.mark.trains

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 4, "latent": 2, "quiet": True}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    best = ganvas.train("vae", out=place / "deep" / "best", images=96, keep_best="mse", metrics_every=32, **TINY)
    export(best, "hub-folder", place / "exported")
    ganvas.train("gan", out=place / "half", images=64, **TINY)
    recipe = json.loads((place / "half" / "recipe.json").read_text())
    recipe["training"]["images"] = 640
    (place / "half" / "recipe.json").write_text(json.dumps(recipe))
    lines = (place / "half" / "metrics.jsonl").read_text().splitlines()
    (place / "half" / "metrics.jsonl").write_text("\n".join([*lines[:-1], '{"images": 64, "spl']))
    for name, content in {"nested": "[" * 100_000, "list": "[]", "latin": "\xff", "empty": "", "other": "{}"}.items():
        (place / name).mkdir()
        (place / name / "recipe.json").write_bytes(content.encode("latin-1"))
    (place / "no run").mkdir()
    (place / "no run" / "loop").symlink_to(place)
    (place / "pipe").mkdir()
    os.mkfifo(place / "pipe" / "recipe.json")
    return place


def test_runs_are_listed_with_their_state_and_nothing_breaks_the_list(place: Path) -> None:
    found = {Path(run.path).name: run for run in listing.runs(place)}
    states = {name: run.state for name, run in found.items()}
    broken = dict.fromkeys(("nested", "list", "latin", "empty", "other", "pipe"), "damaged")
    assert states == {"best": "finished", "exported": "exported", "half": "stopped", **broken}
    assert (found["half"].images, found["half"].wanted) == (64, 640)
    assert found["best"].best is not None
    assert found["best"].best["score"] == "mse"
    assert found["exported"].images == 96
    with storage.held(place / "half"):
        assert {Path(run.path).name: run for run in listing.runs(place)}["half"].state == "running"


def test_the_newest_run_comes_first_in_json_and_on_the_screen(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime(place / "deep" / "best" / "metrics.jsonl", (4e9, 4e9))
    main(["runs", str(place), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["path"].endswith("best")
    main(["runs", str(place)])
    shown = capsys.readouterr().out
    assert "damaged" in shown
    assert "64 of 640" in shown
    with pytest.raises(SystemExit) as stopped:
        main(["runs", str(place / "nowhere")])
    assert stopped.value.code == 2
