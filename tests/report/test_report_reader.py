import json
import math
from pathlib import Path

import fake_run
import pytest

from ganvas.errors import GanvasError
from ganvas.report.reader import MAX_SNAPSHOTS, read_run


def write_metrics(run: Path, *lines: object) -> Path:
    run.mkdir(exist_ok=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return run


def trained(images: int, value: float, seconds: float = 0.0) -> dict[str, object]:
    return {"images": images, "seconds": seconds, "split": "train", "players": {"critic": {"adversarial": value}}}


def test_reads_everything_of_a_finished_run(finished: Path) -> None:
    run = read_run(finished)
    assert (run.recipe.name, run.recipe.source, run.recipe.images) == ("vaegan", "glyphs", 50_000)
    kept = json.loads((finished / "networks.json").read_text())
    assert run.networks == {name: entry["parameters"] for name, entry in kept.items()}
    assert set(run.networks) >= {"encoder", "decoder", "critic"}
    assert set(run.history.terms) == {"encoder", "decoder", "critic"}
    assert set(run.history.terms["decoder"]["distortion"]) == {"train", "held_out"}
    assert run.history.images == 50_000
    assert run.history.seconds == pytest.approx(49_920 / 470)
    assert [picture.images for picture in run.samples] == [12_500, 25_000, 37_500, 50_000]
    assert run.notes == []


def test_a_half_written_last_line_is_no_damage_but_one_in_the_middle_is(in_progress: Path) -> None:
    assert not any("damaged" in note for note in read_run(in_progress).notes)
    file = in_progress / "metrics.jsonl"
    file.write_text('{"images": 64, "pla\n[1, 2]\n{"images": "many"}\n' + file.read_text())
    assert "3 damaged lines of metrics.jsonl skipped." in read_run(in_progress).notes


def test_seconds_are_those_of_the_newest_line(tmp_path: Path) -> None:
    """Every line counts the seconds of all sessions, see `Recorder`."""
    run = write_metrics(tmp_path, trained(100, 1.0, 10.0), trained(150, 1.0, 12.0), trained(200, 1.0, 14.0))
    assert read_run(run).history.seconds == 14.0


def test_values_that_are_no_numbers_are_gaps(tmp_path: Path) -> None:
    values = [math.nan, math.inf, None, "3", True, 10**400, [1], 2.5]
    run = write_metrics(tmp_path, *(trained(i, value) for i, value in enumerate(values)))  # type: ignore[arg-type]
    points = read_run(run).history.terms["critic"]["adversarial"]["train"]
    assert [y for _, y in points if math.isfinite(y)] == [2.5]
    assert len(points) == len(values)


def test_only_a_run_is_read(tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="no run directory"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(GanvasError, match="is not a run"):
        read_run(tmp_path)


@pytest.mark.parametrize("missing", ["recipe.json", "environment.json", "networks.json", "metrics.jsonl"])
def test_a_missing_or_damaged_file_is_noted(finished: Path, missing: str) -> None:
    (finished / missing).write_text("{broken\n")
    assert any(missing in note and "damaged" in note for note in read_run(finished).notes)
    (finished / missing).unlink()
    assert f"{missing} is missing." in read_run(finished).notes


def test_many_snapshots_are_thinned_with_both_ends_kept(tmp_path: Path) -> None:
    run = write_metrics(tmp_path)
    for images in range(1_000, 101_000, 1_000):
        fake_run.save_grid([[fake_run.glyph("A")]], run / f"samples/prior-{images:09d}.png")
    found = read_run(run)
    assert len(found.samples) == MAX_SNAPSHOTS
    assert (found.samples[0].images, found.samples[-1].images) == (1_000, 100_000)
    assert f"samples: {MAX_SNAPSHOTS} of 100 prior pictures are shown, evenly spaced." in found.notes


def test_pictures_that_are_none_and_links_out_of_the_run_are_left_out(finished: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    fake_run.save_grid([[fake_run.glyph("S")]], secret)
    (finished / "samples/prior-000060000.png").symlink_to(secret)
    (finished / "samples/prior-000070000.png").write_text("<svg onload='alert(1)'/>")
    found = read_run(finished)
    assert [picture.images for picture in found.samples] == [12_500, 25_000, 37_500, 50_000]
    assert len([note for note in found.notes if "not shown" in note]) == 2
