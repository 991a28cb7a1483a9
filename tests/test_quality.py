"""The benchmark of picture quality: its clock and its table."""

import json
import os
import time
from types import SimpleNamespace
from typing import Any

import judge
import pytest
import quality
import torch
from torch.nn import functional as F

from ganvas.data import open_data


def test_the_clock_counts_work_and_not_waiting() -> None:
    before = quality.cpu_seconds(os.getpid())
    time.sleep(0.3)
    waited = quality.cpu_seconds(os.getpid())
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert waited - before < 0.2 < quality.cpu_seconds(os.getpid()) - waited


def test_a_line_of_results_becomes_a_row(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(quality, "LINES", tmp_path / "quality.jsonl")
    result = quality.Result("flowers", "fastgan", "--flip", 0, 4.0, 9_600, {"kid E x 1000": 12.345, "coverage N": 0.5})
    quality.keep(result)
    assert json.loads(quality.LINES.read_text())["images"] == 9_600
    quality.keep(quality.Result("flowers", "pictures", "", 0, 15.0, 800, {"psnr": 19.5}, codes=9_000))
    rows = quality.table().splitlines()[2:]
    assert rows[0].startswith("| flowers | `fastgan --flip` | 4 | 9,600 | 12.35 |")
    assert rows[1].startswith("| flowers | `pictures` | 15 | 800 + 9,000 codes |") and rows[1].endswith("| 19.50 |")


def test_a_command_line_is_parted_at_each_double_dash() -> None:
    assert quality.parted(["pictures", "DIR", "--", "--flip", "--", "--width", "32"]) == [
        ["pictures", "DIR"],
        ["--flip"],
        ["--width", "32"],
    ]
    assert quality.parted(["table"]) == [["table"]]


def test_scores_know_real_pictures_from_noise(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(judge, "RUNS", tmp_path)
    monkeypatch.setattr(judge, "NETWORKS", {"E": lambda: lambda x: F.avg_pool2d(x, 4).flatten(1)})
    data = open_data("digits")
    scorer = judge.Judge(data)
    real = scorer.scores(data.held_out.batch(torch.arange(len(data.held_out))).x)
    noise = scorer.scores(torch.rand(297, 1, 8, 8) * 2 - 1)
    for name in ("kid E x 1000", "fid E"):
        assert real[name] < noise[name] / 10
    x = data.train.batch(torch.tensor([7, 3])).x
    assert torch.equal(scorer.nearest(x), x)
    assert real["coverage E"] > 0.5 > noise["coverage E"] and real["memorisation E"] == 0.5


def test_sharpness_of_an_image_halves_with_its_contrast() -> None:
    x = torch.rand(4, 3, 16, 16)
    assert quality.sharpness(x / 2) == pytest.approx(quality.sharpness(x) / 2)
    assert quality.sharpness(torch.ones(4, 3, 16, 16)) == 0
    assert quality.sharpness(F.avg_pool2d(x, 3, 1)) < quality.sharpness(x) / 2


def test_two_stages_share_the_minutes(monkeypatch, tmp_path) -> None:
    """The commands of `pictures`, each with its seconds: clocks and training are left out."""
    calls: list[tuple[list[str], float]] = []
    kept: list[dict[str, Any]] = []

    def train_for(command: list[str], seconds: float) -> float:
        calls.append((command, seconds))
        return 3.0 if command[-1] == "500" else seconds

    monkeypatch.setattr(quality, "RUNS", tmp_path)
    monkeypatch.setattr(quality, "train_for", train_for)
    monkeypatch.setattr(
        quality, "open_run", lambda path: SimpleNamespace(images_seen=500 if "autoencoder" in path.name else 70)
    )
    monkeypatch.setattr(quality, "psnr", lambda run, split: 20.0)
    bench = quality.Bench.__new__(quality.Bench)
    bench.folder, bench.name, bench.size, bench.seed = "DIR", "flowers", 64, 0
    bench.data = SimpleNamespace(held_out=None)
    bench.judged = lambda run, recipe, options, minutes, **more: kept.append(
        {"options": options, "minutes": minutes} | more
    )
    bench.pictures([2.0, 4.0], 0.25, ["--flip"], ["--width", "32"])
    assert [round(seconds) for _, seconds in calls] == [30, 60, 87, 27, 60, 177]
    assert "--flip" in calls[0][0] and "--width" in calls[2][0] and "--resume" in calls[3][0]
    assert calls[1][0][-2:] == ["--images", "500"] and calls[3][0][-1] == quality.ENDLESS
    assert [line["minutes"] for line in kept] == [2.0, 4.0]
    assert kept[0]["options"] == "--share 0.25 --flip -- --width 32"
    assert (kept[0]["images"], kept[0]["codes"], kept[0]["scores"]) == (500, 70, {"psnr": 20.0})
