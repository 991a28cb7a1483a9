"""`idx:` and `npz:`."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.data import ImageOptions, open_data
from ganvas.errors import GanvasError


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(folder: Path, compress: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": (np.arange(30) % 10).astype(np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (7, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(7).astype(np.uint8),
    }
    for name, array in arrays.items():
        content = idx_bytes(array)
        (folder / (name + ".gz" * compress)).write_bytes(gzip.compress(content) if compress else content)
    return arrays


@pytest.mark.parametrize("compress", [False, True])
def test_idx(tmp_path: Path, compress: bool) -> None:
    arrays = mnist(tmp_path, compress)
    data = open_data(f"idx:{tmp_path}")
    assert np.array_equal(data.train.x[:, 0].numpy(), arrays["train-images-idx3-ubyte"])
    assert np.array_equal(data.held_out.x[:, 0].numpy(), arrays["t10k-images-idx3-ubyte"])
    assert data.train.y is not None and data.train.y.dtype == torch.int64
    assert data.train.y.tolist() == [i % 10 for i in range(30)] and data.info.classes == tuple("0123456789")
    few = open_data(f"idx:{tmp_path}", ImageOptions(size=32), limit=5)
    assert few.train.x.shape == (5, 1, 32, 32) and len(few.held_out) == 5


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n", "not an IDX file"),
        (b"\0\0\x0d\x03" + bytes(12), "not an IDX file"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 30, 28, 28) + bytes(99), "holds less"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 1, 2, 2) + bytes(99), "holds more"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "holds less"),
        (bytes([0, 0, 8, 3]) + bytes(12), "is empty"),
        (idx_bytes(np.zeros((9, 28, 28), dtype=np.uint8)), "do not belong together"),
    ],
)
def test_damaged_idx(tmp_path: Path, content: bytes, says: str) -> None:
    mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(GanvasError, match=says):
        open_data(f"idx:{tmp_path}")


def test_cut_or_fake_gzip(tmp_path: Path) -> None:
    mnist(tmp_path, compress=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = path.read_bytes()
    for damaged in (content[:-200], b"plain text", content[:500] + b"\0" * 100 + content[600:]):
        path.write_bytes(damaged)
        with pytest.raises(GanvasError, match=r"cannot be read|damaged"):
            open_data(f"idx:{tmp_path}")


def test_absent_idx(tmp_path: Path) -> None:
    mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(GanvasError, match="lacks t10k-labels-idx1-ubyte"):
        open_data(f"idx:{tmp_path}")
    with pytest.raises(GanvasError, match="no folder"):
        open_data(f"idx:{tmp_path}/absent")


def save(path: Path, **arrays: object) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return f"npz:{path}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.npz"


def colours(num: int = 40) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (num, 6, 5, 3), dtype=np.uint8)


def test_npz_of_images_labels_names_and_captions(file: Path) -> None:
    images, labels = colours(), np.arange(40) % 3
    captions = np.array([f"图 {i}" for i in range(40)])
    names = np.array([b"ant", b"bee", b"cow"])
    data = open_data(save(file, images=images, labels=labels, class_names=names, captions=captions))
    assert data.info.shape == (3, 6, 5) and data.info.classes == ("ant", "bee", "cow") and data.info.captions
    assert len(data.train) + len(data.held_out) == 40 and len(data.held_out)
    for split in (data.train, data.held_out):
        assert split.text is not None and split.y is not None
        for x, y, text in zip(split.x, split.y.tolist(), split.text, strict=True):
            i = int(text.split()[1])
            assert y == i % 3 and np.array_equal(x.numpy(), images[i].transpose(2, 0, 1))


def test_npz_with_two_splits_as_keras_has_them(file: Path) -> None:
    source = save(
        file, x_train=colours(9), y_train=np.arange(9)[:, None] % 2, x_test=colours(4), y_test=np.zeros((4, 1), int)
    )
    data = open_data(source)
    assert (len(data.train), len(data.held_out)) == (9, 4) and data.info.classes == ("0", "1")


def test_npz_labels_as_names(file: Path) -> None:
    data = open_data(save(file, x=colours(6), y=np.array(["b", "a", "b", "a", "a", "b"])))
    assert data.info.classes == ("a", "b")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[[0, 255]]], dtype=np.int64), [0, 255]),
        (np.array([[[False, True]]]), [0, 255]),
        (np.array([[[0, 65_535]]], dtype=np.uint16), [0, 255]),
        (np.array([[[0, 0.5, 1]]], dtype=np.float32), [0, 128, 255]),
        (np.array([[[-1, 0, 1]]], dtype=np.float64), [0, 128, 255]),
        (np.array([[[0, 200.4]]], dtype=np.float16), [0, 200]),
    ],
)
def test_npz_values_are_brought_to_bytes(file: Path, array: np.ndarray, expected: list[int]) -> None:
    data = open_data(save(file, images=array))
    assert data.train.x.dtype == torch.uint8 and data.train.x.flatten().tolist() == expected


def test_npz_layouts(file: Path) -> None:
    images = colours(8)
    assert open_data(save(file, images=images.transpose(0, 3, 1, 2))).info.shape == (3, 6, 5)
    assert open_data(save(file, images=images[..., 0])).info.shape == (1, 6, 5)
    alpha = np.concatenate([images, np.zeros_like(images[..., :1])], axis=3)
    assert open_data(save(file, images=alpha)).train.x.unique().tolist() == [255]
    assert open_data(save(file, images=alpha), ImageOptions(channels=4)).info.shape == (4, 6, 5)
    assert open_data(save(file, images=images), ImageOptions(size=8, channels=1)).info.shape == (1, 8, 8)


def test_npz_of_points(file: Path) -> None:
    points = np.random.default_rng(0).normal(size=(50, 3)) * 9
    data = open_data(save(file, x=points), limit=20)
    assert data.info.shape == (3,) and data.train.x.dtype == torch.float32 and len(data.train) == 20
    with pytest.raises(GanvasError, match="points, not pictures"):
        open_data(f"npz:{file}", ImageOptions(channels=1))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"pictures": colours(3)}, "its arrays are pictures"),
        ({"images": np.array([{"a": 1}], dtype=object)}, "never loads them"),
        ({"images": colours(3), "labels": np.array([0, 1, None], dtype=object)}, "never loads them"),
        ({"images": colours(3), "labels": np.zeros(2, int)}, "labels has the shape"),
        ({"images": colours(3), "labels": np.array([0.5, 1, 2])}, "whole numbers or names"),
        ({"images": colours(3), "labels": np.array([0, 1, -2])}, "from -2 to 1"),
        (
            {"images": colours(3), "labels": np.array([0, 1, 2]), "class_names": np.array(["a", "b"])},
            "0 to 1 have names",
        ),
        ({"images": colours(3), "captions": np.array(["a"])}, "captions has the shape"),
        ({"images": colours(3).astype(float) * 9}, "black and white are undefined"),
        ({"images": np.full((2, 4, 4), np.nan)}, "NaN or infinity"),
        ({"images": np.zeros((2, 5, 4, 7))}, "neither images nor points"),
        ({"images": np.zeros((0, 4, 4))}, "is empty"),
        ({"images": np.array(["a"])}, "not real numbers"),
        ({"x_train": colours(3)}, "no x_test"),
        ({"x_train": colours(3), "x_test": colours(3)[:, :4]}, "different shapes"),
    ],
)
def test_npz_that_makes_no_sense(file: Path, arrays: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(GanvasError, match=says):
        open_data(save(file, **arrays))


def test_npz_that_is_none(file: Path, tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="no file"):
        open_data(f"npz:{file}")
    whole = Path(save(file, images=colours(99))[4:]).read_bytes()
    for damaged in (b"", b"text", whole[:3000], whole[:200] + bytes(50) + whole[250:]):
        file.write_bytes(damaged)
        with pytest.raises(GanvasError, match=r"cannot be read|not a complete"):
            open_data(f"npz:{file}")


def test_npy(tmp_path: Path) -> None:
    path, images = tmp_path / "one.npy", colours(9)
    np.save(path, images)
    for source in (f"npz:{path}", str(path)):
        data = open_data(source)
        assert data.source == source and len(data.train) + len(data.held_out) == 9 and data.info.shape == (3, 6, 5)
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:100], whole[:-1], whole + b"1"):
        path.write_bytes(damaged)
        with pytest.raises(GanvasError, match=r"cannot be read|is damaged"):
            open_data(str(path))
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(GanvasError, match="never loads them"):
        open_data(str(path))


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float64])
@pytest.mark.parametrize("side", [8, 28])
def test_rows_of_whole_numbers_are_pictures(file: Path, kind: type, side: int) -> None:
    """As scikit-learn's fetch_openml and Kaggle have MNIST."""
    rows = np.random.default_rng(0).integers(0, 256, (20, side * side)).astype(kind)
    data = open_data(save(file, x=rows, y=np.arange(20) % 2))
    assert data.info.shape == (1, side, side) and f"pictures of {side}x{side}" in data.notes[0]
    found = {x.numpy().tobytes() for s in (data.train, data.held_out) for x in s.x}
    assert found == {row.astype(np.uint8).tobytes() for row in rows}


@pytest.mark.parametrize(
    "points",
    [
        np.random.default_rng(0).normal(size=(20, 784)),
        np.random.default_rng(0).random(size=(20, 64)),
        np.random.default_rng(0).integers(0, 9, (20, 4)),
        np.random.default_rng(0).integers(0, 256, (20, 70)),
        np.random.default_rng(0).integers(-9, 300, (20, 64)),
    ],
)
def test_points_stay_points(file: Path, points: np.ndarray) -> None:
    data = open_data(save(file, x=points))
    num = points.shape[1]
    assert data.info.shape == (num,) and data.train.x.dtype == torch.float32
    assert any("reshape them to (N, " in note for note in data.notes) == (num in (64, 784))


def test_npz_as_medmnist_names_it(file: Path) -> None:
    parts = {"train": 9, "val": 4, "test": 5}
    arrays = {f"{name}_images": colours(num) for name, num in parts.items()}
    arrays |= {f"{name}_labels": np.arange(num)[:, None] % 3 for name, num in parts.items()}
    data = open_data(save(file, **arrays))
    assert (len(data.train), len(data.held_out)) == (9, 4) and data.info.classes == ("0", "1", "2")
    assert [(u.num, u.pictures) for u in data.unused] == [(5, True)] and "test_images" in data.unused[0].reason


def test_npz_as_kmnist_names_it(tmp_path: Path) -> None:
    for split, num in (("train", 9), ("test", 4)):
        np.savez(tmp_path / f"kmnist-{split}-imgs.npz", colours(num)[..., 0])
        np.savez(tmp_path / f"kmnist-{split}-labels.npz", np.arange(num) % 2)
    data = open_data(f"npz:{tmp_path / 'kmnist-train-imgs.npz'}")
    assert (len(data.train), len(data.held_out)) == (9, 4) and data.info.classes == ("0", "1") and data.notes


def test_npz_of_arrays_without_names(file: Path) -> None:
    np.savez(file, colours(9), np.arange(9) % 2)
    data = open_data(f"npz:{file}")
    assert len(data.train) + len(data.held_out) == 9 and data.info.classes == ("0", "1")


def test_npz_whose_second_split_has_no_labels(file: Path) -> None:
    data = open_data(save(file, x_train=colours(9), y_train=np.arange(9) % 2, x_test=colours(4)))
    assert data.info.classes == () and "Only one split has labels" in data.notes[0]


def test_labels_that_begin_at_one_make_no_class_without_examples(file: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    y = np.array([1, 2, 5] * 20)
    data = open_data(save(file, x=x, y=y))
    assert data.info.classes == ("1", "2", "5") and data.train.y is not None
    assert data.train.y.unique().tolist() == [0, 1, 2]
    pictures = {bytes(row.tobytes()): label for row, label in zip(x, y, strict=True)}
    for row, label in zip(data.train.x[:, 0].numpy(), data.train.y.tolist(), strict=True):
        assert int(data.info.classes[label]) == pictures[row.tobytes()]
    some = open_data(save(file, x=x, y=np.where(y == 1, -1, y)))
    assert some.info.classes == ("2", "5") and some.train.y is not None and some.train.y.min() == -1
