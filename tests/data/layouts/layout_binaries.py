"""Layouts of data sets in files of arrays: each as its authors distribute it, with small pictures or few of them."""

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from layout_parts import Array, Draw, Layout
from PIL import Image
from scipy.io import savemat


def bytes_of(*shape: int) -> Array:
    return Draw().pixels(shape[0], *shape[1:]).astype(np.uint8)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def put(files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


def idx_of(array: Array) -> bytes:
    """IDX of bytes, or of 32 bits as QMNIST's labels."""
    kind, code = (">i4", 12) if array.dtype != np.uint8 else ("u1", 8)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(kind).tobytes()


def emnist(folder: str = "emnist") -> None:
    """Cohen et al. 2017: IDX files with the name of the set; each picture is transposed; letters count from 1."""
    x, y = bytes_of(20, 28, 28), (np.arange(20) % 4 + 1).astype(np.uint8)
    for split, part in (("train", slice(0, 16)), ("test", slice(16, 20))):
        for kind, array in (("images-idx3", x[part].swapaxes(1, 2)), ("labels-idx1", y[part])):
            put(
                {f"{folder}/emnist-letters-{split}-{kind}-ubyte.gz": gzip.compress(idx_of(np.ascontiguousarray(array)))}
            )
    put({f"{folder}/emnist-letters-mapping.txt": b"1 65 97\n2 66 98\n3 67 99\n4 68 100\n"})


def qmnist() -> None:
    """Yadav and Bottou 2019: labels of eight 32-bit numbers, of which the first is the class."""
    x = bytes_of(20, 28, 28)
    y = np.arange(160).reshape(20, 8).astype(np.int32)
    y[:, 0] = np.arange(20) % 4
    for split, part in (("train", slice(0, 16)), ("test", slice(16, 20))):
        put({f"qmnist/qmnist-{split}-images-idx3-ubyte.gz": gzip.compress(idx_of(x[part]))})
        put({f"qmnist/qmnist-{split}-labels-idx2-int.gz": gzip.compress(idx_of(y[part]))})


def csv_of(x: Array, y: Array | None, header: str) -> bytes:
    columns = x.reshape(len(x), -1) if y is None else np.column_stack([y, x.reshape(len(x), -1)])
    return (header + "".join(",".join(map(str, row)) + "\n" for row in columns.tolist())).encode()


def kaggle_mnist() -> None:
    """Kaggle's competition "Digit Recognizer": train.csv with labels, test.csv without."""
    x, y = bytes_of(20, 28, 28), np.arange(20) % 4
    names = ",".join(f"pixel{i}" for i in range(784))
    put({"digit-recognizer/train.csv": csv_of(x[:16], y[:16], f"label,{names}\n")})
    put({"digit-recognizer/test.csv": csv_of(x[16:], None, f"{names}\n")})
    put({"digit-recognizer/sample_submission.csv": b"ImageId,Label\n1,0\n"})


def mnist_csv() -> None:
    x, y = bytes_of(20, 28, 28), np.arange(20) % 4
    names = ",".join(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))
    put({"mnist_train.csv": csv_of(x[:16], y[:16], f"label,{names}\n")})
    put({"mnist_test.csv": csv_of(x[16:], y[16:], f"label,{names}\n")})


def emnist_csv() -> None:
    x, y = bytes_of(16, 28, 28).swapaxes(1, 2), np.arange(16) % 4 + 1
    put({"emnist-letters-train.csv": csv_of(x, y, "")})


def fer2013() -> None:
    """Goodfellow et al. 2013: all pixels in one cell, and the split in another."""
    usage = ["Training"] * 16 + ["PublicTest"] * 4 + ["PrivateTest"] * 4
    rows = "".join(
        f"{i % 3},{' '.join(map(str, x.ravel().tolist()))},{use}\n"
        for i, (x, use) in enumerate(zip(bytes_of(24, 48, 48), usage, strict=True))
    )
    put({"fer2013.csv": b"emotion,pixels,Usage\n" + rows.encode()})


def cifar10_files() -> dict[str, bytes]:
    """Krizhevsky 2009: rows of a byte for the class and 3,072 for red, green and blue."""
    x, y = bytes_of(24, 3, 32, 32), (np.arange(24) % 4).astype(np.uint8)
    rows = np.column_stack([y, x.reshape(24, -1)])
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    files = {name: rows[4 * i : 4 * i + 4].tobytes() for i, name in enumerate(names)}
    files |= {"test_batch.bin": rows[20:].tobytes(), "readme.html": b"<html>"}
    files["batches.meta.txt"] = b"airplane\nautomobile\nbird\ncat\n\n"
    return {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}


def cifar10_archive() -> None:
    with tarfile.open("cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, content in cifar10_files().items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def cifar100() -> None:
    x, fine = bytes_of(20, 3, 32, 32), (np.arange(20) % 4).astype(np.uint8)
    rows = np.column_stack([fine // 2, fine, x.reshape(20, -1)])
    put({"cifar-100-binary/train.bin": rows[:16].tobytes(), "cifar-100-binary/test.bin": rows[16:].tobytes()})
    put({"cifar-100-binary/fine_label_names.txt": b"apple\npear\nbee\nmoth\n"})
    put({"cifar-100-binary/coarse_label_names.txt": b"fruit\ninsects\n"})


def stl10() -> None:
    """Coates et al. 2011: pixels go down the columns; classes count from 1; most pictures have no label."""
    x, y = bytes_of(24, 3, 96, 96), (np.arange(20) % 4 + 1).astype(np.uint8)
    stored = np.ascontiguousarray(x.swapaxes(2, 3))
    put({"stl10_binary/train_X.bin": stored[:12].tobytes(), "stl10_binary/train_y.bin": y[:12].tobytes()})
    put({"stl10_binary/test_X.bin": stored[12:20].tobytes(), "stl10_binary/test_y.bin": y[12:].tobytes()})
    put({"stl10_binary/unlabeled_X.bin": stored[20:].tobytes(), "stl10_binary/fold_indices.txt": b"0 1\n"})
    put({"stl10_binary/class_names.txt": b"airplane\nbird\ncar\ncat\n"})


def svhn() -> None:
    """Netzer et al. 2011: X is (32, 32, 3, N), and the label of the digit 0 is 10."""
    x, y = bytes_of(20, 32, 32, 3), (np.arange(20) % 10 + 1).astype(np.uint8)[:, None]
    Path("svhn").mkdir()
    for split, part in (("train", slice(0, 16)), ("test", slice(16, 20))):
        savemat(f"svhn/{split}_32x32.mat", {"X": x[part].transpose(1, 2, 3, 0), "y": y[part]}, do_compression=True)


def emnist_mat() -> None:
    """EMNIST's MATLAB version: a structure, and pixels down the columns."""
    x, y = bytes_of(20, 28, 28), np.arange(20)[:, None] % 4 + 1
    flat = x.transpose(0, 2, 1).reshape(20, -1)
    parts = {
        name: {"images": flat[part], "labels": y[part], "writers": y[part]}
        for name, part in (("train", slice(0, 16)), ("test", slice(16, 20)))
    }
    savemat("emnist-letters.mat", {"dataset": {**parts, "mapping": np.array([[1, 65, 97]])}})


def hdf5() -> None:
    import h5py

    with h5py.File("Galaxy10.h5", "w") as stored:
        stored["images"], stored["ans"] = bytes_of(16, 8, 8, 3), np.arange(16) % 4


def camelyon() -> None:
    """PatchCamelyon: pictures and labels of each split in a file of their own."""
    import h5py

    x, y = bytes_of(24, 8, 8, 3), (np.arange(24) % 2).reshape(24, 1, 1, 1)
    Path("pcam").mkdir()
    for split, part in (("train", slice(0, 16)), ("valid", slice(16, 20)), ("test", slice(20, 24))):
        for kind, array in (("x", x[part]), ("y", y[part])):
            with h5py.File(f"pcam/camelyonpatch_level_2_split_{split}_{kind}.h5", "w") as stored:
                stored.create_dataset(kind, data=array, compression="gzip")


def mat73() -> None:
    """What MATLAB saves with -v7.3: HDF5 behind a block of text, with the axes in the opposite order."""
    import h5py

    x, y = bytes_of(16, 8, 8, 3), np.arange(16) % 4
    with h5py.File("faces.mat", "w", userblock_size=512) as stored:
        stored["images"] = x.transpose(1, 2, 3, 0).T
        stored["labels"] = y[:, None].astype(float).T
    content = Path("faces.mat").read_bytes()
    Path("faces.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512, b" ") + content[512:])


FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "ant", "bee"]}}


def parquet() -> None:
    """The hub's form: pictures are {bytes, path}, and the classes' names stand in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = Draw()
    Path("hub/data").mkdir(parents=True)
    for name, num in (("train-00000-of-00002", 8), ("train-00001-of-00002", 8), ("test-00000-of-00001", 4)):
        rows = [{"bytes": draw.png(), "path": f"{i}.png"} for i in range(num)]
        table = pa.table({"image": rows, "label": [i % 3 for i in range(num)]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})
        pq.write_table(table, f"hub/data/{name}.parquet", row_group_size=3)


def arrow() -> None:
    """What `datasets` keeps in its cache: a stream of batches."""
    import pyarrow as pa

    draw = Draw()
    table = pa.table(
        {"image": [{"bytes": draw.png(), "path": None} for _ in range(16)], "text": [f"picture {i}" for i in range(16)]}
    )
    with pa.OSFile("pets-train.arrow", "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table, max_chunksize=5)


def lsun() -> None:
    """Yu et al. 2015: a database for each category and split."""
    import lmdb

    draw = Draw()
    for name, num in (("church_outdoor_train_lmdb", 16), ("church_outdoor_val_lmdb", 4)):
        Path(f"lsun/{name}").mkdir(parents=True)
        with lmdb.open(f"lsun/{name}", map_size=2**24) as database, database.begin(write=True) as writing:
            for i in range(num):
                writing.put(f"{i:040x}".encode(), draw.png())


BINARIES = (
    Layout("EMNIST's IDX files, which hold pictures on their side", "idx:emnist", emnist, "sets"),
    Layout("QMNIST's IDX files", "qmnist", qmnist, "sets"),
    Layout("Kaggle's MNIST", "digit-recognizer", kaggle_mnist, "sets"),
    Layout("MNIST in CSV", "mnist_train.csv", mnist_csv, "sets"),
    Layout("EMNIST in CSV", "emnist-letters-train.csv", emnist_csv, "sets"),
    Layout("FER2013", "fer2013.csv", fer2013, "sets"),
    Layout("CIFAR-10, binary version", "cifar-10-batches-bin", lambda: put(cifar10_files()), "sets"),
    Layout("CIFAR-10, still packed", "cifar-10-binary.tar.gz", cifar10_archive, "sets"),
    Layout("CIFAR-100, binary version", "cifar-100-binary", cifar100, "sets"),
    Layout("STL-10, binary version", "stl10_binary", stl10, "sets"),
    Layout("SVHN, cropped digits", "svhn", svhn, "sets"),
    Layout("EMNIST for MATLAB", "emnist-letters.mat", emnist_mat, "sets"),
    Layout("a MATLAB file of version 7.3", "faces.mat", mat73, "sets", needs="h5py"),
    Layout("HDF5", "Galaxy10.h5", hdf5, "sets", needs="h5py"),
    Layout("PatchCamelyon", "pcam", camelyon, "sets", needs="h5py"),
    Layout("the hub's parquet files", "hub", parquet, "sets", needs="pyarrow"),
    Layout("an Arrow file of `datasets`", "pets-train.arrow", arrow, "sets", needs="pyarrow"),
    Layout("LSUN's databases (LMDB)", "lsun", lsun, "sets", needs="lmdb"),
)
