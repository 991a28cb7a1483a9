"""Which value is white: told from the data, or named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ganvas
from ganvas.data import ImageOptions, open_data
from ganvas.errors import GanvasError
from ganvas.runs.directory import Directory
from ganvas.use.opening import as_trained

RNG = np.random.default_rng(0)


def scans(root: Path, high: int = 4095, num: int = 12, kind: type = np.uint16) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i in range(num):
        pixels = RNG.integers(0, high + 1, (8, 8)).astype(kind)
        pixels[0, :2] = 0, high
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


def both(data: ganvas.data.Data) -> np.ndarray:
    return np.concatenate([data.train.x.numpy(), data.held_out.x.numpy()])


def test_files_of_16_bits_from_a_scanner_of_12(tmp_path: Path) -> None:
    data = open_data(str(scans(tmp_path)))
    assert data.white == 4095 and both(data).max() == 255 and (both(data).reshape(12, -1).max(1) == 255).all()
    assert (
        len(data.notes) == 1 and "4,095 was taken as white" in data.notes[0] and "set white to 65535" in data.notes[0]
    )
    dark = open_data(str(tmp_path), ImageOptions(white=65_535))
    assert both(dark).max() == 16 and "0 to 16 of 0 to 255" in dark.notes[0]


@pytest.mark.parametrize(("high", "white"), [(1, 1), (255, 255), (1_000, 1_023), (16_383, 16_383), (60_000, 65_535)])
def test_bit_depths(tmp_path: Path, high: int, white: int) -> None:
    data = open_data(str(scans(tmp_path, high)))
    assert data.white == white and both(data).max() == round(high * 255 / white)
    assert bool(data.notes) == (white < 65_535)


def test_a_small_picture_does_not_decide(tmp_path: Path) -> None:
    """One scale for all pictures, also where one of them is dark."""
    scans(tmp_path, 4095, 3)
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(tmp_path / "dark.png")
    assert sorted(np.unique(both(open_data(str(tmp_path))).max((1, 2, 3)))) == [round(300 * 255 / 4095), 255]


def test_masks_of_zero_and_one(tmp_path: Path) -> None:
    data = open_data(str(scans(tmp_path, 1, kind=np.uint8)))
    assert data.white == 1 and set(np.unique(both(data))) == {0, 255} and "1 was taken as white" in data.notes[0]
    assert both(open_data(str(tmp_path), ImageOptions(size=4))).max() > 200


def test_files_above_the_named_white_are_skipped_with_the_flag(tmp_path: Path) -> None:
    scans(tmp_path / "a", 1000, 4)
    scans(tmp_path / "b", 5000, 2)
    data = open_data(str(tmp_path), ImageOptions(white=1000))
    assert len(both(data)) == 4 and len(data.skipped) == 2 and "the option white" in data.skipped[0].reason


def test_little_contrast_is_said(tmp_path: Path) -> None:
    data = open_data(str(scans(tmp_path, 16, kind=np.uint8)))
    assert data.white is None and "only the values 0 to 16" in data.notes[0]
    assert both(open_data(str(tmp_path), ImageOptions(white=16))).max() == 255


@pytest.mark.parametrize(
    ("array", "high", "white"),
    [
        (RNG.integers(0, 2, (9, 4, 4)).astype(np.uint8), 255, 1),
        (RNG.integers(0, 2, (9, 4, 4)), 255, 1),
        (RNG.integers(0, 4096, (9, 40, 40)).astype(np.int16), 255, 4095),
        (RNG.integers(0, 4096, (9, 40, 40)).astype(np.uint16), 255, 4095),
        (RNG.integers(0, 256, (9, 40, 40)), 255, None),
        (RNG.random((9, 40, 40)), 255, None),
    ],
)
def test_arrays(tmp_path: Path, array: np.ndarray, high: int, white: int | None) -> None:
    np.savez(tmp_path / "a.npz", x=array)
    data = open_data(f"npz:{tmp_path / 'a.npz'}")
    assert data.white == white and both(data).max() == high and bool(data.notes) == (white is not None)


def test_both_splits_have_one_scale(tmp_path: Path) -> None:
    train, test = RNG.integers(0, 4096, (9, 20, 20)), RNG.integers(0, 1000, (9, 20, 20))
    np.savez(tmp_path / "a.npz", x_train=train, x_test=test)
    data = open_data(f"npz:{tmp_path / 'a.npz'}")
    assert np.array_equal(data.held_out.x[:, 0].numpy(), np.rint(test * (255 / 4095)).astype(np.uint8))


def test_a_run_keeps_its_white(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single darker picture is read on the scale of the run, not on its own."""
    source = str(scans(tmp_path / "scans", 4095, 40))
    run = ganvas.train("vae", data=source, out=tmp_path / "run", images=32, batch_size=16)
    assert "4,095 was taken as white" in capsys.readouterr().err
    assert json.loads((run.path / "recipe.json").read_text())["data"]["options"]["white"] == 4095
    dark = scans(tmp_path / "dark", 900, 4)
    assert as_trained(run, str(dark)).train.x.max() == round(900 * 255 / 4095)
    ganvas.train(resume=run.path, images=64)


def test_a_run_without_a_white_opens(tmp_path: Path) -> None:
    """As version 0.1.0 wrote it: 65535 is white then."""
    source = str(scans(tmp_path / "scans", 4095, 40))
    run = ganvas.train("vae", data=source, out=tmp_path / "run", images=16, batch_size=16)
    facts = json.loads((run.path / "recipe.json").read_text())
    del facts["data"]["options"]["white"]
    (run.path / "recipe.json").write_text(json.dumps(facts))
    settings = Directory(run.path).settings()
    assert settings.options.white == 65_535
    assert as_trained(ganvas.open(run.path), source).train.x.max() == 16


def test_a_white_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="White cannot be 0"):
        ImageOptions(white=0)


def test_idx_of_zero_and_one(tmp_path: Path) -> None:
    for name, num in (("train", 9), ("t10k", 3)):
        pixels = RNG.integers(0, 2, (num, 4, 4)).astype(np.uint8)
        head = bytes([0, 0, 8, 3, *(b for n in pixels.shape for b in n.to_bytes(4, "big"))])
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = bytes([0, 0, 8, 1, *num.to_bytes(4, "big")]) + bytes(i % 2 for i in range(num))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    data = open_data(f"idx:{tmp_path}")
    assert data.white == 1 and set(np.unique(both(data))) == {0, 255} and data.notes
    shades = bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 4]) + bytes(range(144))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(shades)
    with pytest.raises(GanvasError, match="above the white"):
        open_data(f"idx:{tmp_path}", ImageOptions(white=1))
