"""Tar archives of pictures and WebDataset's shards, read without unpacking."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from test_data_archives import CLASSES, SPLITS, accounted, num, png, unzipped

from ganvas.data import ImageOptions, open_data
from ganvas.data.sources import cache, tar
from ganvas.errors import GanvasError


def tarred(path: Path, files: Mapping[str, bytes], kind: str = "", form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, f"w:{kind}", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("ending", "kind"), [(".tar", ""), (".tar.gz", "gz"), (".tgz", "gz"), (".tar.bz2", "bz2"), (".tar.xz", "xz")]
)
@pytest.mark.parametrize("files", [CLASSES, {"__MACOSX/a.png": b"x", "note.md": b"x", ".a.png": b"x", **SPLITS}])
def test_an_archive_is_read_as_the_folder_in_it(
    tmp_path: Path, files: Mapping[str, bytes], ending: str, kind: str
) -> None:
    folder, archive = unzipped(tmp_path / "x", files), tarred(tmp_path / f"x{ending}", files, kind)
    a, b = open_data(str(folder)), open_data(str(archive))
    assert torch.equal(a.train.x, b.train.x) and torch.equal(a.held_out.x, b.held_out.x)
    assert a.train.y is not None and b.train.y is not None and torch.equal(a.train.y, b.train.y)
    assert a.info.classes == b.info.classes == ("cat", "dog")
    assert a.unused == b.unused and a.files == b.files and accounted(b) == len(files) and not b.notes


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_umlauts(tmp_path: Path, form: int) -> None:
    long = "/".join(["a" * 60] * (2 if form == tarfile.USTAR_FORMAT else 5))
    data = open_data(str(tarred(tmp_path / "x.tar", {f"{long}/ü{i}.png": png(i) for i in range(3)}, form=form)))
    assert sorted(data.files) == [f"{long}/ü{i}.png" for i in range(3)]


def test_an_archive_is_cached_and_a_changed_one_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PAYS_FROM", 5)
    monkeypatch.setattr(cache, "home", lambda: tmp_path / "cache")
    archive = tarred(tmp_path / "x.tar", CLASSES)
    first, second = open_data(str(archive)), open_data(str(archive))
    assert torch.equal(first.train.x, second.train.x) and len(list((tmp_path / "cache").iterdir())) == 1
    tarred(archive, {**CLASSES, "cat/0.png": png(99)})
    third = open_data(str(archive))
    assert 99 in torch.cat([third.train.x, third.held_out.x]) and len(list((tmp_path / "cache").iterdir())) == 2


SAMPLES = {
    f"{i:05d}.{kind}": content
    for i in range(20)
    for kind, content in (
        ("seg.png", png(200 - i)),
        ("png", png(10 * i)),
        ("cls", str(i % 11).encode()),
        ("txt", f"picture {i}".encode()),
        ("json", b'{"url": "x", "status": "success"}'),
    )
}


def test_samples_of_webdataset(tmp_path: Path) -> None:
    data = open_data(str(tarred(tmp_path / "x.tar", SAMPLES)))
    assert num(data) == 20 and accounted(data) == len(SAMPLES)
    assert data.info.classes == tuple(map(str, range(11))), "labels that are numbers sort as numbers"
    for part in (data.train, data.held_out):
        assert part.y is not None and part.text is not None
        for x, y, text in zip(part.x, part.y.tolist(), part.text, strict=True):
            i = int(x[0, 5, 5]) // 10
            assert y == i % 11 and text == f"picture {i}"
    assert {u.reason: u.num for u in data.unused if u.pictures} == {"a further picture of a sample (.seg.png)": 20}


def test_labels_in_the_json_of_a_sample(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for i in range(12):
        files |= {f"{i}.png": png(20 * i), f"{i}.json": f'{{"kind": "{"ab"[i % 2]}", "caption": "c {i}"}}'.encode()}
    archive = str(tarred(tmp_path / "x.tar", files))
    data = open_data(archive, ImageOptions(label_column="kind"))
    assert data.info.classes == ("a", "b") and data.info.captions
    assert data.notes == ("The column caption was taken as captions.",)
    assert data.train.y is not None and [int(x[0, 5, 5]) // 20 % 2 for x in data.train.x] == data.train.y.tolist()
    with pytest.raises(GanvasError, match=r"column 'sort'.*\n.*Available: caption, kind"):
        open_data(archive, ImageOptions(label_column="sort"))


def test_pictures_with_points_in_their_names_are_all_read(tmp_path: Path) -> None:
    data = open_data(str(tarred(tmp_path / "x.tar", {f"1.{i}.png": png(i) for i in range(9)})))
    assert num(data) == 9


def test_shards_with_the_same_names_in_them(tmp_path: Path) -> None:
    for split, count in (("train", 2), ("val", 1)):
        for shard in range(count):
            files = {f"{i}.png": png(50 * shard + i + 100 * (split == "val")) for i in range(10)}
            tarred(tmp_path / f"imagenet-{split}-{shard:06d}.tar", files)
    (tmp_path / "index.html").write_text("x")
    data = open_data(str(tmp_path))
    assert (len(data.train), len(data.held_out)) == (20, 10) and not data.info.classes
    assert "taken as shards" in data.notes[0] and [u.reason for u in data.unused] == ["of another kind (.html)"]
    assert data.files[0] == "train/imagenet-train-000000.tar/0.png"


def test_archives_of_other_names_are_classes(tmp_path: Path) -> None:
    for name in ("n01440764", "n02102040"):
        tarred(tmp_path / f"{name}.tar", {f"{i}.png": png(i + len(name)) for i in range(10)})
    data = open_data(str(tmp_path))
    assert data.info.classes == ("n01440764", "n02102040") and "taken as classes" in data.notes[0]


def test_members_that_are_not_read_are_named(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar", CLASSES)
    hostile = ["../out.png", "/root.png", "a/../../out.png", "C:/x.png", "a//b.png"]
    with tarfile.open(path, "a") as archive:
        for name in hostile:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
        for name, kind in (
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("p", tarfile.FIFOTYPE),
            ("d", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(f"cat/{name}.png")
            info.type, info.linkname = kind, "cat/0.png"
            archive.addfile(info)
        inner = io.BytesIO((tmp_path / "x.tar").read_bytes())
        for name, content in (("inner.tar", inner.getvalue()), ("empty.png", b""), ("text.png", b"x"), ("0.png", b"x")):
            info = tarfile.TarInfo(f"cat/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = open_data(str(path))
    assert num(data) == 20 and accounted(data) == len(CLASSES) + len(hostile) + 8
    reasons = [s.reason for s in data.skipped]
    assert sum("leads out" in r for r in reasons) == len(hostile)
    for part, count in (("a link", 2), ("not a regular", 2), ("is empty", 1), ("readable", 1), ("second entry", 1)):
        assert sum(part in r for r in reasons) == count, (part, reasons)
    assert [u.num for u in data.unused if "(.tar)" in u.reason] == [1]
    assert not list(tmp_path.parent.glob("out.png")), "nothing is unpacked"


def test_an_archive_that_python_would_read_in_part_is_refused(tmp_path: Path) -> None:
    """tarfile stops at a damaged header without an error, and its reader would miss half of the pictures."""
    path = tarred(tmp_path / "x.tar", CLASSES)
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        place = archive.getmember("dog/0.png").offset
    content[place + 5] ^= 0xFF
    path.write_bytes(content)
    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) == 10
    with pytest.raises(GanvasError, match=f"damaged at byte {place:,}"):
        open_data(str(path))


def test_archives_one_after_the_other_are_all_read(tmp_path: Path) -> None:
    halves = [{k: v for k, v in CLASSES.items() if k.startswith(name)} for name in ("cat", "dog")]
    parts = [tarred(tmp_path / f"{i}.tar", half).read_bytes() for i, half in enumerate(halves)]
    (tmp_path / "both.tar").write_bytes(b"".join(parts))
    data = open_data(str(tmp_path / "both.tar"))
    assert num(data) == 20 and data.info.classes == ("cat", "dog") and not data.notes
    (tmp_path / "both.tar").write_bytes(parts[0] + b"signature")
    data = open_data(str(tmp_path / "both.tar"))
    assert num(data) == 10 and "after its end" in data.notes[0]


def test_archives_that_are_cut_off(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar", CLASSES)
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        last = archive.getmember("dog/9.png")
    path.write_bytes(whole[: last.offset])
    data = open_data(str(path))
    assert num(data) == 19 and "no mark at its end" in data.notes[0]
    for damaged in (b"", b"text", whole[: last.offset + 100], whole[: last.offset_data + 10]):
        path.write_bytes(damaged)
        with pytest.raises(GanvasError, match="cannot be read as a tar archive"):
            open_data(str(path))
    squeezed = tmp_path / "x.tgz"
    squeezed.write_bytes(gzip.compress(whole)[:-200])
    with pytest.raises(GanvasError, match="cannot be read as a tar archive"):
        open_data(str(squeezed))
    squeezed.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(50))
    with pytest.raises(GanvasError, match="Zstandard"):
        open_data(str(squeezed))
    with pytest.raises(GanvasError, match="There is no file"):
        open_data("absent.tar.gz")
    with pytest.raises(GanvasError, match="no readable image"):
        open_data(str(tarred(path, {"a.md": b"a"})))
    with pytest.raises(GanvasError, match="no readable image"):
        open_data(str(tarred(path, {})))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "FREELY", 2**20)
    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(tarred(tmp_path / "x.tar", {"a.png": bytes(2**22)}).read_bytes()))
    with pytest.raises(GanvasError, match="as bombs do"):
        open_data(str(path))
    huge = tarfile.TarInfo("././@PaxHeader")
    huge.type, huge.size = tarfile.XHDTYPE, 2**21
    (tmp_path / "y.tar").write_bytes(huge.tobuf() + bytes(2**21 + 1024))
    with pytest.raises(GanvasError, match="too long"):
        open_data(str(tmp_path / "y.tar"))
    nested = b"".join(b"".join((info.tobuf(), b"n" * 512)) for info in [long_name()] * 3_000)
    (tmp_path / "z.tar").write_bytes(nested)
    with pytest.raises(GanvasError, match="cannot be read as a tar archive"):
        open_data(str(tmp_path / "z.tar"))


def long_name() -> tarfile.TarInfo:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 512
    return info


def test_a_header_that_points_backwards_ends_the_archive(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.png")
    info.size = 512
    content = bytearray(info.tobuf(format=tarfile.GNU_FORMAT) + bytes(512))
    content[124:136] = b"\xff" * 11 + b"\x00"  # size -256 in base 256
    checksum = sum(content[:148]) + 8 * 32 + sum(content[156:512])
    content[148:156] = f"{checksum:06o}\0 ".encode()
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(GanvasError, match="cannot be read as a tar archive"):
        open_data(str(tmp_path / "x.tar"))


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_never_passes_unnoticed(tmp_path: Path, seed: int) -> None:
    """Whatever bytes change, the archive is read in part, with every file accounted for, or refused."""
    rng = np.random.default_rng(seed)
    content = bytearray(tarred(tmp_path / "whole.tar", CLASSES).read_bytes())
    for place in rng.integers(0, len(content), 3):
        content[place] = int(rng.integers(0, 256))
    (tmp_path / "x.tar").write_bytes(content)
    try:
        data = open_data(str(tmp_path / "x.tar"), ImageOptions(size=8))
    except GanvasError:
        return
    assert accounted(data) == len(CLASSES)
