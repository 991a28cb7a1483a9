"""A folder of images: layouts, metadata, and files that mean harm."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.data import Data, ImageOptions, open_data
from ganvas.errors import GanvasError


def draw(path: Path, colour: object = (200, 30, 30), size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]
    return path


def fill(folder: Path, num: int = 12, **options: object) -> None:
    for i in range(num):
        draw(folder / f"{i:03}.png", (10 * i, 255 - 10 * i, 0), **options)  # type: ignore[arg-type]


def reasons(data: Data) -> dict[str, str]:
    return {s.path: s.reason for s in data.skipped}


def whole(data: Data) -> int:
    return len(data.train) + len(data.held_out)


def test_a_plain_folder(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    data = open_data(str(tmp_path))
    assert data.info.shape == (3, 8, 8) and whole(data) == 40 and data.source == str(tmp_path)
    assert data.train.y is None and data.train.text is None and data.info.classes == () and data.skipped == ()
    reds = sorted(torch.cat([data.train.x, data.held_out.x])[:, 0, 0, 0].tolist())
    assert reds == sorted((10 * i) % 256 for i in range(40)) or reds == sorted(min(10 * i, 255) for i in range(40))


def test_class_folders_are_labels(tmp_path: Path) -> None:
    for name, grey in (("dog", 50), ("cat", 100), ("猫", 150)):
        for i in range(10):
            draw(tmp_path / name / f"{i}.png", grey + i, mode="L")
    data = open_data(str(tmp_path))
    assert data.info.shape == (1, 8, 8) and data.info.classes == ("cat", "dog", "猫")
    for split in (data.train, data.held_out):
        assert split.y is not None and len(split)
        expected = {0: 100, 1: 50, 2: 150}
        for x, y in zip(split.x, split.y.tolist(), strict=True):
            assert 0 <= int(x[0, 0, 0]) - expected[y] < 10


def test_splits_by_folder_keep_labels_and_texts_beside_their_pictures(tmp_path: Path) -> None:
    greys = {"train": {"a": 10, "b": 20}, "validation": {"a": 30, "b": 40}}
    for split, classes in greys.items():
        rows = []
        for name, grey in classes.items():
            for i in range(5):
                draw(tmp_path / split / name / f"{i}.png", grey, mode="L")
                rows.append({"file_name": f"{name}/{i}.png", "text": f"{split} {grey}"})
        (tmp_path / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    draw(tmp_path / "test" / "a" / "0.png", 99, mode="L")
    data = open_data(str(tmp_path))
    assert len(data.train) == len(data.held_out) == 10 and data.info.classes == ("a", "b") and data.info.captions
    for split, name in ((data.train, "train"), (data.held_out, "validation")):
        for x, y, text in zip(split.x, split.y.tolist(), split.text or (), strict=True):  # type: ignore[union-attr]
            assert text == f"{name} {int(x[0, 0, 0])}"
            assert int(x[0, 0, 0]) == greys[name]["ab"[y]]


def test_test_is_held_out_when_there_is_no_validation(tmp_path: Path) -> None:
    fill(tmp_path / "train", 5)
    fill(tmp_path / "test", 3)
    data = open_data(str(tmp_path))
    assert (len(data.train), len(data.held_out)) == (5, 3) and data.info.classes == ()


def test_train_alone_is_split_by_hash(tmp_path: Path) -> None:
    fill(tmp_path / "train", 30)
    data = open_data(str(tmp_path))
    assert whole(data) == 30 and 0 < len(data.held_out) < 10


def test_a_limit_is_fair(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fill(tmp_path / name, 60)
    data = open_data(str(tmp_path), limit=20)
    assert len(data.train) == 20 and data.train.y is not None and 3 < int(data.train.y.sum()) < 17
    again = open_data(str(tmp_path), limit=20)
    assert torch.equal(data.train.x, again.train.x)


def test_csv_metadata_and_labels_that_win_over_folders(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        for i in range(4):
            draw(tmp_path / folder / f"{i}.png", 10 * i, mode="L")
    rows = [
        f'{f}/{i}.png,"a {"even" if i % 2 == 0 else "odd"}, {i}",{"even" if i % 2 == 0 else "odd"}'
        for f in "xy"
        for i in range(4)
    ]
    (tmp_path / "metadata.csv").write_text("file_name,text,label\n" + "\n".join(rows), encoding="utf-8-sig")
    data = open_data(str(tmp_path))
    assert data.info.classes == ("even", "odd")
    for split in (data.train, data.held_out):
        for x, y, text in zip(split.x, split.y.tolist(), split.text or (), strict=True):  # type: ignore[union-attr]
            i = int(x[0, 0, 0]) // 10
            assert y == i % 2 and text == f"a {data.info.classes[y]}, {i}"


def test_numbers_that_agree_with_folders_take_their_names(tmp_path: Path) -> None:
    rows = []
    for label, folder in ((1, "ant"), (0, "bee")):
        for i in range(3):
            draw(tmp_path / folder / f"{i}.png")
            rows.append({"file_name": f"{folder}/{i}.png", "label": label})
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert open_data(str(tmp_path)).info.classes == ("bee", "ant")


def test_pictures_outside_of_every_class_have_label_minus_one(tmp_path: Path) -> None:
    fill(tmp_path / "a", 4)
    fill(tmp_path / "b", 4)
    draw(tmp_path / "loose.png")
    data = open_data(str(tmp_path))
    labels = torch.cat([data.train.y, data.held_out.y])  # type: ignore[list-item]
    assert sorted(labels.tolist()) == [-1, 0, 0, 0, 0, 1, 1, 1, 1]


def test_names_in_any_script_with_either_form_of_accents(tmp_path: Path) -> None:
    names = ["猫 и кот.png", "😀.png", "e\u0301te\u0301.png", "a b#%.png", "-rf.png", "newline\n.png"]
    for name in names:
        draw(tmp_path / name)
    rows = [{"file_name": "\u00e9t\u00e9.png", "text": "composed"}, {"file_name": "😀.png", "text": "笑"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), "utf-8")
    data = open_data(str(tmp_path))
    assert whole(data) == len(names) and not data.skipped
    assert sorted((data.train.text or ()) + (data.held_out.text or ())) == ["", "", "", "", "composed", "笑"]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX file names are bytes")
def test_a_name_that_is_not_text_can_be_printed(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"no picture")
    except OSError:
        pytest.skip("this file system only takes UTF-8 names")
    data = open_data(str(tmp_path))
    assert len(data.skipped) == 1 and data.skipped[0].path.encode("utf-8") == "\ufffd.png".encode()


def bomb(path: Path, side: int = 60_000) -> None:
    """A PNG whose header promises 3.6 thousand million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))))


@pytest.mark.parametrize("size", [None, 8])
def test_what_cannot_be_read_is_named_counted_and_skipped(tmp_path: Path, size: int | None) -> None:
    root, outside = tmp_path / "data", draw(tmp_path / "elsewhere" / "secret.png")
    fill(root, 10)
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "cut.png")
    (root / "cut.png").write_bytes((root / "cut.png").read_bytes()[:-80])
    Image.fromarray(noise).save(root / "cut.jpg")
    (root / "cut.jpg").write_bytes((root / "cut.jpg").read_bytes()[:-150])
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("this is not a picture")
    (root / "text.gif").write_text("GIF89a")
    bomb(root / "bomb.png")
    bomb(root / "large.png", 10_000)  # between Pillow's warning and its error
    (root / "out.png").symlink_to(outside)
    (root / "folder.out").symlink_to(outside.parent)
    (root / "broken.png").symlink_to(root / "nowhere.png")
    (root / "self.png").symlink_to(root / "self.png")
    (root / "directory.png").mkdir()
    os.mkfifo(root / "pipe.png")
    data = open_data(str(root), ImageOptions(size=size))
    assert whole(data) == 10
    found = reasons(data)
    assert set(found) == {
        *("cut.png", "cut.jpg", "empty.png", "text.png", "text.gif", "bomb.png", "large.png", "out.png"),
        *("folder.out", "broken.png", "self.png", "pipe.png"),
    }
    assert found["out.png"] == "a link that leads out of the folder"
    assert found["broken.png"] == "a broken link"
    assert found["folder.out"] == "a link to a folder, which is not followed"
    assert found["empty.png"] == "the file is empty"
    assert found["text.png"] == "not a readable picture"
    assert "pixels" in found["bomb.png"] and "pixels" in found["large.png"]
    assert found["pipe.png"] == "not a regular file"
    assert "truncated" in found["cut.jpg"].lower()


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / "a", 3)
    (tmp_path / "again.png").symlink_to(tmp_path / "a" / "000.png")
    data = open_data(str(tmp_path))
    assert whole(data) == 4 and not data.skipped


def test_a_folder_that_is_itself_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "real", 3)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert whole(open_data(str(tmp_path / "link"))) == 3


def test_a_picture_under_the_wrong_name_loads_and_other_files_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    Image.new("RGB", (8, 8)).save(tmp_path / "really_png.jpg", "PNG")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "._000.png").write_bytes(b"a Mac's resource fork")
    draw(tmp_path / ".hidden" / "x.png")
    draw(tmp_path / "UPPER.PNG")
    data = open_data(str(tmp_path))
    assert whole(data) == 5 and not data.skipped


def test_every_mode_in_one_folder(tmp_path: Path) -> None:
    draw(tmp_path / "grey.png", 128, mode="L")
    draw(tmp_path / "bit.png", 1, mode="1")
    draw(tmp_path / "alpha.png", (0, 0, 0, 0), mode="RGBA")
    draw(tmp_path / "palette.gif", 3, mode="P")
    draw(tmp_path / "cmyk.jpg", (0, 255, 255, 0), mode="CMYK")
    Image.fromarray(np.full((8, 8), 32_896, dtype=np.uint16)).save(tmp_path / "deep.png")
    data = open_data(str(tmp_path))
    assert whole(data) == 6 and data.info.shape == (3, 8, 8) and not data.skipped
    greys = [p for p in torch.cat([data.train.x, data.held_out.x]) if (p == 128).all()]
    assert len(greys) == 2  # grey.png and deep.png, spread over three channels
    assert open_data(str(tmp_path), ImageOptions(channels=1)).info.shape == (1, 8, 8)


def test_pictures_of_different_sizes_need_one(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", size=(40, 50))
    draw(tmp_path / "b.png", size=(100, 90))
    draw(tmp_path / "c.png", size=(100, 90))
    with pytest.raises(GanvasError, match="2 different sizes, from 40x50 to 100x90") as error:
        open_data(str(tmp_path))
    assert "size=64" in error.value.hint
    assert open_data(str(tmp_path), ImageOptions(size=64)).info.shape == (3, 64, 64)


def test_nothing_to_read_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(GanvasError, match="no readable image") as error:
        open_data(str(tmp_path))
    assert ".png" in error.value.hint and "1 files of other kinds" in error.value.hint
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(GanvasError) as error:
        open_data(str(tmp_path))
    assert "a.png: not a readable picture" in error.value.hint


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    fill(tmp_path / "test", 3)
    with pytest.raises(GanvasError, match="no training images"):
        open_data(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"file_name": "000.png"}\n{"file_name":', "line 2 is not JSON"),
        ("[1, 2]", "line 1 is not a JSON object"),
        ('{"text": "x"}', "line 1 has no file_name"),
        ('{"file_name": "000.png", "text": 5}', "text is 5"),
        ('{"file_name": "000.png", "label": [1]}', "label is \\[1\\]"),
        ("[" * 100_000, "line 1 is not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
    ],
)
def test_damaged_metadata_names_the_line(tmp_path: Path, content: str | bytes, says: str) -> None:
    fill(tmp_path, 2)
    (tmp_path / "metadata.jsonl").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(GanvasError, match=says):
        open_data(str(tmp_path))


def test_metadata_cannot_reach_out_and_absent_files_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "secret.png")
    root = tmp_path / "data"
    fill(root, 3)
    rows = [{"file_name": "../secret.png", "text": "out"}, {"file_name": "gone.png", "text": "gone"}]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "metadata.parquet").write_bytes(b"PAR1")
    data = open_data(str(root))
    assert whole(data) == 3 and data.train.text is None
    assert "not there" in reasons(data)["gone.png"] and "are read" in reasons(data)["metadata.parquet"]
    assert len(data.skipped) == 3
