"""Animations and files of several pages, plugins of Pillow, and classes without training examples."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin, features

from ganvas.cli import main
from ganvas.data import Data, ImageOptions, open_data
from ganvas.data.sources.plugins import missing
from ganvas.data.whole import whole
from ganvas.errors import GanvasError

ALL = ImageOptions(frames=True)


def shade(value: int) -> Image.Image:
    pixels = np.full((8, 8, 3), value, np.uint8)
    pixels[0, 0] = 255 - value
    return Image.fromarray(pixels)


def save(path: Path, values: list[int], **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(shade, values)
    first.save(path, save_all=True, append_images=others, **options)


def shades(data: Data) -> list[int]:
    return whole(data)[0].x[:, 0, 5, 5].tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", {}),
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {}),
        ("a.avif", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_each_frame_is_a_picture_on_request(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    values = [10, 60, 110, 160, 210]
    save(tmp_path / "x" / name, values, **options)
    save(tmp_path / "x" / "z.png", [30])
    data = open_data(str(tmp_path / "x"), ALL)
    assert shades(data) == pytest.approx([*values, 30], abs=2), "AVIF is lossy"
    assert whole(data)[1] == (*(f"{name}#{i}" for i in range(5)), "z.png")
    assert "1 file has several pictures, 5 in all" in data.notes[-1]
    single = open_data(str(tmp_path / "x"))
    assert shades(single) == pytest.approx([10, 30], abs=2) and "The first was taken" in single.notes[-1]


def test_frames_of_a_file_are_on_one_side(tmp_path: Path) -> None:
    for i in range(30):
        save(tmp_path / f"{i:02d}.gif", [(8 * i + 40 * j) % 250 for j in range(4)])
    data = open_data(str(tmp_path), ALL)
    sides = [
        {name.partition("#")[0] for name in part}
        for part in (data.files[: len(data.train)], data.files[len(data.train) :])
    ]
    assert sides[1] and not sides[0] & sides[1] and len(data.train) + len(data.held_out) == 120


def test_a_default_picture_and_a_thumbnail_are_no_frames(tmp_path: Path) -> None:
    save(tmp_path / "a.png", [10, 60, 110], default_image=True)
    assert shades(open_data(str(tmp_path), ALL)) == [60, 110]
    (tmp_path / "a.png").unlink()
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif"), True) as pages:
        for value, reduced in ((10, 0), (60, 1), (110, 0)):
            shade(value).save(pages, "TIFF", tiffinfo={254: reduced})
            pages.newFrame()
    assert shades(open_data(str(tmp_path), ALL)) == [10, 110]
    save(tmp_path / "a.tif", [10, 60], tiffinfo={254: 1})
    assert shades(open_data(str(tmp_path), ALL)) == [10], "a file is never without a picture"


def test_pages_of_other_sizes_need_a_size(tmp_path: Path) -> None:
    shade(10).save(tmp_path / "a.tif", save_all=True, append_images=[shade(60).resize((16, 16))])
    with pytest.raises(GanvasError, match="2 different sizes"):
        open_data(str(tmp_path), ALL)
    assert shades(open_data(str(tmp_path), ImageOptions(frames=True, size=8))) == [10, 60]


def test_a_preview_in_a_photograph_is_no_frame(tmp_path: Path) -> None:
    shade(100).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[shade(200)])
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "MPO" and image.n_frames == 2
    data = open_data(str(tmp_path), ALL)
    assert shades(data) == pytest.approx([100], abs=3) and not any("several" in note for note in data.notes)


def test_frames_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "a.gif", [10, 60, 110])
    main(["data", str(tmp_path / "a.gif"), "--frames"])
    assert "3 in all" in capsys.readouterr().out
    with pytest.raises(GanvasError, match="no use for"):
        open_data("digits", ALL)


def test_a_damaged_animation_costs_one_file(tmp_path: Path) -> None:
    save(tmp_path / "a.gif", [10, 60, 110])
    content = (tmp_path / "a.gif").read_bytes()
    save(tmp_path / "b.png", [30])
    (tmp_path / "a.gif").write_bytes(content[: len(content) // 2])
    data = open_data(str(tmp_path), ALL)
    assert len(data.train) + len(data.held_out) + len(data.skipped) >= 2


@pytest.mark.parametrize(
    ("kind", "module", "package"),
    [(".heic", "pillow_heif", "pillow-heif"), (".jxl", "pillow_jxl", "pillow-jxl-plugin")],
)
def test_formats_of_plugins(
    tmp_path: Path, kind: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(module)
    missing.cache_clear()
    assert missing(kind) is None
    for i in range(4):
        shade(50 * i).resize((64, 64)).save(tmp_path / f"{i}{kind}", quality=95)
    data = open_data(str(tmp_path))
    assert not data.skipped and whole(data)[0].x[:, 0, 40, 40].tolist() == pytest.approx([0, 50, 100, 150], abs=4)
    assert len(open_data(str(tmp_path / f"0{kind}")).train) == 1


def draw(path: Path, values: range) -> None:
    path.mkdir(parents=True)
    for value in values:
        shade(value).save(path / f"{value}.png")


def test_a_class_only_in_the_test_split_is_none(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "cat", range(0, 8))
    draw(tmp_path / "train" / "yak", range(10, 18))
    for name, values in (("ant", range(20, 24)), ("cat", range(30, 33)), ("yak", range(40, 42))):
        draw(tmp_path / "test" / name, values)
    data = open_data(str(tmp_path))
    assert data.info.classes == ("cat", "yak") and data.train.y is not None and data.held_out.y is not None
    assert data.train.y.tolist() == [0] * 8 + [1] * 8
    assert data.held_out.y.tolist() == [-1] * 4 + [0] * 3 + [1] * 2
    assert "1 class has no training example, and 4 held-out examples of it count as unlabelled: ant." in data.notes
    old = open_data(str(tmp_path), ImageOptions(split_by="name"))
    assert old.info.classes == ("ant", "cat", "yak")


def test_such_a_class_in_arrays(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    arrays = {"x_train": x[:8], "y_train": np.arange(8) % 2 * 2, "x_test": x[8:], "y_test": np.arange(4)}
    np.savez(tmp_path / "a.npz", **arrays)
    data = open_data(str(tmp_path / "a.npz"))
    assert data.info.classes == ("0", "2") and data.held_out.y is not None
    assert data.held_out.y.tolist() == [0, -1, 1, -1]
    assert torch.equal(data.train.y, torch.arange(8) % 2)  # type: ignore[arg-type]
