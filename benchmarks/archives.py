"""How long archives take against a folder of the same pictures, and how much memory a large archive needs.

    python benchmarks/archives.py                     50,000 small PNG files in a folder, a zip and a tar archive
    python benchmarks/archives.py --large 2           archives of 2 GB of large photographs: the peak of memory
    python benchmarks/archives.py --num 2000          fewer, to see it work

Each time is that of a process of its own, from after the imports to the data. The first start decodes, the second one finds
the cache. Folder and archives take turns, and the median of the rounds counts. Numbers are printed as JSON.
"""

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

KINDS = ("folder", "pictures.zip", "pictures.tar")


def png(rng: np.random.Generator) -> bytes:
    """A picture of 32x32 pixels of about 2 kB, as those of CIFAR-10 have."""
    small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    out = io.BytesIO()
    small.resize((32, 32), Image.Resampling.BICUBIC).save(out, "png")
    return out.getvalue()


def photographs() -> Iterator[bytes]:
    """Endless photographs of 1600x1200 pixels, of about a megabyte, of which 20 are different."""
    rng = np.random.default_rng(0)
    different: list[bytes] = []
    for _ in range(20):
        out = io.BytesIO()
        noise = Image.fromarray(rng.integers(0, 256, (600, 800, 3), dtype=np.uint8))
        noise.resize((1600, 1200), Image.Resampling.BICUBIC).save(out, "jpeg", quality=90)
        different.append(out.getvalue())
    while True:
        yield from different


def build(place: Path, pictures: Iterator[tuple[str, bytes]], folder: bool) -> None:
    with zipfile.ZipFile(place / KINDS[1], "w") as packed, tarfile.open(place / KINDS[2], "w") as tarred:
        for name, content in pictures:
            packed.writestr(name, content)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tarred.addfile(info, io.BytesIO(content))
            if folder:
                path = place / KINDS[0] / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def started(source: Path, home: Path, size: int | None) -> dict[str, float]:
    """A process that reads a source: its seconds, and the growth and peak of its memory in MiB."""
    words = [sys.executable, __file__, "--read", str(source), *(["--size", str(size)] if size else [])]
    done = subprocess.run(words, env=os.environ | {"XDG_CACHE_HOME": str(home)}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def read(source: str, size: int | None) -> dict[str, float]:
    from ganvas.data import ImageOptions, open_data

    Image.init()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    start = time.perf_counter()
    data = open_data(source, ImageOptions(size=size))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    num = len(data.train) + len(data.held_out)
    return {"seconds": seconds, "peak": peak, "growth": peak - before, "pictures": num}


def speed(place: Path, num: int, rounds: int) -> dict[str, object]:
    rng = np.random.default_rng(0)
    build(place, ((f"{i // 1000:02d}/{i:06d}.png", png(rng)) for i in range(num)), folder=True)
    times: dict[str, dict[str, list[float]]] = {kind: {"first": [], "second": []} for kind in KINDS}
    for turn in range(rounds):
        for kind in KINDS:
            home = place / f"cache-{turn}-{kind}"
            for start in ("first", "second"):
                found = started(place / kind, home, None)
                assert found["pictures"] == num
                times[kind][start].append(found["seconds"])
    middle = {kind: {start: statistics.median(t) for start, t in found.items()} for kind, found in times.items()}
    return {
        "pictures": num,
        "seconds": middle,
        "times as long as the folder": {
            kind: {start: round(middle[kind][start] / middle[KINDS[0]][start], 2) for start in ("first", "second")}
            for kind in KINDS[1:]
        },
    }


def memory(place: Path, size: float) -> dict[str, object]:
    def some(num_bytes: float) -> Iterator[tuple[str, bytes]]:
        total = 0
        for i, content in enumerate(photographs()):
            total += len(content)
            if total > num_bytes:
                return
            yield f"{i:06d}.jpg", content + i.to_bytes(8, "little")  # every file is another one

    build(place, some(size * 1e9), folder=False)
    found: dict[str, object] = {}
    for kind in KINDS[1:]:
        result = started(place / kind, place / f"cache-{kind}", 64)
        found[kind] = {name: round(value) for name, value in result.items()}
        found[kind]["bytes"] = (place / kind).stat().st_size  # type: ignore[index]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=float, help="gigabytes of photographs")
    parser.add_argument("--read", help="only read this source, and print what it took")
    parser.add_argument("--size", type=int)
    asked = parser.parse_args()
    if asked.read:
        print(json.dumps(read(asked.read, asked.size)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = memory(Path(folder), asked.large) if asked.large else speed(Path(folder), asked.num, asked.rounds)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
