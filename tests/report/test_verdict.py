"""The verdict on a run's samples: their distance to real data beside that of the untrained networks."""

from dataclasses import replace
from pathlib import Path

import pytest
from fake_run import write_run

from ganvas.report import write_report
from ganvas.report.reader import Points, read_run
from ganvas.report.verdict import by_score, by_sign
from ganvas.runs.directory import Directory
from ganvas.runs.log import Examined


def entry(name: str, score: float, real: float, untrained: float, images: int = 1_000, **more: object) -> dict:
    card = {"features": "lenet"}
    return {
        "images": images,
        "score": {"name": name, "value": score, "card": card},
        "floor": {"value": real},
        "untrained": {"value": untrained},
        **more,
    }


@pytest.mark.parametrize(
    ("score", "short", "says"),
    [
        (9.0, "close to real data by one score", "other scores and the pictures themselves may disagree"),
        (40.0, "between untrained and real", "but clearly different"),
        (80.0, "far from real data", "nearer to those of the untrained networks"),
        (104.0, "far from real data", "nearer to those of the untrained networks"),
    ],
)
def test_by_a_score(score: float, short: str, says: str) -> None:
    found = by_score([entry("fid", score, 4.0, 104.0)], 1_000)
    assert found is not None and found.short == short and says in found.words
    assert f"FID (lenet features) is {score:g}; real data have 4, the untrained networks 104." in found.words


def test_the_newest_score_of_the_best_kind_counts() -> None:
    entries = [entry("swd", 1, 0, 10), entry("kid", 9, 0, 10, images=500), entry("kid", 3, 0, 10, images=900)]
    found = by_score(entries, 1_000)
    assert found is not None and "KID (lenet features) is 3;" in found.words
    assert "It was measured after 900 of 1,000 images." in found.words


@pytest.mark.parametrize("case", [entry("fid", 50, 4, 100, untrained_reach_it=True), entry("fid", 50, 4, 3)])
def test_a_score_that_untrained_networks_reach(case: dict) -> None:
    found = by_score([case], 1_000)
    assert found is not None and found.short == "no better than untrained networks"


def test_scores_without_a_reference_or_a_number_give_no_verdict() -> None:
    assert by_score([entry("ssim", 0.9, 1, 0)], 1) is None
    assert by_score([{**entry("fid", 1, 0, 2), "floor": None}], 1) is None
    assert by_score([entry("fid", float("nan"), 0, 2)], 1) is None


@pytest.mark.parametrize(
    ("points", "short"),
    [
        ([], "not measured"),
        ([(0, 1.0)], "not measured"),
        ([(64, 1.0), (128, 0.5)], "not measured"),
        ([(0, 1.0), (128, 1.1)], "no better than untrained networks"),
        ([(0, 1.0), (128, 0.8)], "far from real data"),
        ([(0, 1.0), (128, 0.001)], "nearer to real data, details not measured"),
    ],
)
def test_by_the_distance_of_the_examinations(points: Points, short: str) -> None:
    found = by_sign(points)
    assert found.short == short and "ganvas evaluate" in found.words


def test_it_stands_on_the_page_beside_health(tmp_path: Path) -> None:
    run = write_run(tmp_path, images=6_400, snapshots=1)
    assert read_run(run).history.distance == []
    assert "not measured" in write_report(run).read_text()
    log = Directory(run).log
    for images, distance in ((0, 1.5), (6_400, 1.2)):
        log.append(replace(Examined(images=images, signs={"distance": distance}), step=images // 64))
    page = write_report(run).read_text()
    assert "Quality of samples: far from real data" in page
    assert "went from 1.5, of the untrained networks, to 1.2" in page
    assert "Healthy" not in page
