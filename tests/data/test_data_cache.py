"""Folders that were read once: kept under what they follow from, by any number of processes, mended where damaged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.cli import main
from ganvas.data import Data, ImageOptions, open_data
from ganvas.data.sources import cache, decoding


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "PAYS_FROM", 10)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for i in range(20):
        path = root / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 10 * i, np.uint8)).save(path)
    (root / "a" / "broken.png").write_bytes(b"no picture")
    (root / "metadata.jsonl").write_text('{"file_name": "a/00.png", "text": "black"}\n')
    return root


def decodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is decoded from now on."""
    done: list[Path] = []
    real = decoding.frames

    def noted(path: Path, options: ImageOptions, *more: object):
        done.append(path)
        return real(path, options, *more)

    monkeypatch.setattr(decoding, "frames", noted)
    return done


def assert_same(a: Data, b: Data) -> None:
    assert a.info == b.info and a.skipped == b.skipped and a.source == b.source
    assert torch.equal(a.info.mean, b.info.mean)
    for one, other in ((a.train, b.train), (a.held_out, b.held_out)):
        assert torch.equal(one.x, other.x) and torch.equal(one.y, other.y) and one.text == other.text


def entries() -> list[Path]:
    return sorted(cache.home().iterdir())


def test_the_second_reading_decodes_nothing_and_gives_the_same(pictures: Path, monkeypatch) -> None:
    monkeypatch.setattr(cache, "PAYS_FROM", 10_000)
    plain = open_data(str(pictures), ImageOptions(size=8))
    assert not cache.home().exists()
    monkeypatch.setattr(cache, "PAYS_FROM", 10)
    done = decodings(monkeypatch)
    first = open_data(str(pictures), ImageOptions(size=8))
    assert len(done) == 21
    second = open_data(str(pictures), ImageOptions(size=8))
    assert len(done) == 21 and len(entries()) == 1
    assert_same(first, plain)
    assert_same(second, plain)
    assert {s.path for s in second.skipped} == {"a/broken.png"}


@pytest.mark.parametrize("change", ["touched", "added", "removed", "renamed", "metadata", "size", "limit"])
def test_whatever_the_data_follows_from_makes_another_entry(pictures: Path, monkeypatch, change: str) -> None:
    open_data(str(pictures), ImageOptions(size=8))
    done = decodings(monkeypatch)
    options, limit = ImageOptions(size=8), None
    if change == "touched":
        os.utime(pictures / "a" / "00.png", ns=(1, 1))
    elif change == "added":
        Image.new("L", (8, 8)).save(pictures / "a" / "new.png")
    elif change == "removed":
        (pictures / "a" / "02.png").unlink()
    elif change == "renamed":
        (pictures / "a" / "02.png").rename(pictures / "b" / "02.png")
    elif change == "metadata":
        (pictures / "metadata.jsonl").write_text('{"file_name": "a/00.png", "text": "as black as night"}\n')
    elif change == "size":
        options = ImageOptions(size=4)
    else:
        limit = 5
    open_data(str(pictures), options, limit=limit)
    assert done and len(entries()) == 2


@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "facts", "no facts"])
def test_a_damaged_entry_is_made_anew(pictures: Path, monkeypatch, capsys, harm: str) -> None:
    good = open_data(str(pictures), ImageOptions(size=8))
    wanted = good.train.x.clone(), good.held_out.x.clone()
    (entry,) = entries()
    images = entry / "images.npy"
    if harm == "cut":
        images.write_bytes(images.read_bytes()[:-5])
    elif harm == "changed":
        images.write_bytes(images.read_bytes()[:-5] + b"12345")
    elif harm == "gone":
        images.unlink()
    elif harm == "facts":
        (entry / "facts.json").write_text('{"num_train": []}')
    else:
        (entry / "facts.json").unlink()
    done = decodings(monkeypatch)
    again = open_data(str(pictures), ImageOptions(size=8))
    assert len(done) == 21
    assert "is damaged" in capsys.readouterr().err
    assert torch.equal(again.train.x, wanted[0]) and torch.equal(again.held_out.x, wanted[1])
    open_data(str(pictures), ImageOptions(size=8))
    assert len(done) == 21, "it was not mended"


@pytest.mark.slow
@pytest.mark.trains
def test_processes_that_read_at_once_leave_one_whole_entry(pictures: Path) -> None:
    program = (
        "import sys; from ganvas.data import open_data, ImageOptions; from ganvas.data.sources import cache;"
        "cache.PAYS_FROM = 10;"
        "data = open_data(sys.argv[1], ImageOptions(size=8)); print(int(data.train.x.sum() + data.held_out.x.sum()))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(pictures)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {process.communicate()[0] for process in processes}
    assert said == {f"{sum(10 * i * 64 for i in range(20))}\n"}
    assert [p.name for p in entries()] == [entries()[0].name] and ".part" not in entries()[0].name


def test_where_nothing_can_be_kept_the_data_is_read_all_the_same(pictures: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    data = open_data(str(pictures), ImageOptions(size=8))
    assert len(data.train) + len(data.held_out) == 20
    assert "could not be cached" in capsys.readouterr().err


def test_clear_cache(pictures: Path, capsys) -> None:
    data = open_data(str(pictures), ImageOptions(size=8))
    total = int(data.train.x.sum())
    main(["data", "--clear-cache"])
    assert "1 decoded folders removed" in capsys.readouterr().out
    assert entries() == []
    assert int(data.train.x.sum()) == total, "a run that had mapped it goes on"
    with pytest.raises(SystemExit, match="2"):
        main(["data"])
