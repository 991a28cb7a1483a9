"""Metrics during training, and the checkpoint of the best value."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.metrics.evaluation import Protocol
from ganvas.training import checkpoint
from ganvas.training.callbacks import Every, KeepBest, Measure

pytestmark = pytest.mark.trains

TINY = {"data": "digits", "images": 384, "batch_size": 32, "width": 4, "latent": 4, "quiet": True}
MEASURED = {**TINY, "metrics": ["swd", "mse"], "metrics_every": 64, "checkpoint_every": 128}


def lines(run: Path) -> list[dict]:
    facts = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [fact for fact in facts if "metrics" in fact]


def best_tensors(run: Path) -> dict[str, torch.Tensor]:
    best = checkpoint.read_best(run / "checkpoints")
    assert best is not None
    return checkpoint.read(checkpoint.path_of(run / "checkpoints", best.images))[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    ganvas.train("vae", out=out, keep_best="swd", **MEASURED)
    return out


def test_every_so_many_images_a_line_with_its_protocol(whole: Path) -> None:
    found = lines(whole)
    assert [line["images"] for line in found] == [0, 64, 128, 192, 256, 320, 384]
    assert all(line["metrics"].keys() == {"swd", "mse"} for line in found)
    assert all(line["protocol"]["split"] == "held-out" for line in found)
    assert found[0]["protocol"] == {"num": 297, "samples": 2_000, "features": None, "split": "held-out", "seed": 0}
    assert "Measured quality" in (whole / "report.html").read_text()


def test_the_best_is_that_of_the_lines_and_can_be_opened(whole: Path) -> None:
    best = checkpoint.read_best(whole / "checkpoints")
    assert best is not None
    values = {line["images"]: line["metrics"]["swd"] for line in lines(whole) if line["images"]}
    assert (best.images, best.value) == min(values.items(), key=lambda item: item[1])
    assert best.score == "swd"
    assert ganvas.open(whole, best=True).images_seen == best.images
    assert ganvas.open(whole).images_seen == 384


def test_measuring_changes_nothing_of_the_training(whole: Path, tmp_path: Path) -> None:
    plain = ganvas.train("vae", out=tmp_path / "plain", **TINY)
    assert torch.equal(plain.sample(4), ganvas.open(whole).sample(4))


@pytest.mark.parametrize("stop", [96, 192, 288])
def test_a_resumed_run_keeps_the_best_as_one_that_never_stopped(whole: Path, tmp_path: Path, stop: int) -> None:
    parts = tmp_path / "parts"
    ganvas.train("vae", out=parts, keep_best="swd", **{**MEASURED, "images": stop})
    again = ganvas.train(resume=parts, images=384, quiet=True)
    assert torch.equal(again.sample(4), ganvas.open(whole).sample(4))
    assert [(line["images"], line["metrics"]) for line in lines(parts)] == [
        (line["images"], line["metrics"]) for line in lines(whole)
    ]
    assert checkpoint.read_best(parts / "checkpoints") == checkpoint.read_best(whole / "checkpoints")
    mine, theirs = best_tensors(parts), best_tensors(whole)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@dataclass(frozen=True)
class Told:
    name: str
    value: float
    better: str


@pytest.mark.parametrize(
    ("better", "values", "expected"),
    [("lower", [5.0, 3.0, 4.0, 3.0], 2), ("higher", [5.0, 3.0, 7.0, 6.0], 3), ("lower", [5.0, float("nan"), 6.0], 1)],
)
def test_the_direction_is_the_scores_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, better: str, values: list[float], expected: int
) -> None:
    saved: list[int] = []

    class Clock:
        images_seen = 0

    def save(trainer: Clock, folder: Path, keep: int, best: checkpoint.Best, seconds: float) -> Path:
        saved.append(trainer.images_seen)
        return folder

    monkeypatch.setattr(checkpoint, "save", save)
    keeper = KeepBest("m", tmp_path, 2, lambda: 0.0)
    for images, value in enumerate(values, 1):
        clock = Clock()
        clock.images_seen = images
        keeper(clock, {"m": [Told("first", value, better), Told("second", -value, better)], "other": []})  # type: ignore[arg-type]
    best = checkpoint.read_best(tmp_path)
    assert best == checkpoint.Best(expected, "first", values[expected - 1])
    assert saved[-1] == expected


def test_the_best_survives_however_many_come_after(tmp_path: Path) -> None:
    out = tmp_path / "r"
    ganvas.train("vae", out=out, keep_best="mse", **{**MEASURED, "images": 64})
    (first,) = checkpoint.checkpoints(out / "checkpoints")
    facts = json.loads(first.read_text())
    facts["best"]["value"] = 0.0  # nothing later can beat it
    first.write_text(json.dumps(facts))
    ganvas.train(resume=out, images=640, quiet=True)
    kept = [int(path.stem) for path in checkpoint.checkpoints(out / "checkpoints")]
    assert kept == [64, 512, 640]
    assert ganvas.open(out, best=True).images_seen == 64


def test_scores_of_the_best_checkpoint_say_that_it_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r"
    ganvas.train("vae", out=out, keep_best="mse", **{**MEASURED, "images": 128})
    for best in (True, False):
        (row,) = service.evaluate(ganvas.open(out, best=best), protocol=Protocol(("mse",), num=50))
        assert any("chosen by mse on held-out examples of digits" in note for note in row.score.card.notes) == best
    main(["evaluate", str(out), "--best", "--metrics", "mse", "--num", "50"])
    assert "note: this checkpoint was chosen by mse" in " ".join(capsys.readouterr().out.split())


def test_mistakes_are_said_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x"
    with pytest.raises(GanvasError, match="GAN has no likelihood"):
        ganvas.train("gan", out=out, metrics=["elbo"], **TINY)
    with pytest.raises(GanvasError, match="no metric 'fidd'") as raised:
        ganvas.train("gan", out=out, keep_best="fidd", **TINY)
    assert "fid" in raised.value.hint
    with pytest.raises(GanvasError, match="but not what"):
        ganvas.train("gan", out=out, metrics_every=64, **TINY)
    with pytest.raises(GanvasError, match="`metrics_every` must be at least 1"):
        ganvas.train("gan", out=out, metrics=["swd"], metrics_every=-1, **TINY)
    with pytest.raises(GanvasError, match="sees only 384"):
        ganvas.train("vae", out=out, keep_best="swd", **TINY)
    assert not out.exists()
    with pytest.raises(GanvasError, match="has no best"):
        ganvas.open(ganvas.train("gan", out=tmp_path / "plain", **TINY).path, best=True).sample(1)


def test_from_the_command_line(tmp_path: Path) -> None:
    run = tmp_path / "r"
    tiny = ["--data", "digits", "--images", "96", "--batch-size", "32", "--width", "4", "--latent", "4", "--quiet"]
    main(["train", "gan", *tiny, "--metrics", "swd", "--metrics-every", "32", "--keep-best", "swd", "--out", str(run)])
    assert [line["images"] for line in lines(run)] == [0, 32, 64, 96]
    main(["sample", str(run), "--best", "--num", "2", "--out", str(tmp_path / "s.png")])
    assert (tmp_path / "s.png").exists()


def test_a_metric_that_fails_on_the_way_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ganvas.metrics.evaluation import Evaluation

    scores = Evaluation.scores

    def broken(self: Evaluation, name: str) -> object:
        assert self.context.model is not None
        if name == "swd" and self.context.model.clock.images == 64:
            raise GanvasError("features of NaN")
        return scores(self, name)

    monkeypatch.setattr(Evaluation, "scores", broken)
    ganvas.train("vae", out=tmp_path / "r", keep_best="swd", **{**MEASURED, "images": 128})
    assert [set(line["metrics"]) for line in lines(tmp_path / "r")] == [{"swd", "mse"}, {"mse"}, {"swd", "mse"}]
    assert "Not measured at 64 images: features of NaN." in capsys.readouterr().err
    best = checkpoint.read_best(tmp_path / "r" / "checkpoints")
    assert best is not None
    assert best.images == 128


def test_a_measurement_off_the_beat_is_marked() -> None:
    recorded: list[dict] = []
    when = Every(64)
    for before, images, partial in ((0, 0, False), (32, 64, False), (64, 96, True)):

        class Clock:
            best_model = nn.Module()

        Clock.before, Clock.images_seen, Clock.steps = before, images, images  # type: ignore[attr-defined]
        Measure(
            when,
            lambda kind, /, **line: recorded.append({"kind": kind, **line}),
            lambda _: {"m": [Told("m", 1.0, "lower")]},
        )(Clock())  # type: ignore[arg-type]
        assert recorded[-1] == {
            "kind": "metrics",
            "images": images,
            "step": images,
            "metrics": {"m": 1.0},
            "partial": partial,
        }
