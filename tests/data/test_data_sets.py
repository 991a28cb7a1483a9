"""Data sets in the files in which they are distributed: values, orientation, order of channels, labels."""

import gzip
import os
import pickle
from pathlib import Path

import layout_binaries as binaries
import numpy as np
import pytest
import torch
from layout_binaries import bytes_of
from scipy.io import savemat

from ganvas.data import Data, ImageOptions, open_data
from ganvas.data.sources.forms import split_in
from ganvas.data.whole import whole
from ganvas.errors import GanvasError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(data: Data) -> np.ndarray:
    """All pictures in the source's order, or training ones first: (N, H, W, C), or (N, H, W) if grey."""
    x = whole(data)[0].x.permute(0, 2, 3, 1).numpy()
    return x[..., 0] if x.shape[3] == 1 else x


def names(data: Data) -> list[str]:
    y = whole(data)[0].y
    assert y is not None
    return [data.info.classes[i] for i in y.tolist()]


def cycle(num: int, *kinds: str) -> list[str]:
    return [kinds[i % len(kinds)] for i in range(num)]


@pytest.mark.parametrize(
    ("build", "source", "shape", "labels"),
    [
        (binaries.emnist, "idx:emnist", (20, 28, 28), ("A/a", "B/b", "C/c", "D/d")),
        (binaries.emnist, "emnist", (20, 28, 28), ("A/a", "B/b", "C/c", "D/d")),
        (binaries.qmnist, "qmnist", (20, 28, 28), "0123"),
        (binaries.qmnist, "qmnist/qmnist-test-images-idx3-ubyte.gz", (20, 28, 28), "0123"),
        (binaries.kaggle_mnist, "digit-recognizer/train.csv", (16, 28, 28), "0123"),
        (binaries.mnist_csv, "mnist_train.csv", (20, 28, 28), "0123"),
        (binaries.emnist_csv, "emnist-letters-train.csv", (16, 28, 28), "1234"),
        (binaries.fer2013, "fer2013.csv", (20, 48, 48), "012"),
        (
            binaries.cifar10_archive,
            "cifar-10-binary.tar.gz",
            (24, 3, 32, 32),
            ("airplane", "automobile", "bird", "cat"),
        ),
        (binaries.cifar100, "cifar-100-binary", (20, 3, 32, 32), ("apple", "pear", "bee", "moth")),
        (binaries.stl10, "stl10_binary", (20, 3, 96, 96), ("airplane", "bird", "car", "cat")),
        (binaries.svhn, "svhn", (20, 32, 32, 3), "1234567890"),
        (binaries.svhn, "svhn/train_32x32.mat", (20, 32, 32, 3), "1234567890"),
        (binaries.emnist_mat, "emnist-letters.mat", (20, 28, 28), "1234"),
        (binaries.mat73, "faces.mat", (16, 8, 8, 3), "0123"),
        (binaries.hdf5, "Galaxy10.h5", (16, 8, 8, 3), "0123"),
        (binaries.camelyon, "pcam", (20, 8, 8, 3), "01"),
    ],
)
def test_pictures_stand_upright_with_their_labels(build, source: str, shape: tuple[int, ...], labels: str) -> None:
    if build in (binaries.mat73, binaries.hdf5, binaries.camelyon):
        pytest.importorskip("h5py")
    build()
    data = open_data(source)
    total = {"fer2013.csv": 24, "pcam": 24, "stl10_binary": 24}.get(source, 20 if "mnist" in source else shape[0])
    expected = bytes_of(16 if source == "emnist-letters-train.csv" else total, *shape[1:])[: shape[0]]
    if shape[1] == 3:
        expected = expected.transpose(0, 2, 3, 1)
    assert np.array_equal(pictures(data), expected)
    assert names(data) == cycle(shape[0], *labels)


def test_coarse_classes_of_cifar100() -> None:
    binaries.cifar100()
    data = open_data("cifar-100-binary", ImageOptions(label_column="coarse"))
    assert names(data) == [("fruit", "insects")[i % 4 // 2] for i in range(20)] and not data.notes
    with pytest.raises(GanvasError, match="no labels 'middle'"):
        open_data("cifar-100-binary", ImageOptions(label_column="middle"))


def test_stl10_without_labels_is_used_if_it_is_named() -> None:
    binaries.stl10()
    data = open_data("stl10_binary/unlabeled_X.bin")
    assert data.train.y is None
    assert np.array_equal(pictures(data), bytes_of(24, 3, 96, 96)[20:].transpose(0, 2, 3, 1))


@pytest.mark.parametrize("where", ["folder", "file", "archive"])
def test_pickled_cifar_is_refused_with_the_file_to_get(here: Path, where: str) -> None:
    content = pickle.dumps({b"data": [1]})
    binaries.put({f"cifar-10-batches-py/{name}": content for name in ("data_batch_1", "test_batch", "batches.meta")})
    source = "cifar-10-batches-py"
    if where == "file":
        source += "/data_batch_1"
    if where == "archive":
        os.system("tar -czf cifar-10-python.tar.gz cifar-10-batches-py")
        source = "cifar-10-python.tar.gz"
    with pytest.raises(GanvasError, match=r"could run code(.|\n)*cifar-10-binary\.tar\.gz"):
        open_data(source)


def test_other_pickles_are_refused() -> None:
    binaries.put({"cifar-100-python/train": b"x", "cifar-100-python/meta": b"x", "a.pkl": b"x"})
    with pytest.raises(GanvasError, match=r"cifar-100-binary\.tar\.gz"):
        open_data("cifar-100-python")
    with pytest.raises(GanvasError, match=r"numpy\.savez"):
        open_data("a.pkl")


def test_several_sets_of_idx_files_have_to_be_named() -> None:
    binaries.emnist()
    for path in sorted(Path("emnist").iterdir()):
        path.with_name(path.name.replace("letters", "digits")).write_bytes(path.read_bytes())
    with pytest.raises(GanvasError, match="several sets: emnist-digits, emnist-letters"):
        open_data("idx:emnist")
    with pytest.raises(GanvasError, match="several sets"):
        open_data("emnist")
    for source in ("idx:emnist/emnist-letters", "emnist/emnist-letters-train-images-idx3-ubyte.gz"):
        assert len(open_data(source).train) == 16
    Path("emnist/emnist-letters-test-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(GanvasError, match="lacks emnist-letters-t10k-labels"):
        open_data("idx:emnist/emnist-letters")


def test_names_of_mnist_as_kaggle_unpacks_them() -> None:
    x, y = bytes_of(20, 28, 28), (np.arange(20) % 4).astype(np.uint8)
    for split, part in (("train", slice(0, 16)), ("t10k", slice(16, 20))):
        binaries.put({f"m/{split}-images.idx3-ubyte": binaries.idx_of(x[part])})
        binaries.put({f"m/{split}-labels.idx1-ubyte": binaries.idx_of(y[part])})
    assert np.array_equal(pictures(open_data("m")), x) and np.array_equal(pictures(open_data("idx:m")), x)


def test_tables_of_pixels() -> None:
    x = bytes_of(16, 28, 28)
    binaries.put({"test.csv": binaries.csv_of(x, None, ",".join(f"pixel{i}" for i in range(784)) + "\n")})
    assert np.array_equal(pictures(open_data("test.csv")), x) and open_data("test.csv").train.y is None
    colour = bytes_of(16, 28, 28, 3)
    header = ",".join(f"pixel{i:04d}" for i in range(2352)) + ",label\n"
    rows = "".join(",".join(map(str, [*row.ravel().tolist(), i % 2])) + "\n" for i, row in enumerate(colour))
    binaries.put({"hmnist_28_28_RGB.csv": (header + rows).encode()})
    data = open_data("hmnist_28_28_RGB.csv")
    assert np.array_equal(pictures(data), colour) and names(data) == cycle(16, "0", "1")
    binaries.put({"headless.csv": binaries.csv_of(x, np.arange(16) % 2, "")})
    assert names(open_data("headless.csv")) == cycle(16, "0", "1")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "no file of a kind"),
        ("a.csv", b"a,b\n1,2\n", "no file of a kind"),
        ("a.csv", b"label," + b",".join(b"p%d" % i for i in range(70)) + b"\n" + b"1," * 70 + b"1\n", "no square"),
        ("a.csv", b"label," + b",".join(b"p%d" % i for i in range(784)) + b"\n1,2\n", "different lengths"),
        ("a.csv", b"label," + b",".join(b"p%d" % i for i in range(784)) + b"\n", "no rows"),
        ("a.csv", b",".join(b"p%d" % i for i in range(784)) + b"\n" + b"x," * 783 + b"x\n", "no table of numbers"),
        ("fer.csv", b"emotion,pixels\n1,1 2 3\n2,1 2\n", "not the same number"),
        ("data_batch_1.bin", b"x" * 100, "no rows of 3,073"),
        ("data_batch_1.bin", b"", "0 bytes"),
        ("train_X.bin", b"x" * 27_647, "no rows of 27,648"),
        ("a.mat", b"x" * 300, "cannot be read as a MATLAB file"),
        ("a.mat", b"", "cannot be read as a MATLAB file"),
        ("other.bin", b"x", "no file of a kind"),
    ],
)
def test_files_that_are_damaged_or_of_another_kind(name: str, content: bytes, says: str) -> None:
    binaries.put({name: content})
    with pytest.raises(GanvasError, match=says):
        open_data(name)


def test_mat_files_of_all_axes() -> None:
    x, y = bytes_of(30, 8, 8), np.arange(30) % 2
    wide = bytes_of(30, 8, 8, 3)
    cases: list[tuple[dict[str, np.ndarray], np.ndarray]] = [
        ({"X": x.transpose(1, 2, 0), "y": y}, x),
        ({"X": x, "y": y}, x),
        ({"images": wide.transpose(1, 2, 3, 0)}, wide),
        ({"images": wide}, wide),
        ({"data": x.transpose(0, 2, 1).reshape(30, 64), "labels": y[:, None]}, x),
        ({"data": x.transpose(0, 2, 1).reshape(30, 64).T, "labels": y[None]}, x),
        ({"traindata": x.transpose(0, 2, 1).reshape(30, 64).T, "traintarget": np.eye(2)[y].T}, x),
    ]
    for arrays, expected in cases:
        savemat("a.mat", arrays)
        data = open_data("a.mat")
        assert np.array_equal(pictures(data), expected), list(arrays)
        assert (names(data) == cycle(30, "0", "1")) if len(arrays) == 2 else data.train.y is None
    savemat("a.mat", {"rate": np.eye(3), "name": "x"})
    with pytest.raises(GanvasError, match="holds no pictures"):
        open_data("a.mat")
    with pytest.raises(GanvasError, match="no array 'kind'"):
        savemat("a.mat", {"X": x})
        open_data("a.mat", ImageOptions(label_column="kind"))


def test_hdf5_of_other_forms(here: Path) -> None:
    h5py = pytest.importorskip("h5py")
    x = bytes_of(16, 8, 8, 3)
    with h5py.File("food.h5", "w") as stored:
        stored["images"], stored["category"] = x, np.eye(2, dtype=bool)[np.arange(16) % 2]
        stored["category_names"] = [b"pie", b"soup"]
    data = open_data("food.h5")
    assert names(data) == cycle(16, "pie", "soup") and np.array_equal(pictures(data), x)
    with h5py.File("train_cat.h5", "w") as stored:
        stored["train_set_x"], stored["train_set_y"] = x[:12], np.arange(12) % 2
    with h5py.File("test_cat.h5", "w") as stored:
        stored["test_set_x"], stored["test_set_y"] = x[12:], np.arange(4) % 2
    data = open_data("train_cat.h5")
    assert (len(data.train), len(data.held_out)) == (12, 4) and np.array_equal(pictures(data), x)
    with h5py.File("shapes.h5", "w") as stored:
        stored["images"], stored["labels"] = x, np.random.default_rng(0).normal(size=(16, 6))
    assert open_data("shapes.h5").train.y is None
    (here / "secret.bin").write_bytes(bytes(16 * 64))
    with h5py.File("out.h5", "w") as stored:
        stored.create_dataset("images", (16, 8, 8), "u1", external=[("secret.bin", 0, 16 * 64)])
    with pytest.raises(GanvasError, match="holds no pictures"):
        open_data("out.h5")
    with h5py.File("huge.h5", "w") as stored:
        stored.create_dataset("images", (10**6, 10**4, 10**4), "u1", chunks=True)
    with pytest.raises(GanvasError, match="of memory"):
        open_data("huge.h5")
    whole_file = Path("food.h5").read_bytes()
    for damaged in (b"", b"x" * 99, whole_file[:2000]):
        Path("damaged.h5").write_bytes(damaged)
        with pytest.raises(GanvasError, match="cannot be read as HDF5"):
            open_data("damaged.h5")


def test_parquet_and_arrow() -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    binaries.parquet()
    data = open_data("hub")
    assert data.info.classes == ("cat", "ant", "bee") and names(data)[:4] == ["cat", "ant", "bee", "cat"]
    assert data.files[0] == "train/train-00000-of-00002.parquet/0.png" and len(data.held_out) == 4
    draw = binaries.Draw()
    expected = [np.asarray(binaries.opened(draw.png())) for _ in range(20)]
    assert np.array_equal(pictures(data), np.stack(expected))
    draw = binaries.Draw()
    rows = [draw.png() for _ in range(12)] + [b"no picture", None]
    table = pa.table({"photo": rows, "kind": [f"k{i % 2}" for i in range(14)], "note": [["a", "b"]] * 14})
    parquet.write_table(table, "own.parquet")
    data = open_data("own.parquet", ImageOptions(label_column="kind", caption_column="note"))
    assert data.info.classes == ("k0", "k1") and len(data.skipped) == 2
    with pytest.raises(GanvasError, match="column 'sort'"):
        open_data("own.parquet", ImageOptions(label_column="sort"))
    with pytest.raises(GanvasError, match="no column of pictures 'kind'"):
        open_data("own.parquet", ImageOptions(file_column="kind"))
    parquet.write_table(table.select(["kind"]), "none.parquet")
    with pytest.raises(GanvasError, match="no column of pictures"):
        open_data("none.parquet")
    for name in ("own.parquet", "own.arrow"):
        Path(name).write_bytes(b"PAR1" + bytes(100))
        with pytest.raises(GanvasError, match="cannot be read as a table"):
            open_data(name)


def test_an_lmdb_of_several_sizes(here: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    draw = binaries.Draw()
    with lmdb.open("faces.lmdb", subdir=False, map_size=2**24) as database, database.begin(write=True) as writing:
        for i in range(12):
            writing.put(f"8-{i:05d}".encode(), draw.png())
            writing.put(f"16-{i:05d}".encode(), draw.png())
        writing.put(b"length", b"12")
    data = open_data("faces.lmdb", ImageOptions(size=8))
    assert len(data.train) + len(data.held_out) == 12 and all(name.startswith("8-") for name in data.files)
    assert {u.reason: u.num for u in data.unused} == {
        "a picture in another size than 8": 12,
        "a value that is no picture": 1,
    }
    assert all(name.startswith("16-") for name in open_data("faces.lmdb").files)
    (here / "bad.lmdb").write_bytes(bytes(9_000))
    with pytest.raises(GanvasError, match="cannot be read as an LMDB"):
        open_data("bad.lmdb")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name, extra, file in (("h5py", "hdf5", "a.h5"), ("pyarrow", "hub", "a.parquet"), ("lmdb", "lmdb", "a.lmdb")):
        monkeypatch.setitem(sys.modules, name, None)
        binaries.put({file: b"\x89HDF\r\n\x1a\n"})
        with pytest.raises(GanvasError, match=f"needs the extra {extra}"):
            open_data(file)


def test_files_that_say_no_split_have_to_be_named() -> None:
    for name in ("a.mat", "b.mat"):
        savemat(name, {"X": bytes_of(16, 8, 8)})
    with pytest.raises(GanvasError, match=r"several files, and their names say no splits: a\.mat, b\.mat"):
        open_data(".")
    assert [split_in(name) for name in ("x-train-01", "valid_x", "contest", "mnist.test")] == [
        "train",
        "valid",
        None,
        "test",
    ]


def test_an_archive_of_idx_files(here: Path) -> None:
    import zipfile

    binaries.emnist("gzip")
    with zipfile.ZipFile("gzip.zip", "w") as archive:
        for path in sorted(Path("gzip").iterdir()):
            archive.write(path)
    data = open_data("gzip.zip")
    assert torch.equal(data.train.x, open_data("gzip").train.x) and data.info.classes[0] == "A/a"
    broken = Path("gzip/emnist-letters-train-images-idx3-ubyte.gz")
    broken.write_bytes(gzip.compress(b"x"))
    with pytest.raises(GanvasError, match="not an IDX file"):
        open_data("gzip")


@pytest.mark.parametrize("name", ["absent.h5", "absent.mat", "absent.csv", "absent.parquet"])
def test_a_file_that_is_not_there_is_said_to_be_none(name: str) -> None:
    with pytest.raises(GanvasError, match=f"There is no file {name}"):
        open_data(name)
