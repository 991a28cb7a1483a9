"""A run is never lost: killed processes, damaged files, full disks, and what may not be written through."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.machine import storage
from ganvas.recipes import RECIPES
from ganvas.runs.directory import Directory
from ganvas.runs.settings import GROWING
from ganvas.training import checkpoint
from ganvas.training.recipe import learnt, options

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 4, "latent": 2, "quiet": True}
COMMAND = ["train", "vae", "--data", "digits", "--batch-size", "32", "--width", "4", "--latent", "2", "--images", "256"]


SOURCES = {"pacgan-ring": "ring8"}
"""Where a recipe is for other data than digits."""


def trained(out: Path, images: int = 96, **options: Any) -> Path:
    ganvas.train("vae", out=out, images=images, checkpoint_every=32, **{**TINY, **options})
    return out


def tensors(run: Path) -> bytes:
    return checkpoint.checkpoints(run / "checkpoints")[-1].with_suffix(".safetensors").read_bytes()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_what_a_killed_process_left_is_cleaned_up_and_the_rest_is_as_if_it_had_lived(tmp_path: Path) -> None:
    whole, run = trained(tmp_path / "whole"), trained(tmp_path / "run", images=64)
    folder = run / "checkpoints"
    (folder / "000000000096.safetensors.77.part").write_bytes(b"half")
    (folder / "000000000096.safetensors").write_bytes(b"whole, but its JSON was not written")
    (run / "recipe.json.77.part").write_text("{")
    with (run / "metrics.jsonl").open("a") as log:
        log.write('{"images": 64, "split": "train", "pla')
    ganvas.train(resume=run, images=96, quiet=True)
    assert tensors(run) == tensors(whole)
    names = [sorted(p.name for p in (r / "checkpoints").iterdir()) for r in (run, whole)]
    assert names[0] == names[1]
    assert [json.loads(line)["images"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert not list(run.rglob("*.part"))


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    whole, run = trained(tmp_path / "whole"), trained(tmp_path / "run")
    for path in (*(run / "checkpoints").iterdir(), run / "networks.json"):
        path.unlink()
    (run / "checkpoints").rmdir()
    ganvas.train(resume=run, quiet=True)
    assert tensors(run) == tensors(whole)
    assert (run / "networks.json").is_file()
    lines = [(r / "metrics.jsonl").read_text().splitlines() for r in (run, whole)]
    assert len(lines[0]) == len(lines[1])


def logged(run: Path) -> list[dict[str, Any]]:
    clocks = ("seconds", "images_per_second", "peak_memory", "message")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in clocks} for line in lines]


@pytest.mark.trains
def test_the_metrics_of_a_run_that_was_stopped_and_gone_on_with_are_those_of_one_that_never_was(tmp_path: Path) -> None:
    options: dict[str, Any] = {"log_every": 96, "validate_every": 64, "metrics": ["mse"], "metrics_every": 96}
    whole, run = trained(tmp_path / "whole", images=352, **options), trained(tmp_path / "run", images=160, **options)
    ganvas.train(resume=run, images=352, quiet=True)
    assert logged(run) == logged(whole)
    ganvas.train(resume=run, quiet=True)  # it is at its end already
    assert logged(run) == logged(whole)


@pytest.mark.trains
def test_periods_that_nobody_gave_follow_from_the_images_seen_in_one_run_as_in_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each changes before, at and after the image where the run was stopped and gone on with."""
    firsts = {"log_every": 32, "validate_every": 64, "metrics_every": 64, "health_every": 16}
    for name, first in firsts.items():
        monkeypatch.setitem(GROWING, name, replace(GROWING[name], first=first))
    tiny: dict[str, Any] = {**TINY, "batch_size": 16, "metrics": ["mse"], "quiet": True}
    ganvas.train("vae", out=tmp_path / "whole", images=1_024, **tiny)
    ganvas.train("vae", out=tmp_path / "run", images=512, **tiny)
    ganvas.train(resume=tmp_path / "run", images=1_024, quiet=True)
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")
    lines = logged(tmp_path / "whole")
    told = [line["images"] for line in lines if line.get("split") == "train"]
    assert told == [*range(32, 256, 32), *range(256, 512, 64), *range(512, 1_024, 128), 1_024]
    assert [line["images"] for line in lines if "mse" in line.get("metrics", {})] == [
        0,
        *range(64, 512, 64),
        *range(512, 1_025, 128),
    ]
    signs = [line["images"] for line in lines if "signs" in line]
    assert signs[-9:] == [*range(256, 512, 64), *range(512, 1_025, 128)]
    assert Directory(tmp_path / "whole").settings().training.log_every is None


def test_seconds_are_known_where_no_means_of_terms_were_due(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", log_every=1_000, validate_every=32)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    validated = [line["seconds"] for line in lines if line.get("split") == "held_out"]
    assert len(validated) == 3 and validated == sorted(validated)
    assert Directory(run).log.seconds() >= validated[-1] > 0


@pytest.mark.trains
def test_periods_that_were_given_are_exact_and_stay_with_the_run(tmp_path: Path) -> None:
    """As do those of a run that an earlier version wrote, which names them all."""
    again: dict[str, Any] = {**TINY, "batch_size": 16, "quiet": True, "out": tmp_path / "run", "resume_if_there": True}
    ganvas.train("vae", images=320, log_every=16, **again)
    ganvas.train("vae", images=640, **again)
    told = [line["images"] for line in logged(tmp_path / "run") if line.get("split") == "train"]
    assert told == [*range(16, 641, 16)]
    with pytest.raises(GanvasError, match="`log_every` 16, not 32"):
        ganvas.train("vae", images=640, log_every=32, **again)
    with pytest.raises(GanvasError, match="`log_every` must be at least 1"):
        ganvas.train("vae", log_every=0, out=tmp_path / "none", **TINY)


def tokens(place: Path) -> str:
    """The tokens of a small run."""
    ganvas.train("vq-vae", data="digits", out=place / "vq", width=4, codes=8, images=32, batch_size=16, quiet=True)
    return f"codes:{place / 'vq'}"


@pytest.mark.trains
@pytest.mark.filterwarnings("ignore:Images are judged by a random feature network")  # where the extra is not installed
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_goes_on_as_if_it_had_never_stopped(tmp_path: Path, recipe: str) -> None:
    known = options(RECIPES[recipe])
    small = {name: value for name, value in {"width": 4, "latent": 4, "codes": 8}.items() if name in known}
    tiny: dict[str, Any] = {
        "data": SOURCES.get(recipe, "digits") if "images" in learnt(RECIPES[recipe]) else tokens(tmp_path),
        "batch_size": 16,
        "checkpoint_every": 32,
        "quiet": True,
    }
    tiny |= {"log_every": 48, "validate_every": 64, "health_every": 32, **small}
    ganvas.train(recipe, out=tmp_path / "whole", images=96, **tiny)
    ganvas.train(recipe, out=tmp_path / "parts", images=48, **tiny)
    ganvas.train(resume=tmp_path / "parts", images=96, quiet=True)
    (facts, whole), (again, parts) = (
        checkpoint.read(checkpoint.checkpoints(tmp_path / name / "checkpoints")[-1]) for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    assert [name for name, t in whole.items() if not torch.equal(t, parts[name])] == []
    unlike: dict[str, Any] = {"sha256": "", "seconds": 0.0}
    assert {**facts, **unlike} == {**again, **unlike}
    assert logged(tmp_path / "whole") == logged(tmp_path / "parts")


@pytest.mark.parametrize("keep", [1, 3])
def test_so_many_checkpoints_stay_as_are_asked_for(tmp_path: Path, keep: int) -> None:
    main([*COMMAND, "--checkpoint-every", "32", "--keep", str(keep), "--out", str(tmp_path / "run"), "--quiet"])
    kept = [int(path.stem) for path in checkpoint.checkpoints(tmp_path / "run" / "checkpoints")]
    assert kept == [192, 224, 256][-keep:]


def test_a_run_without_checkpoints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--keep" in refused(capsys, *COMMAND, "--keep", "0", "--out", str(tmp_path / "run"))


def test_a_damaged_newest_checkpoint_is_gone_back_from_and_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, run = trained(tmp_path / "whole"), trained(tmp_path / "run", images=64)
    newest = checkpoint.checkpoints(run / "checkpoints")[-1]
    newest.write_text(newest.read_text()[:-20])
    ganvas.train(resume=run, images=96, quiet=True)
    assert "Using the checkpoint before it" in capsys.readouterr().err
    assert tensors(run) == tensors(whole)
    assert [p.name for p in checkpoint.checkpoints(run / "checkpoints")] == [
        p.name for p in checkpoint.checkpoints(whole / "checkpoints")
    ]


def test_the_best_is_known_again_when_a_process_was_killed_before_it_was_named(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", keep_best="mse", metrics_every=32)
    best = checkpoint.read_best(run / "checkpoints")
    (run / "checkpoints" / "best.json").unlink()
    ganvas.train(resume=run, images=97, quiet=True)
    assert best is not None
    assert (run / "checkpoints" / f"{best.images:012d}.json").exists()
    assert checkpoint.read_best(run / "checkpoints") is not None


@pytest.mark.trains
def test_one_command_begins_a_run_goes_on_with_it_and_refuses_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = [*COMMAND, "--out", str(tmp_path / "run"), "--resume-if-there", "--quiet"]
    main([*again, "--images", "64"])
    main(again)
    main(again)
    main([*COMMAND, "--out", str(tmp_path / "whole"), "--quiet"])
    assert tensors(tmp_path / "run") == tensors(tmp_path / "whole")
    assert "--width 4, not 5" in refused(capsys, *again, "--width", "5")
    assert "--seed 0, not 1" in refused(capsys, *again, "--seed", "1")
    assert "--out" in refused(capsys, *COMMAND, "--resume-if-there")
    assert "excludes --overwrite" in refused(capsys, *again, "--overwrite")


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(tmp_path / "run")
    monkeypatch.setattr(storage, "PATIENCE", 0.0)
    assert not storage.in_use(run)
    with storage.held(run):
        assert storage.in_use(run)
        with pytest.raises(GanvasError, match="Another process"):
            ganvas.train(resume=run, images=128, quiet=True)
    assert not storage.in_use(run)


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples", "checkpoints/000000000096.json"])
def test_a_run_is_never_written_through_a_link(tmp_path: Path, name: str) -> None:
    run, elsewhere = trained(tmp_path / "run"), tmp_path / "elsewhere"
    (run / name).rename(elsewhere)
    (run / name).symlink_to(elsewhere)
    before = elsewhere.read_bytes() if elsewhere.is_file() else sorted(elsewhere.iterdir())
    with pytest.raises(GanvasError, match="is a link"):
        ganvas.train(resume=run, images=128, quiet=True)
    assert before == (elsewhere.read_bytes() if elsewhere.is_file() else sorted(elsewhere.iterdir()))


def test_a_report_replaces_a_link_and_leaves_what_it_led_to(tmp_path: Path) -> None:
    run, precious = trained(tmp_path / "run"), tmp_path / "precious"
    precious.write_text("mine")
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(precious)
    main(["report", str(run)])
    assert precious.read_text() == "mine"


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_saves_first_and_says_how_to_go_on(tmp_path: Path, sent: signal.Signals) -> None:
    run = tmp_path / "run"
    command = [*COMMAND, "--images", "100000000", "--log-every", "64", "--out", str(run)]
    life = subprocess.Popen([sys.executable, "-m", "ganvas", *command], stdout=subprocess.PIPE, text=True)
    log, deadline = run / "metrics.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and log.read_text().count("\n") > 3):
        time.sleep(0.01)
    life.send_signal(sent)
    said, _ = life.communicate(timeout=60)
    assert life.returncode == 0
    assert f"Continue with: ganvas train --resume {run}\n" in said
    more = str(checkpoint.newest(run / "checkpoints", warn=pytest.fail)[0]["images_seen"] + 64)
    main(["train", "--resume", str(run), "--images", more, "--quiet"])
    main([*COMMAND, "--images", more, "--out", str(tmp_path / "whole"), "--quiet"])
    assert tensors(run) == tensors(tmp_path / "whole")


@pytest.mark.trains
def test_a_second_interrupt_ends_a_run_at_once_and_leaves_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, write = tmp_path / "run", checkpoint.save_tensors

    def interrupted(content: dict[str, torch.Tensor], path: Path) -> None:
        write(content, path)
        for _ in range(2 if path.name.startswith(f"{96:012d}") else 0):
            signal.raise_signal(signal.SIGINT)

    command = [*COMMAND, "--checkpoint-every", "32", "--quiet"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(checkpoint, "save_tensors", interrupted)
        main([*command, "--out", str(run)])
    assert stopped.value.code == 130
    found = checkpoint.newest(run / "checkpoints", warn=pytest.fail)
    assert found is not None and found[0]["images_seen"] == 64
    main(["train", "--resume", str(run), "--quiet"])
    main([*command, "--out", str(tmp_path / "whole")])
    assert tensors(run) == tensors(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 2 MiB, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # tensors may still be mapped from it


@pytest.mark.trains
def test_a_full_disk_stops_a_run_with_one_message_and_an_intact_checkpoint(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = small_disk / "run"
    main([*COMMAND, "--images", "32", "--checkpoint-every", "32", "--out", str(run), "--quiet"])
    before = tensors(run)
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(b"x" * 4096)
    message = refused(capsys, "train", "--resume", str(run), "--images", "256", "--quiet")
    assert "No space left" in message
    assert "intact" in message
    assert tensors(run) == before
    (small_disk / "filler").unlink()
    main(["train", "--resume", str(run), "--images", "256", "--quiet"])
    main([*COMMAND, "--out", str(tmp_path / "whole"), "--checkpoint-every", "32", "--quiet"])
    assert tensors(run) == tensors(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.trains
def test_a_process_killed_while_it_writes_checkpoints_is_gone_on_with(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", images=1_600)
    run = tmp_path / "run"
    again = [
        *COMMAND,
        "--images",
        "1600",
        "--checkpoint-every",
        "32",
        "--out",
        str(run),
        "--resume-if-there",
        "--quiet",
    ]
    for mark in (200, 600):  # images that it has gone past when it is killed
        life = subprocess.Popen([sys.executable, "-m", "ganvas", *again], stdout=subprocess.DEVNULL)
        folder = run / "checkpoints"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and life.poll() is None:
            if folder.exists() and max((int(p.stem) for p in checkpoint.checkpoints(folder)), default=0) > mark:
                break
            time.sleep(0.001)
        life.send_signal(signal.SIGKILL)
        life.wait()
    main(again)
    assert tensors(run) == tensors(whole)
