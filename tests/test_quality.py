"""The benchmark of picture quality: its clock and its table."""

import json
import os
import time

import quality


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
    row = quality.table().splitlines()[2]
    assert row.startswith("| flowers | `fastgan --flip` | 4 | 9,600 | 12.35 |")
