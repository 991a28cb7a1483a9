"""Data that Python objects hold: Datasets of torch and of the package `datasets`."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

import ganvas
from ganvas.data import ImageOptions, open_data
from ganvas.data.whole import whole
from ganvas.errors import GanvasError


class Listed(Dataset[Any]):
    def __init__(self, examples: list[Any], classes: Any = None) -> None:
        self.examples = examples
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> Any:
        return self.examples[row]


def levels(num: int = 20) -> list[int]:
    return [12 * i for i in range(num)]


def picture(level: int, mode: str = "L", size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new("L", size, level).convert(mode)


def values(data: Any) -> list[int]:
    return whole(data)[0].x[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "example",
    [
        lambda level: picture(level),
        lambda level: torch.full((1, 8, 8), level / 255),
        lambda level: torch.full((1, 8, 8), level, dtype=torch.uint8),
        lambda level: np.full((8, 8), level, np.uint8),
        lambda level: np.full((8, 8, 1), level, np.uint8),
    ],
    ids=["Pillow", "floats", "bytes", "array", "channels last"],
)
@pytest.mark.parametrize("labelled", [True, False])
def test_examples_of_each_kind(example: Any, labelled: bool) -> None:
    examples = [(example(v), i % 3) if labelled else example(v) for i, v in enumerate(levels())]
    data = open_data(Listed(examples, classes=["x", "y", "z"]))
    assert data.info.shape == (1, 8, 8) and values(data) == levels()
    assert data.info.classes == (("x", "y", "z") if labelled else ())
    if labelled:
        assert whole(data)[0].y.tolist() == [i % 3 for i in range(20)]  # type: ignore[union-attr]


def test_labels_are_numbers_tensors_or_names() -> None:
    for label, names in ((torch.tensor, ("0", "1")), (np.int64, ("0", "1")), (lambda i: "ab"[i], ("a", "b"))):
        data = open_data(Listed([(picture(v), label(i % 2)) for i, v in enumerate(levels())]))
        assert data.info.classes == names


def test_tensors_and_points() -> None:
    x = torch.rand(30, 3, 8, 8)
    assert open_data(TensorDataset(x, torch.arange(30) % 2)).info.shape == (3, 8, 8)
    assert open_data(Listed(list(torch.randn(30, 2)))).info.shape == (2,)


def test_pictures_are_resized_and_grey_ones_join_colours() -> None:
    examples = [picture(v, "RGB" if i % 2 else "L", (8 + i, 10)) for i, v in enumerate(levels())]
    examples[1] = Image.merge("RGB", [picture(v, size=(9, 10)) for v in (0, 100, 200)])
    data = open_data(Listed(examples), ImageOptions(size=8))
    assert data.info.shape == (3, 8, 8)
    with pytest.raises(GanvasError, match="different sizes"):
        open_data(Listed(examples))


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        while True:
            yield torch.zeros(1, 8, 8)


class Failing(Listed):
    def __getitem__(self, row: int) -> Any:
        raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Endless(), "without a length"),
        (Listed([]), "is empty"),
        (Failing([1]), "Example 0 of the Dataset cannot be read: the disk is gone"),
        (Listed([{"image": picture(0)}]), "is a dict"),
        (Listed([(1, 2, 3)]), "is a tuple"),
        (Listed(["a.png"]), "holds a str"),
        (Listed([torch.zeros(1, 8, 8), torch.zeros(1, 8, 9)]), "2 shapes"),
        (Listed([(picture(0), 1), picture(1)]), "only one of them has a label"),
        (Listed([(picture(0), 1), (picture(1), "a")]), "neither all whole numbers nor all names"),
        (Listed([(picture(0), 1.5), (picture(1), 2.5)]), "neither all whole numbers nor all names"),
        (Listed([torch.full((1, 8, 8), torch.nan)] * 3), "NaN"),
    ],
)
def test_what_cannot_be_read_is_refused(source: Any, says: str) -> None:
    with pytest.raises(GanvasError, match=says):
        open_data(source)


@pytest.mark.trains
def test_a_run_on_a_dataset_is_resumed_and_measured_with_it(tmp_path: Path) -> None:
    data = Listed([(picture(v), str(i % 2)) for i, v in enumerate(levels())])
    options: dict[str, Any] = {"batch_size": 8, "width": 4, "latent": 2, "quiet": True}
    run = ganvas.train("cvae", data=data, out=tmp_path / "run", images=16, **options)
    assert run.info.classes == ("0", "1")
    assert ganvas.train(resume=run.path, data=data, images=32, quiet=True).images_seen == 32
    with pytest.raises(GanvasError, match="Give them again"):
        ganvas.train(resume=run.path, images=64, quiet=True)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="the extra `hub` is not installed")
def test_datasets_of_the_hub() -> None:
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["x", "y"])})
    rows = {"image": [picture(v) for v in levels()], "label": [i % 2 for i in range(20)]}
    table = datasets.Dataset.from_dict(rows, features=features)
    data = open_data(table)
    assert data.source == "memory:array" and data.info.classes == ("x", "y") and len(whole(data)[0]) == 20
    both = open_data(datasets.DatasetDict({"train": table, "test": table.select(range(4))}))
    assert len(both.train) == 20 and len(both.held_out) == 4
    with pytest.raises(GanvasError, match="the Dataset has no column of images"):
        open_data(table.remove_columns("image"))
