"""Layouts of tar archives."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from layout_parts import Draw, Layout, pictures


def pack_tar(archive: str, files: Mapping[str, bytes], kind: str = "") -> None:
    Path(archive).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, f"w:{kind}") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))


def webdataset() -> None:
    """Shards as WebDataset writes them: files of one sample stand together, and share the name before the first dot."""
    draw = Draw()
    for split, num, each in (("train", 2, 8), ("val", 1, 4)):
        for shard in range(num):
            files: dict[str, bytes] = {}
            for i in range(each):
                key = f"{shard:03d}{i:04d}"
                files |= {f"{key}.png": draw.png(), f"{key}.cls": str(i % 3).encode()}
                files |= {f"{key}.txt": f"picture {i}".encode(), f"{key}.json": b'{"url": "x", "status": "success"}'}
            pack_tar(f"shards/pets-{split}-{shard:06d}.tar", files)


def imagenet() -> None:
    """An archive for each class, as ImageNet's training set is distributed."""
    draw = Draw()
    for name in ("n01440764", "n02102040"):
        pack_tar(f"imagenet/{name}.tar", {f"{name}_{i}.JPEG": draw.jpeg() for i in range(12)})


ARCHIVES = (
    Layout(
        "a tar archive of class folders, compressed",
        "pets.tgz",
        lambda: pack_tar("pets.tgz", pictures(("pets/cat/{}.png", 12), ("pets/dog/{}.png", 12)), "gz"),
        "archives",
    ),
    Layout("WebDataset's shards", "shards", webdataset, "archives"),
    Layout("an archive for each class", "imagenet", imagenet, "archives"),
)
