"""`hf:NAME`, with local data sets: the network is not asked."""

import importlib.util
import sys
from pathlib import Path

import pytest
from PIL import Image

from ganvas.data import ImageOptions, open_data
from ganvas.errors import GanvasError

installed = pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="the extra `hub` is not installed")


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(GanvasError, match=r"^hf:mnist needs the extra hub: pip install 'ganvas\[hub\]'$"):
        open_data("hf:mnist")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """20 training and 5 test pictures with labels and captions; one picture is broken, one absent."""
    import datasets

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    features = datasets.Features(
        {
            "picture": datasets.Image(decode=False),
            "kind": datasets.ClassLabel(names=["dark", "bright"]),
            "text": datasets.Value("string"),
        }
    )

    def table(num: int) -> object:
        images: list[dict[str, object] | None] = []
        for i in range(num):
            Image.new("RGB", (8, 8), (10 * i, 0, 0)).save(tmp_path / "one.png")
            images.append({"bytes": (tmp_path / "one.png").read_bytes(), "path": None})
        if num == 20:
            images[3], images[4] = {"bytes": b"broken", "path": None}, None
        rows = {"picture": images, "kind": [i % 2 for i in range(num)], "text": [f"red {10 * i}" for i in range(num)]}
        return datasets.Dataset.from_dict(rows, features=features).cast_column("picture", datasets.Image())

    datasets.DatasetDict({"train": table(20), "test": table(5)}).save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


@installed
def test_a_saved_data_set(saved: Path) -> None:
    data = open_data(f"hf:{saved}")
    assert data.info.shape == (3, 8, 8) and data.info.classes == ("dark", "bright")
    assert len(data.train) == 18 and len(data.held_out) == 5
    assert {(s.path, s.reason) for s in data.skipped} == {
        ("train[3]", "not a readable picture"),
        ("train[4]", "there is no image"),
    }
    for split in (data.train, data.held_out):
        assert split.text is not None and split.y is not None
        for x, y, text in zip(split.x, split.y.tolist(), split.text, strict=True):
            red = int(x[0, 0, 0])
            assert text == f"red {red}" and y == red // 10 % 2
    few = open_data(f"hf:{saved}", ImageOptions(size=16, channels=1), limit=4)
    assert few.info.shape == (1, 16, 16) and len(few.held_out) == 4


@installed
def test_a_folder_that_datasets_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for name in ("ant", "bee"):
        for i in range(10):
            path = tmp_path / "pictures" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 5 * i).save(path)
    data = open_data(f"hf:{tmp_path / 'pictures'}")
    assert data.info.shape == (1, 8, 8) and data.info.classes == ("ant", "bee")
    assert len(data.train) + len(data.held_out) == 20 and len(data.held_out) > 0


@installed
def test_no_images_and_no_data_set(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"a": [1, 2]}).save_to_disk(str(tmp_path / "numbers"))
    with pytest.raises(GanvasError, match="no column of images"):
        open_data(f"hf:{tmp_path / 'numbers'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanvasError, match="cannot be loaded"):
        open_data(f"hf:{tmp_path / 'empty'}")
