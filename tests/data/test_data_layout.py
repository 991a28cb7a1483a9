"""What each folder and file is taken for, and that every file is accounted for."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.cli import main
from ganvas.data import Data, open_data, summary
from ganvas.data.sources.layout import split_of
from ganvas.data.sources.plugins import missing
from ganvas.errors import GanvasError

_number = iter(range(1, 10**9))


def draw(path: Path, num: int = 1) -> None:
    """So many different pictures beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for i in range(num):
        colour = np.full((4, 4, 3), np.frombuffer(next(_number).to_bytes(4, "little"), np.uint8)[:3])
        Image.fromarray(colour).save(path.with_stem(f"{path.stem}{i}"))


def used(data: Data) -> int:
    return len(data.train) + len(data.held_out)


def not_used(data: Data) -> dict[str, int]:
    return {u.reason: u.num for u in data.unused}


def accounted(data: Data) -> int:
    return used(data) + len(data.skipped) + sum(u.num for u in data.unused)


def on_disk(root: Path) -> int:
    return sum(not path.is_dir() for path in root.rglob("*"))


def test_a_class_that_is_called_train(tmp_path: Path) -> None:
    for name in ("bus", "car", "train", "truck"):
        draw(tmp_path / name / "a.png", 12)
    data = open_data(str(tmp_path))
    assert used(data) == 48 and data.info.classes == ("bus", "car", "train", "truck")
    assert not data.unused


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "Testing"),
        ("TRAIN", "valid"),
        ("training_set", "test_set"),
        ("train-images", "Val"),
    ],
)
def test_common_forms_of_names_of_splits(train: str, test: str, tmp_path: Path) -> None:
    draw(tmp_path / train / "a" / "x.png", 7)
    draw(tmp_path / train / "b" / "x.png", 7)
    draw(tmp_path / test / "a" / "x.png", 3)
    data = open_data(str(tmp_path))
    assert (len(data.train), len(data.held_out)) == (14, 3) and data.info.classes == ("a", "b")


def test_words_that_are_no_splits() -> None:
    assert [split_of(name) for name in ("trains", "contest", "valley", "device", "testudo", "")] == [None] * 6


def test_a_folder_of_an_archive_around_the_splits(tmp_path: Path) -> None:
    for split, num in (("train", 8), ("test", 4)):
        for name in ("ant", "bee"):
            draw(tmp_path / "my_set" / "v1" / split / name / "x.png", num)
    data = open_data(str(tmp_path))
    assert (len(data.train), len(data.held_out)) == (16, 8) and data.info.classes == ("ant", "bee")


def test_a_folder_of_an_archive_around_classes(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        draw(tmp_path / "my_set" / name / "x.png", 4)
    assert open_data(str(tmp_path)).info.classes == ("ant", "bee")


def test_thumbnails_of_a_network_disk_are_no_pictures(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        draw(tmp_path / name / "x.png", 6)
        draw(tmp_path / name / "@eaDir" / "x.png" / "SYNOPHOTO_THUMB.png", 6)
    data = open_data(str(tmp_path))
    assert used(data) == 12 and data.info.classes == ("ant", "bee")
    assert not_used(data) == {"thumbnails of a network disk (@eaDir)": 12}


def test_pictures_that_cannot_be_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    missing.cache_clear()
    draw(tmp_path / "x.png", 5)
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    data = open_data(str(tmp_path))
    assert [(s.path, s.reason) for s in data.skipped] == [
        ("IMG_0001.HEIC", "HEIC pictures need a plugin: pip install pillow-heif; or convert them to PNG or JPEG")
    ]
    with pytest.raises(GanvasError, match="pip install pillow-heif"):
        open_data(str(tmp_path / "IMG_0001.HEIC"))
    missing.cache_clear()
    assert not_used(data) == {"of another kind (.txt)": 1}


def test_pictures_beside_the_splits_and_a_second_held_out_folder_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "data" / "loose.png", 2)
    draw(tmp_path / "data" / "extra" / "x.png", 3)
    for split, num in (("train", 40), ("val", 5), ("test", 7)):
        draw(tmp_path / "data" / split / "x.png", num)
    data = open_data(str(tmp_path / "data"))
    assert (len(data.train), len(data.held_out)) == (40, 5)
    assert not_used(data) == {"a second held-out folder (test)": 7, "pictures beside the folders of the splits": 5}
    assert summary(data)["not_used"] == not_used(data)
    command = ["train", "vae", "--data", str(tmp_path / "data"), "--size", "8", "--images", "32", "--batch-size", "32"]
    main([*command, "--network", "mlp", "--width", "4", "--out", str(tmp_path / "run")])
    assert "7 pictures: a second held-out folder (test)" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(25))
def test_every_file_of_any_folder_is_accounted_for(seed: int, tmp_path: Path) -> None:
    g = random.Random(seed)
    names = ["train", "Test", "val", "a", "b", "@eaDir", ".hidden", "__MACOSX", "set", "testing"]
    files = ["x.png", "y.jpg", "z.bmp", ".x.png", "notes.txt", "raw.HEIC", "metadata.json", "broken.png", "none"]
    folders = [tmp_path / "keep"]
    for _ in range(g.randint(1, 8)):
        parent = g.choice([tmp_path, *folders])
        folders.append(parent / g.choice(names))
    for folder in [tmp_path, *folders]:
        for name in g.sample(files, g.randint(0, 5)):
            if (folder / name).suffix in (".png", ".jpg", ".bmp") and "broken" not in name:
                draw(folder / name, g.randint(1, 3))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(b"x")
    split = g.choice(["train", "keep"])
    draw(tmp_path / split / "k.png", 2)
    if g.random() < 0.5:
        (tmp_path / split / "metadata.jsonl").write_text('{"file_name": "k0.png", "text": "t"}')
    data = open_data(str(tmp_path))
    assert accounted(data) == on_disk(tmp_path)
    assert accounted(open_data(str(tmp_path), limit=1)) == on_disk(tmp_path)
