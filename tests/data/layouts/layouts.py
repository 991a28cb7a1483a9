"""Builds data in the layouts in which people have them, each in its public form, and the table of docs/data.md.

python tests/data/layouts/layouts.py            writes docs/data.md again
python tests/data/layouts/layouts.py FOLDER     leaves the layouts in a folder
"""

import contextlib
import gzip
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from layout_archives import ARCHIVES
from layout_binaries import BINARIES
from layout_parts import Array, Draw, Layout, pack, pictures, write
from layout_tables import TABLES

from ganvas.data import Data, ImageOptions, open_data

TEMPLATE = Path(__file__).with_name("data.template.md")
PAGE = Path(__file__).parents[3] / "docs" / "data.md"


def stylegan() -> dict[str, bytes]:
    files = pictures(("00000/img{:08d}.png", 12), ("00001/img{:08d}.png", 0))
    files |= {
        f"00001/img{1000 + i:08d}.png": content for i, content in enumerate(pictures(("{}", 16)).values()) if i > 11
    }
    labels = [[name, i % 2] for i, name in enumerate(files)]
    return files | {"dataset.json": json.dumps({"labels": labels}).encode()}


def ffhq() -> dict[str, bytes]:
    files = list(pictures(("{}", 16)).values())
    return {f"{1000 * (i // 8):05d}/{1000 * (i // 8) + i % 8:05d}.png": content for i, content in enumerate(files)}


def metadata_jsonl() -> None:
    rows = [{"file_name": f"{i}.png", "text": f"picture {i}", "label": "ab"[i % 2]} for i in range(16)]
    write({f"faces/{n}": c for n, c in pictures(("{}.png", 16)).items()})
    Path("faces/metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def metadata_csv() -> None:
    write(pictures(("birds/{}.png", 16)))
    rows = "".join(f"{i}.png,{i % 3}\n" for i in range(16))
    Path("birds/metadata.csv").write_text("file_name,label\n" + rows)


def deep(folder: str, high: int, kind: type) -> None:
    draw = Draw()
    write({f"{folder}/{i}.png": draw.png(high, kind) for i in range(16)})


def idx() -> None:
    draw = Draw()
    for name, num in (("train", 16), ("t10k", 4)):
        x = draw.pixels(num).astype(np.uint8)
        write_idx(f"mnist/{name}-images-idx3-ubyte.gz", x)
        write_idx(f"mnist/{name}-labels-idx1-ubyte.gz", np.arange(num, dtype=np.uint8) % 4)


def write_idx(name: str, array: Array) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    Path(name).write_bytes(gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()))


def keras() -> None:
    draw, y = Draw(), np.arange(16)[:, None] % 4
    x = draw.pixels(20, 8, 8, 3).astype(np.uint8)
    np.savez("cifar10.npz", x_train=x[:16], y_train=y, x_test=x[16:], y_test=y[:4])


def medmnist() -> None:
    x, y = Draw().pixels(24).astype(np.uint8), np.arange(24)[:, None] % 3
    parts = {"train": slice(0, 16), "val": slice(16, 20), "test": slice(20, 24)}
    arrays = {f"{name}_images": x[part] for name, part in parts.items()}
    np.savez("pneumoniamnist.npz", **arrays, **{f"{name}_labels": y[part] for name, part in parts.items()})


def kmnist() -> None:
    x, y = Draw().pixels(20).astype(np.uint8), (np.arange(20) % 4).astype(np.uint8)
    for name, part in (("train", slice(0, 16)), ("test", slice(16, 20))):
        np.savez(f"kmnist-{name}-imgs.npz", x[part])
        np.savez(f"kmnist-{name}-labels.npz", y[part])


def own_npz() -> None:
    x = Draw().pixels(16, 8, 8, 3).astype(np.uint8)
    np.savez("mine.npz", images=x, labels=np.arange(16) % 2, class_names=np.array(["cat", "dog"]))


LAYOUTS = (
    Layout("pictures in a folder", "plain", lambda: write(pictures(("plain/{}.png", 16)))),
    Layout(
        "a folder for each class", "pets", lambda: write(pictures(("pets/cat/{}.png", 12), ("pets/dog/{}.png", 12)))
    ),
    Layout(
        "a class called train",
        "vehicles",
        lambda: write(pictures(*((f"vehicles/{name}/{{}}.png", 10) for name in ("bus", "car", "train", "truck")))),
    ),
    Layout(
        "folders for splits, in any common form",
        "signs",
        lambda: write(
            pictures(
                *((f"signs/{s}/{c}/{{}}.png", n) for s, n in (("Train", 8), ("Testing", 2)) for c in ("go", "stop"))
            )
        ),
    ),
    Layout(
        "an archive's own folder, unpacked",
        "download",
        lambda: write(pictures(("download/my_set/train/{}.png", 12), ("download/my_set/test/{}.png", 4))),
    ),
    Layout(
        "three splits, and a picture beside them",
        "three",
        lambda: write(
            pictures(("three/train/{}.png", 12), ("three/val/{}.png", 4), ("three/test/{}.png", 4), ("three/{}.png", 1))
        ),
    ),
    Layout("metadata.jsonl with captions and labels", "faces", metadata_jsonl),
    Layout("metadata.csv with labels", "birds", metadata_csv),
    Layout(
        "StyleGAN's folder with dataset.json",
        "stylegan",
        lambda: write({f"stylegan/{name}": content for name, content in stylegan().items()}),
    ),
    Layout(
        "FFHQ's folders of a thousand",
        "ffhq",
        lambda: write({f"ffhq/{name}": content for name, content in ffhq().items()}),
    ),
    Layout(
        "a folder of a network disk",
        "share",
        lambda: write(pictures(("share/{}.png", 16), ("share/@eaDir/{}.png/SYNOPHOTO_THUMB_M.jpg", 16))),
    ),
    Layout(
        "files that cannot be read among others",
        "mixed",
        lambda: write(
            {**pictures(("mixed/{}.png", 16)), "mixed/a.CR2": b"x", "mixed/b.png": b"x", "mixed/notes.txt": b"x"}
        ),
    ),
    Layout("a scanner of 12 bits, in files of 16", "scans", lambda: deep("scans", 4095, np.uint16), "values"),
    Layout("masks of 0 and 1", "masks", lambda: deep("masks", 1, np.uint8), "values"),
    Layout("levels of grey from 0 to 16", "dark", lambda: deep("dark", 16, np.uint8), "values"),
    Layout(
        "a zip archive of class folders, packed on macOS",
        "pets.zip",
        lambda: pack(
            "pets.zip", {**pictures(("pets/cat/{}.png", 12), ("pets/dog/{}.png", 12)), "__MACOSX/._pets": b"x"}
        ),
        "archives",
    ),
    Layout("StyleGAN's dataset.zip", "dataset.zip", lambda: pack("dataset.zip", stylegan()), "archives"),
    Layout(
        "an archive with members that could harm",
        "hostile.zip",
        lambda: pack("hostile.zip", {**pictures(("{}.png", 16)), "../out.png": b"x", "inner.zip": b"x"}),
        "archives",
    ),
    Layout("one picture", "one.png", lambda: write(pictures(("one.png", 1))), "files"),
    Layout("MNIST's four files", "idx:mnist", idx, "arrays"),
    Layout("an archive of your own", "mine.npz", own_npz, "arrays"),
    Layout("Keras's names", "cifar10.npz", keras, "arrays"),
    Layout("MedMNIST's names", "pneumoniamnist.npz", medmnist, "arrays"),
    Layout("KMNIST's four files", "kmnist-train-imgs.npz", kmnist, "arrays"),
    Layout(
        "rows of pixels, as Kaggle and OpenML have MNIST",
        "rows.npy",
        lambda: np.save("rows.npy", Draw().pixels(16, 784)),
        "arrays",
    ),
    *TABLES,
    *ARCHIVES,
    *BINARIES,
    Layout(
        "points", "points.npy", lambda: np.save("points.npy", np.random.default_rng(0).normal(size=(16, 2))), "arrays"
    ),
)


def read_as(data: Data) -> str:
    """How a source was read, in words."""
    classes = f" in {len(data.info.classes)} classes ({', '.join(data.info.classes)})" if data.info.classes else ""
    captions = ", with captions" if data.info.captions else ""
    held_out = f"{len(data.held_out)} held out" if len(data.held_out) else "none held out"
    return f"{len(data.train)} to train on, {held_out}: {data.info.domain.words()}{classes}{captions}"


def said(data: Data) -> str:
    """What ganvas says of it beyond its size: notes, and files that are not examples."""
    unused = [f"Not used: {u.num}: {u.reason}." for u in data.unused]
    skipped = [f"Skipped: {s.path}: {s.reason}." for s in data.skipped]
    return " ".join([*data.notes, *unused, *skipped])


def built(layout: Layout) -> Data:
    """The layout in the current folder, read."""
    layout.build()
    return open_data(layout.source, ImageOptions(**layout.options))  # type: ignore[arg-type]


def call(layout: Layout) -> str:
    """The source with its options, as on the command line."""
    flags = (
        f" --{name.replace('_', '-')}" + ("" if value is True else f" {value}")
        for name, value in layout.options.items()
    )
    return layout.source + "".join(flags)


def as_it_stands(layout: Layout) -> str:
    """The layout's row in the page, for a layout that cannot be built without a package."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {layout.what} |")]
    return rows[0] if rows else ""


def table(kind: str, folder: Path) -> str:
    """The rows of a kind of layouts, built in a folder and read there."""
    rows = ["| what you have | `--data` | how it is read | what ganvas says |", "|---|---|---|---|"]
    for number, layout in enumerate(layout for layout in LAYOUTS if layout.kind == kind):
        if layout.needs and importlib.util.find_spec(layout.needs) is None:
            rows.append(as_it_stands(layout))
            continue
        place = folder / kind / str(number)
        place.mkdir(parents=True)
        with contextlib.chdir(place):
            data = built(layout)
            rows.append(f"| {layout.what} | `{call(layout)}` | {read_as(data)} | {said(data)} |")
    return "\n".join(rows)


def page(folder: Path) -> str:
    """docs/data.md: the template with the tables."""
    text = TEMPLATE.read_text()
    for kind in dict.fromkeys(layout.kind for layout in LAYOUTS):
        text = text.replace(f"{{{{ {kind} }}}}", table(kind, folder))
    return text


def main(arguments: list[str]) -> None:
    if arguments:
        for layout in LAYOUTS:
            place = Path(arguments[0]) / layout.source.replace(":", "-")
            place.mkdir(parents=True)
            with contextlib.chdir(place):
                layout.build()
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
