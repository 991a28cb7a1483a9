"""Using a run on files and folders that are not its own data."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import main
from ganvas.data import open_data
from ganvas.data.whole import whole
from ganvas.errors import GanvasError
from ganvas.service import encode, interpolate, reconstruct
from ganvas.use.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run") / "vae"
    return ganvas.train("vae", data="digits", out=out, images=64, batch_size=32, width=8, latent=4, quiet=True)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Ten pictures, of which some would be held out; their brightness tells them apart."""
    for i in range(10):
        place = tmp_path / "in" / ("b" if i % 2 else "a")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(place / f"{i}.png")
    return tmp_path / "in"


def names(pictures: Path) -> list[str]:
    return [p.relative_to(pictures).as_posix() for p in sorted(pictures.rglob("*.png"))]


def codes_of(run: Run, pictures: Path, files: list[str]) -> np.ndarray:
    values = np.array([int(Path(f).stem) * 20 for f in files], np.float32)
    x = torch.from_numpy(values / 127.5 - 1)[:, None, None, None].expand(-1, 1, 8, 8)
    return run.encode(x)[0].numpy()


def test_a_folder_is_encoded_as_a_whole_in_order_with_names(run: Run, pictures: Path, tmp_path: Path) -> None:
    found = np.load(encode(run, str(pictures), tmp_path / "codes.npz"))
    assert found["files"].tolist() == names(pictures) and len(found["mean"]) == 10
    np.testing.assert_allclose(found["mean"], codes_of(run, pictures, names(pictures)), atol=1e-5)
    assert found["labels"].tolist() == [0] * 5 + [1] * 5


def test_a_list_keeps_its_order_and_one_picture_works(run: Run, pictures: Path, tmp_path: Path) -> None:
    listed = [str(pictures / name) for name in reversed(names(pictures))]
    found = np.load(encode(run, listed, tmp_path / "codes.npz"))
    assert found["files"].tolist() == listed
    np.testing.assert_allclose(found["mean"], codes_of(run, pictures, listed), atol=1e-5)
    main(["encode", str(run.path), "--data", listed[0], "--out", str(tmp_path / "one.npz")])
    assert np.load(tmp_path / "one.npz")["files"].tolist() == listed[:1]
    main(["encode", str(run.path), "--data", *listed[:3], "--out", str(tmp_path / "three.npz")])
    assert np.load(tmp_path / "three.npz")["files"].tolist() == listed[:3]
    main(["encode", str(run.path), "--data", listed[0], str(pictures / "b"), "--out", str(tmp_path / "both.npz")])
    assert len(np.load(tmp_path / "both.npz")["mean"]) == 6


def test_splits_can_be_named(run: Run, pictures: Path, tmp_path: Path) -> None:
    sizes = {}
    for split in ("all", "train", "held-out"):
        main(["encode", str(run.path), "--data", str(pictures), "--split", split, "--out", str(tmp_path / "c.npz")])
        found = np.load(tmp_path / "c.npz")
        np.testing.assert_allclose(found["mean"], codes_of(run, pictures, found["files"].tolist()), atol=1e-5)
        sizes[split] = len(found["mean"])
    assert sizes["all"] == 10 == sizes["train"] + sizes["held-out"] and sizes["held-out"]
    assert len(np.load(encode(run, "digits", tmp_path / "d.npz", split="all"))["mean"]) == 1_797
    assert len(np.load(encode(run, "digits", tmp_path / "d.npz"))["mean"]) == 1_500


def test_reconstructions_are_of_all_files_in_order(run: Run, pictures: Path, tmp_path: Path) -> None:
    found = np.load(reconstruct(run, str(pictures), tmp_path / "pairs.npz"))
    assert found["files"].tolist() == names(pictures)
    assert found["originals"][:, 0, 0, 0].tolist() == [int(Path(f).stem) * 20 for f in names(pictures)]
    assert found["reconstructions"].shape == found["originals"].shape == (10, 8, 8, 1)
    main(["reconstruct", str(run.path), "--data", str(pictures / "a" / "0.png"), "--out", str(tmp_path / "one.png")])
    assert Image.open(tmp_path / "one.png").height > Image.open(tmp_path / "one.png").width
    assert len(np.load(reconstruct(run, "digits", tmp_path / "own.npz"))["originals"]) == 32


def test_a_file_that_cannot_be_read_is_named(run: Run, pictures: Path, tmp_path: Path) -> None:
    (pictures / "a" / "broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"a/broken\.png was skipped"):
        found = np.load(encode(run, str(pictures), tmp_path / "codes.npz"))
    assert len(found["mean"]) == len(found["files"]) == 10
    with pytest.raises(GanvasError, match="There is no file"):
        encode(run, [str(pictures / "a" / "0.png"), "absent.png"], tmp_path / "codes.npz")


def test_rows_of_arrays_keep_their_order(tmp_path: Path) -> None:
    x = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    np.save(tmp_path / "x.npy", x)
    together, files = whole(open_data(str(tmp_path / "x.npy")))
    assert together.x[:, 0, 0, 0].tolist() == list(range(40)) and files == ()


def test_inputs_that_are_not_as_in_training(run: Run, tmp_path: Path) -> None:
    x = torch.zeros(2, 1, 8, 8)
    for wrong, says in (
        (x + 255, "in \\[-1, 1\\]"),
        (x.byte(), "are float"),
        (x * torch.nan, "NaN"),
        (x[0], "shape"),
    ):
        for use in (run.encode, run.reconstruct, run.codes):
            with pytest.raises(GanvasError, match=says):
                use(wrong)
    for a, b in ((x[:1], None), (None, x[:1])):
        with pytest.raises(GanvasError, match="two ends"):
            run.interpolate(a, b)
    with pytest.raises(GanvasError, match="one example"):
        run.interpolate(x, x)
    with pytest.raises(GanvasError, match="two ends"):
        interpolate(run, tmp_path / "x.png", start=tmp_path / "a.png")


def test_what_a_resumed_run_would_ignore_is_refused(run: Run, tmp_path: Path) -> None:
    for ignored in (
        {"metrics": ("fid",)},
        {"seed": 1},
        {"log_every": 10},
        {"out": tmp_path},
        {"overwrite": True},
        {"resume_if_there": True},
        {"image_options": ganvas.data.ImageOptions(size=4)},
        {"latent": 3},
    ):
        with pytest.raises(GanvasError, match="A resumed run keeps its"):
            ganvas.train(resume=run.path, images=128, **ignored)
