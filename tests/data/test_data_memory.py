"""Data that a Python program gives: arrays, tensors, paths, lists of files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import service
from ganvas.cli import main
from ganvas.data import open_data
from ganvas.errors import GanvasError
from ganvas.metrics.evaluation import Protocol

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
TINY: dict[str, Any] = {"images": 32, "batch_size": 16, "width": 8, "latent": 2, "quiet": True}


def rows(data: ganvas.data.Data) -> set[bytes]:
    return {x.numpy().tobytes() for part in (data.train, data.held_out) for x in part.x}


EXPECTED = {x.transpose(2, 0, 1).tobytes() for x in PICTURES}


@pytest.mark.parametrize(
    "given",
    [
        PICTURES,
        PICTURES.astype(np.int64),
        PICTURES.transpose(0, 3, 1, 2) / 255,
        torch.from_numpy(PICTURES),
        torch.from_numpy(PICTURES).permute(0, 3, 1, 2),
        (torch.from_numpy(PICTURES).permute(0, 3, 1, 2) / 127.5 - 1).requires_grad_(),
    ],
)
def test_pictures_in_memory(given: Any) -> None:
    data = open_data(given)
    assert rows(data) == EXPECTED and data.source == "memory:array" and len(data.held_out)


def test_a_tensor_of_four_by_four_has_its_channels_first() -> None:
    data = open_data(torch.zeros(10, 3, 4, 4).index_fill_(1, torch.tensor([0]), 1))
    assert data.info.shape == (3, 4, 4) and data.train.x[0, :, 0, 0].tolist() == [255, 0, 0]


def test_points_and_labels_in_memory() -> None:
    points = torch.randn(50, 2, dtype=torch.bfloat16)
    assert open_data(points).info.shape == (2,)
    for labels in ([0, 1] * 30, ["a", "b"] * 30, torch.arange(60) % 2, np.arange(60)[:, None] % 2):
        data = open_data((PICTURES, labels))
        assert len(data.info.classes) == 2 and data.train.y is not None
        assert data.info.classes == (("a", "b") if isinstance(labels, list) and "a" in labels else ("0", "1"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "are no data"),
        ({"x": PICTURES}, "are no data"),
        ([PICTURES[0], PICTURES[1]], "are no data"),
        ([], "list of files is empty"),
        (PICTURES[0, 0, 0], "neither images nor points"),
        (PICTURES[None], "neither images nor points"),
        (PICTURES[:0], "is empty"),
        (np.array([None, 1]), "not real numbers"),
        (torch.zeros(4, 4, dtype=torch.complex64), "not real numbers"),
        (torch.eye(4).to_sparse(), "plain tensor"),
        (np.full((4, 4, 4), np.nan), "NaN"),
        (PICTURES * 9.0, "black and white are undefined"),
        ((PICTURES, [0, 1]), "its labels has the shape"),
        ((PICTURES, [None] * 60), "neither whole numbers nor names"),
        ((PICTURES, [[0], [1, 2]]), "no list of numbers"),
        ((PICTURES, np.ones(60)), "whole numbers or names"),
    ],
)
def test_what_are_no_data(given: Any, says: str) -> None:
    with pytest.raises(GanvasError, match=says):
        open_data(given)


def test_a_path_is_a_folder_although_a_source_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glyphs").mkdir()
    for i in range(4):
        Image.fromarray(PICTURES[i]).save(f"glyphs/{i}.png")
    data = open_data(Path("glyphs"))
    assert data.source == "./glyphs" and len(data.train) + len(data.held_out) == 4
    assert rows(open_data(data.source)) == rows(data)
    listed = open_data([Path("glyphs/0.png"), "glyphs/1.png"])
    assert listed.source == "memory:files" and len(rows(listed)) == 2


def test_a_run_on_an_array_needs_it_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ganvas.train("vae", data=PICTURES, size=4, channels=1, out=tmp_path / "run", **TINY)
    facts = json.loads((run.path / "recipe.json").read_text())["data"]
    assert run.info.shape == (1, 4, 4) and facts["source"] == "memory:array" and facts["options"]["size"] == 4
    for use in (
        lambda: ganvas.train(resume=run.path, images=64),
        lambda: service.evaluate(run, protocol=Protocol(("mse",))),
        lambda: service.encode(run, run.settings.source, tmp_path / "codes.npz"),
    ):
        with pytest.raises(GanvasError, match="were in memory") as error:
            use()
        assert "data=" in str(error.value.hint)
    with pytest.raises(SystemExit):
        main(["train", "--resume", str(run.path), "--images", "64"])
    assert "were in memory" in capsys.readouterr().err
    with pytest.raises(GanvasError, match="have changed: 1 of"):
        ganvas.train(resume=run.path, images=64, data=np.concatenate([PICTURES[:-1], 255 - PICTURES[-1:]]), quiet=True)
    on = ganvas.train(resume=run.path, images=64, data=PICTURES, quiet=True)
    assert on.images_seen == 64
    codes = np.load(service.encode(on, PICTURES[:7], tmp_path / "codes.npz"))
    assert codes["mean"].shape == (7, 2)


def test_scores_of_a_run_on_an_array(tmp_path: Path) -> None:
    run = ganvas.train("vae", data=torch.from_numpy(PICTURES), out=tmp_path / "run", **TINY)
    names = [row.score.name for row in service.evaluate(run, PICTURES, protocol=Protocol(("mse",), num=8))]
    assert names == ["mse"]


def test_other_runs_keep_their_own_data(tmp_path: Path) -> None:
    run = ganvas.train("vae", data="digits", out=tmp_path / "run", **TINY)
    with pytest.raises(GanvasError, match="keeps its own data"):
        ganvas.train(resume=run.path, images=64, data=PICTURES)


@pytest.mark.parametrize("wrong", [{"size": "32"}, {"channels": 2}, {"crop": "top"}, {"white": 1.5}, {"size": True}])
def test_keywords_are_checked(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(GanvasError):
        ganvas.train("vae", data=PICTURES, out=tmp_path / "run", **wrong, **TINY)
    assert not (tmp_path / "run").exists()
