"""metrics.jsonl: what is written is read back, and lines of version 0.1.0 are known by their keys."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from ganvas.runs.log import KINDS, Counted, Event, Examined, Health, HeldOut, Line, Log, Measured, Trained, of_record

CLOCK: dict[str, Any] = {"images": 640, "step": 10, "seconds": 1.5}

LINES: list[Line] = [
    Trained(
        **CLOCK, players={"critic": {"adversarial": -1.5}}, roles={"critic": "critic"}, gradient_norms={"critic": 2.0},
        images_per_second=470.0, skipped_steps=1, skipped_moves=2,
    ),
    HeldOut(**CLOCK, players={"encoder": {"rate": 18.0}}),
    Examined(**CLOCK, signs={"distance": 0.2, "bins": [0.5, 0.5]}),
    Counted(**CLOCK, metrics={"codebook use": 0.75}),
    Measured(**CLOCK, metrics={"fid": 12.5}, protocol={"num": 2_000, "features": None}),
    Health(**CLOCK, health="found", illness="posterior collapse", since=64, evidence="Rate is 0.", advice="Try --beta 1."),
    Event(images=640, event="finished", message="finished after 640 images", partial=True, peak_memory=1e9),
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
def test_a_line_is_read_as_it_was_written(line: Line, tmp_path: Path) -> None:
    log = Log(tmp_path / "metrics.jsonl")
    log.append(line)
    assert log.lines() == [line]
    assert json.loads(log.file.read_text())["kind"] == line.kind


def test_every_kind_is_tested() -> None:
    assert {line.kind for line in LINES} == set(KINDS)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
def test_lines_without_a_kind_are_known_by_their_keys(line: Line) -> None:
    """As version 0.1.0 wrote them."""
    record = line.record()
    del record["kind"]
    assert of_record(record) == line


def test_what_is_no_line_is_passed_over_and_counted(tmp_path: Path) -> None:
    log = Log(tmp_path / "metrics.jsonl")
    log.append(LINES[0])
    with log.file.open("a") as file:
        file.write(
            '{"images": 64, "pla\n[1, 2]\n{"images": "many"}\n{"images": 1e300}\n{"images": 3, "kind": "song"}\n'
        )
        file.write('{"images": 7680, "play')
    lines, damage = log.intact()
    assert lines == [LINES[0]]
    assert damage == "5 damaged lines of metrics.jsonl skipped."


def test_values_of_the_wrong_type_do_no_harm() -> None:
    for line in LINES:
        for field in dataclasses.fields(line):
            for value in (None, "x", 10**400, math.nan, [1], {"a": {"b": []}}, {"a": 3}):
                record = {**line.record(), field.name: value}
                if field.name != "images":
                    json.dumps(of_record(record).record())


def test_a_run_that_goes_on_drops_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    log = Log(tmp_path / "metrics.jsonl")
    for line in (
        Trained(images=64, seconds=1.0), Trained(images=128, seconds=2.0), Trained(images=192, seconds=3.0),
        Event(images=128, event="stopped", seconds=9.0, partial=True),
    ):  # fmt: skip
        log.append(line)
    assert log.seconds() == 9.0
    log.rewind(128)
    assert [(line.kind, line.images) for line in log.lines()] == [("training", 64), ("training", 128)]
    assert log.latest("seconds") == 2.0
