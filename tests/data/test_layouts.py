"""Each layout in which people have data, and the page about them."""

import re
from pathlib import Path

import layouts
import pytest

EXPECTED = {
    "plain": (16, ()),
    "pets": (24, ("cat", "dog")),
    "vehicles": (40, ("bus", "car", "train", "truck")),
    "signs": (20, ("go", "stop")),
    "download": (16, ()),
    "three": (16, ()),
    "faces": (16, ("a", "b")),
    "birds": (16, ("0", "1", "2")),
    "stylegan": (16, ("0", "1")),
    "ffhq": (16, ()),
    "share": (16, ()),
    "mixed": (16, ()),
    "scans": (16, ()),
    "masks": (16, ()),
    "dark": (16, ()),
    "pets.zip": (24, ("cat", "dog")),
    "dataset.zip": (16, ("0", "1")),
    "hostile.zip": (16, ()),
    "one.png": (1, ()),
    "idx:mnist": (20, ("0", "1", "2", "3")),
    "mine.npz": (16, ("cat", "dog")),
    "cifar10.npz": (20, ("0", "1", "2", "3")),
    "pneumoniamnist.npz": (20, ("0", "1", "2")),
    "kmnist-train-imgs.npz": (20, ("0", "1", "2", "3")),
    "rows.npy": (16, ()),
    "breeds": (16, ("pug", "whippet")),
    "celeba": (16, ("Smiling", "not Smiling")),
    "grades": (24, tuple(map(str, range(12)))),
    "captions": (16, ()),
    "pets.tgz": (24, ("cat", "dog")),
    "shards": (20, ("0", "1", "2")),
    "imagenet": (24, ("n01440764", "n02102040")),
    "idx:emnist": (20, ("A/a", "B/b", "C/c", "D/d")),
    "qmnist": (20, ("0", "1", "2", "3")),
    "digit-recognizer": (16, ("0", "1", "2", "3")),
    "mnist_train.csv": (20, ("0", "1", "2", "3")),
    "emnist-letters-train.csv": (16, ("1", "2", "3", "4")),
    "fer2013.csv": (20, ("0", "1", "2")),
    "cifar-10-batches-bin": (24, ("airplane", "automobile", "bird", "cat")),
    "cifar-10-binary.tar.gz": (24, ("airplane", "automobile", "bird", "cat")),
    "cifar-100-binary": (20, ("apple", "pear", "bee", "moth")),
    "stl10_binary": (20, ("airplane", "bird", "car", "cat")),
    "svhn": (20, tuple("0123456789")),
    "emnist-letters.mat": (20, ("1", "2", "3", "4")),
    "faces.mat": (16, ("0", "1", "2", "3")),
    "Galaxy10.h5": (16, ("0", "1", "2", "3")),
    "pcam": (20, ("0", "1")),
    "hub": (20, ("cat", "ant", "bee")),
    "pets-train.arrow": (16, ()),
    "lsun": (20, ()),
    "points.npy": (16, ()),
}
"""How many examples each layout has, and their classes; written by hand."""


def test_every_layout_is_expected() -> None:
    assert [layout.source for layout in layouts.LAYOUTS] == list(EXPECTED)


@pytest.mark.parametrize("layout", layouts.LAYOUTS, ids=lambda layout: layout.source)
def test_a_layout_is_read_as_it_is_meant(
    layout: layouts.Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if layout.needs:
        pytest.importorskip(layout.needs)
    monkeypatch.chdir(tmp_path)
    data = layouts.built(layout)
    num, classes = EXPECTED[layout.source]
    assert (len(data.train) + len(data.held_out), data.info.classes) == (num, classes)
    if layout.kind in ("folders", "values", "tables"):
        on_disk = sum(not path.is_dir() for path in Path(layout.source).rglob("*"))
        assert num + len(data.skipped) + sum(u.num for u in data.unused) == on_disk


def test_the_page_of_data_is_made_from_the_layouts(tmp_path: Path) -> None:
    assert layouts.PAGE.read_text() == layouts.page(tmp_path), "run tests/data/layouts/layouts.py"


@pytest.mark.trains
def test_the_python_on_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", layouts.PAGE.read_text(), re.DOTALL)
    scope: dict[str, object] = {}
    exec(code, scope)
    assert scope["run"].images_seen == 128  # type: ignore[attr-defined]
