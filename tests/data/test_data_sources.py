"""Names of sources, what is said of them, and real data where it is at hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.data import Data, DataInfo, ImageOptions, Modes, Split, open_data, source_names, summary
from ganvas.data.dataset import Skipped
from ganvas.errors import GanvasError

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("glyhps", "'glyphs'"),
        ("ring", "'ring8'"),
        ("idz:folder", "'idx'"),
        ("npz:", "after the colon"),
        ("./nowhere", "Other sources: glyphs"),
        ("data.npz", "no file data.npz"),
        ("cat.png", "Name a picture, or the folder of the pictures"),
        ("", "glyphs"),
        ("a\0b", "glyphs"),
        ("x" * 5000, "glyphs"),
        ("x" * 5000 + ".png", "Name a picture"),
        ("~nobody-of-that-name/a.zip", ""),
        ("a\0b.npz", ""),
    ],
)
def test_an_unknown_source_names_what_there_is(source: str, hint: str) -> None:
    with pytest.raises(GanvasError) as error:
        open_data(source)
    assert hint in str(error.value)


def test_a_limit_of_nothing() -> None:
    with pytest.raises(GanvasError, match="limit of 0"):
        open_data("digits", limit=0)


def test_a_name_goes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ring8").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_data("ring8", limit=5).info.shape == (2,)
    with pytest.raises(GanvasError, match="no readable image"):
        open_data("./ring8")


@pytest.mark.trains
def test_importing_the_package_brings_in_no_large_library() -> None:
    heavy = ("matplotlib", "sklearn", "datasets", "torchmetrics", "huggingface_hub", "rich")
    script = f"import sys, ganvas.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "info",
    [
        DataInfo((3, 8, 8), ("a", "b"), captions=True, num_train=7),
        DataInfo((2,), ("mode 0",), modes=Modes(((0.5, -1.0),), 0.01)),
    ],
)
def test_info_survives_json(info: DataInfo) -> None:
    assert DataInfo.from_json(json.loads(json.dumps(info.to_json()))) == info


def test_info_of_an_opened_source_survives_json() -> None:
    data = open_data("digits")
    restored = DataInfo.from_json(json.loads(json.dumps(data.info.to_json())))
    assert restored == data.info and restored.mean is None and data.info.mean is not None
    assert restored.num_train == 1500


def test_summary_is_json_and_counts() -> None:
    train = Split(
        torch.tensor([0, 10, 20, 250], dtype=torch.uint8).view(4, 1, 1, 1),
        torch.tensor([0, 1, 1, -1]),
        ("a", "", "b", "b"),
    )
    held_out = Split(torch.zeros(1, 1, 1, 1, dtype=torch.uint8), torch.tensor([1]), ("c",))
    skipped = (Skipped("x.png", "the file is empty"), Skipped("y.png", "the file is empty"))
    data = Data("here", train, held_out, DataInfo((1, 1, 1), ("cat", "dog"), captions=True), skipped)
    facts = json.loads(json.dumps(summary(data)))
    assert facts["source"] == "here" and facts["train"] == 4 and facts["held_out"] == 1
    assert facts["classes"] == {"cat": {"train": 1, "held_out": 0}, "dog": {"train": 2, "held_out": 1}}
    assert facts["unlabelled"] == 1 and facts["channels"] == 1 and facts["kind"] == "images"
    assert facts["captions"] == {"count": 3, "distinct": 2, "examples": ["a", "b", "b"]}
    assert facts["values"] == {"min": 0, "max": 250, "mean": 70}
    assert facts["skipped"] == 2 and facts["skipped_reasons"] == {"the file is empty": 2}
    assert facts["skipped_files"][0] == {"path": "x.png", "reason": "the file is empty"}


@pytest.mark.parametrize("source", ["ring8", "sprites", "glyphs", "digits"])
def test_every_source_has_a_summary(source: str) -> None:
    data = open_data(source, limit=70)
    facts = json.loads(json.dumps(summary(data)))
    assert facts["train"] == 70
    assert sum(c["train"] for c in facts["classes"].values()) == 70
    assert facts["factors"] == dict(zip(data.factor_names, data.factor_sizes, strict=True))


def test_source_names_can_be_shown() -> None:
    drawn = {"glyphs", "digits", "sprites", "openmoji", "ring8", "grid25"}
    assert set(source_names()) == drawn | {"idx:DIR", "stacked:DIR", "npz:FILE", "hf:NAME", "codes:RUN"}


@pytest.mark.parametrize(
    ("name", "shape", "train", "held_out", "num_classes"),
    [
        ("idx:{}/mnist", (1, 28, 28), 60_000, 10_000, 10),
        ("npz:{}/cifar10/cifar10_test.npz", (3, 32, 32), 8_989, 1_011, 10),
        ("{}/emoji64/twemoji", (3, 64, 64), 3_372, 414, 0),
        ("{}/flowers64", (3, 64, 64), 2_569, 548, 5),
    ],
)
def test_real_data(name: str, shape: tuple[int, ...], train: int, held_out: int, num_classes: int) -> None:
    if not REAL.is_dir():
        pytest.skip("the real data is not at ../shared/data")
    data = open_data(name.format(REAL))
    assert (data.info.shape, len(data.train), len(data.held_out)) == (shape, train, held_out)
    assert len(data.info.classes) == num_classes and not data.skipped
    assert data.info.captions == ("64" in name)


def test_real_captions_and_classes_belong_to_their_pictures() -> None:
    if not REAL.is_dir():
        pytest.skip("the real data is not at ../shared/data")
    flowers = open_data(f"{REAL}/flowers64", ImageOptions(size=16))
    for split in (flowers.train, flowers.held_out):
        pairs = {(flowers.info.classes[y], t) for y, t in zip(split.y.tolist(), split.text or (), strict=True)}  # type: ignore[union-attr]
        assert pairs == {
            ("daisy", "a photo of a daisy"),
            ("dandelion", "a photo of a dandelion"),
            ("roses", "a photo of a rose"),
            ("sunflowers", "a photo of a sunflower"),
            ("tulips", "a photo of a tulip"),
        }
