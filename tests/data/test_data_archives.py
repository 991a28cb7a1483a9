"""Archives of pictures, read without unpacking; StyleGAN's labels and numbered folders."""

import io
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.data import Data, ImageOptions, open_data
from ganvas.data.sources import cache
from ganvas.errors import GanvasError


def png(shade: int, side: int = 8) -> bytes:
    pixels = np.full((side, side), shade, np.uint8)
    pixels[0, 0] = 255 - shade % 200
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def zipped(path: Path, files: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unzipped(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def num(data: Data) -> int:
    return len(data.train) + len(data.held_out)


def accounted(data: Data) -> int:
    return num(data) + len(data.skipped) + sum(u.num for u in data.unused)


CLASSES = {f"{name}/{i}.png": png(20 * i + j) for j, name in enumerate(("cat", "dog")) for i in range(10)}
SPLITS = {f"my_set/{split}/{name}" if split else name: c for split in ("train", "test") for name, c in CLASSES.items()}


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "files", [CLASSES, SPLITS, {"__MACOSX/a.png": b"x", "note.txt": b"x", ".a.png": b"x", **CLASSES}]
)
def test_an_archive_is_read_as_the_folder_in_it(tmp_path: Path, files: Mapping[str, bytes], kind: int) -> None:
    folder, archive = unzipped(tmp_path / "x", files), zipped(tmp_path / "x.zip", files, kind)
    a, b = open_data(str(folder)), open_data(str(archive))
    assert torch.equal(a.train.x, b.train.x) and torch.equal(a.held_out.x, b.held_out.x)
    assert a.train.y is not None and b.train.y is not None and torch.equal(a.train.y, b.train.y)
    assert a.info.classes == b.info.classes == ("cat", "dog")
    assert a.unused == b.unused and a.files == b.files and accounted(b) == len(files)


def test_sizes_and_captions_in_an_archive(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"file_name": f"{i}.png", "text": f"picture {i}"}) + "\n" for i in range(9))
    files = {f"{i}.png": png(i, 8 + i) for i in range(9)} | {"metadata.jsonl": rows.encode()}
    archive = str(zipped(tmp_path / "x.zip", files))
    with pytest.raises(GanvasError, match="9 different sizes"):
        open_data(archive)
    data = open_data(archive, ImageOptions(size=8))
    assert data.info.shape == (1, 8, 8) and data.info.captions and num(data) == 9


def test_an_archive_is_cached_and_a_changed_one_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PAYS_FROM", 5)
    monkeypatch.setattr(cache, "home", lambda: tmp_path / "cache")
    archive = zipped(tmp_path / "x.zip", CLASSES)
    first, second = open_data(str(archive)), open_data(str(archive))
    assert torch.equal(first.train.x, second.train.x) and len(list((tmp_path / "cache").iterdir())) == 1
    zipped(archive, {**CLASSES, "cat/0.png": png(99)})
    third = open_data(str(archive))
    assert 99 in torch.cat([third.train.x, third.held_out.x]) and len(list((tmp_path / "cache").iterdir())) == 2


STYLEGAN = {f"{i // 5:05d}/img{i // 5 * 1000 + i % 5:08d}.png": png(3 * i) for i in range(20)}


@pytest.mark.parametrize("where", ["folder", "archive"])
def test_stylegan_labels(tmp_path: Path, where: str) -> None:
    labels = [[name, i % 3] for i, name in enumerate(STYLEGAN)]
    files = STYLEGAN | {"dataset.json": json.dumps({"labels": labels}).encode()}
    source = unzipped(tmp_path / "x", files) if where == "folder" else zipped(tmp_path / "x.zip", files)
    data = open_data(str(source))
    assert data.info.classes == ("0", "1", "2") and "dataset.json" in data.notes[0] and accounted(data) == 21
    for part in (data.train, data.held_out):
        assert part.y is not None
        assert [int(x[0, 5, 5]) // 3 % 3 for x in part.x] == part.y.tolist()


@pytest.mark.parametrize("content", [None, {"labels": None}])
def test_numbered_folders_are_no_classes(tmp_path: Path, content: object) -> None:
    files = STYLEGAN if content is None else STYLEGAN | {"dataset.json": json.dumps(content).encode()}
    data = open_data(str(unzipped(tmp_path / "x", files)))
    assert data.info.classes == () and num(data) == 20 and "no classes" in data.notes[0]


def test_ffhq_thousands_are_no_classes_and_other_numbers_are(tmp_path: Path) -> None:
    names = [f"{1000 * k:05d}/{1000 * k + i:05d}.png" for k in range(3) for i in range(5)]
    data = open_data(str(unzipped(tmp_path / "ffhq", {name: png(i) for i, name in enumerate(names)})))
    assert data.info.classes == ()
    digits = {f"{k}/{i:05d}.png": png(9 * k + i) for k in range(3) for i in range(5)}
    assert open_data(str(unzipped(tmp_path / "digits", digits))).info.classes == ("0", "1", "2")


def test_another_dataset_json_is_no_metadata(tmp_path: Path) -> None:
    data = open_data(str(unzipped(tmp_path / "x", {**CLASSES, "dataset.json": b'{"name": "pets"}'})))
    assert data.info.classes == ("cat", "dog") and "dataset.json" in data.unused[0].reason


@pytest.mark.parametrize(
    ("labels", "says"), [([["a.png"]], "label 1"), ({"a": 1}, "neither a list"), ([["a.png", [0.5]]], "no class")]
)
def test_labels_that_make_no_sense(tmp_path: Path, labels: object, says: str) -> None:
    files = {**CLASSES, "dataset.json": json.dumps({"labels": labels}).encode()}
    with pytest.raises(GanvasError, match=says):
        open_data(str(unzipped(tmp_path / "x", files)))


def test_members_that_are_not_read_are_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", CLASSES)
    hostile = ["../out.png", "/root.png", "a/../../out.png", "C:/x.png", "a//b.png"]
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in hostile:
            archive.writestr(name, png(1))
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("cat/inner.zip", zipped(tmp_path / "inner.zip", CLASSES).read_bytes())
        archive.writestr("cat/empty.png", b"")
        archive.writestr("cat/text.png", b"no picture")
        archive.writestr("cat/lzma.png", png(2), zipfile.ZIP_LZMA)
        archive.writestr("cat\\windows.png", png(77))
    data = open_data(str(path))
    assert num(data) == 21 and accounted(data) == len(CLASSES) + len(hostile) + 6
    reasons = [s.reason for s in data.skipped]
    assert sum("leads out" in r for r in reasons) == len(hostile)
    for part in ("a link", "the file is empty", "not a readable picture", "another method"):
        assert sum(part in r for r in reasons) == 1, (part, reasons)
    assert [u.num for u in data.unused if "(.zip)" in u.reason] == [1]
    assert not list(tmp_path.parent.glob("out.png")), "nothing is unpacked"


def test_a_colon_is_no_drive(tmp_path: Path) -> None:
    data = open_data(str(zipped(tmp_path / "x.zip", {f"12:3{i}.png": png(i) for i in range(4)})))
    assert num(data) == 4 and not data.skipped


def test_a_second_entry_of_a_name_is_skipped(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for shade in (1, 2, 3):
            archive.writestr("a.png", png(shade))
        archive.writestr("b.png", png(4))
    data = open_data(str(tmp_path / "x.zip"))
    assert num(data) == 2 and [s.reason for s in data.skipped] == ["a second entry of this name"] * 2


def test_a_broken_member_costs_one_picture(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", CLASSES, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("cat/3.png").header_offset + 30 + len("cat/3.png") + 40
    content[place] ^= 0xFF
    path.write_bytes(content)
    data = open_data(str(path))
    assert num(data) == 19 and [s.path for s in data.skipped] == ["cat/3.png"] and "CRC" in data.skipped[0].reason


def test_bombs(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", CLASSES)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")  # the last entry of the directory claims 60 MB
    content[place + 24 : place + 28] = (60_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    data = open_data(str(path))
    assert num(data) == 19 and "bomb" in data.skipped[0].reason
    content[place + 24 : place + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    assert "larger than" in open_data(str(path)).skipped[0].reason
    content[place + 42 : place + 46] = (0).to_bytes(4, "little")  # its bytes are those of the first entry
    path.write_bytes(content)
    with pytest.raises(GanvasError, match="share bytes"):
        open_data(str(path))


def test_archives_that_are_none(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "whole.zip", CLASSES).read_bytes()
    path = tmp_path / "x.zip"
    for damaged in (b"", b"text", whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(GanvasError, match="cannot be read as a zip archive"):
            open_data(str(path))
    with pytest.raises(GanvasError, match="There is no file"):
        open_data("absent.zip")
    with pytest.raises(GanvasError, match="no readable image"):
        open_data(str(zipped(path, {"a.txt": b"a"})))


def test_random_damage_never_passes_unnoticed(tmp_path: Path) -> None:
    """Whatever bytes change, the archive is read in part, with every file accounted for, or refused."""
    whole = zipped(tmp_path / "whole.zip", CLASSES).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "x.zip"
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), 3):
            content[place] = int(rng.integers(0, 256))
        path.write_bytes(content)
        try:
            data = open_data(str(path), ImageOptions(size=8))
        except GanvasError:
            continue
        assert accounted(data) <= len(CLASSES)


def test_a_member_without_a_name_is_skipped(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {**CLASSES, "z": png(1)})
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 28 : place + 32] = bytes((0, 0, 1, 0))  # its one letter belongs to the extra field
    path.write_bytes(content)
    data = open_data(str(path))
    assert num(data) == 20 and "leads out" in data.skipped[0].reason
