"""What all layouts are built from: pictures, files, archives."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

Array = np.ndarray


@dataclass(frozen=True)
class Layout:
    """what: in words, for the table. source: as `--data` takes it. build: writes it to the current folder.

    options: of `ImageOptions`. needs: a package that is not always installed.
    """

    what: str
    source: str
    build: Callable[[], None]
    kind: str = "folders"
    options: dict[str, object] = field(default_factory=dict)
    needs: str = ""


class Draw:
    """Different grey pictures; the same at every call in the same order."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def pixels(self, num: int, *shape: int, high: int = 255) -> Array:
        x = self.rng.integers(0, high + 1, (num, *(shape or (8, 8))))
        x.reshape(num, -1)[:, :2] = 0, high
        return x

    def png(self, high: int = 255, kind: type = np.uint8) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(self.pixels(1, high=high)[0].astype(kind)).save(stream, "png")
        return stream.getvalue()

    def jpeg(self) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(self.pixels(1)[0].astype(np.uint8)).save(stream, "jpeg", quality=95)
        return stream.getvalue()

    def files(self, pattern: str, num: int) -> dict[str, bytes]:
        return {pattern.format(i): self.png() for i in range(num)}


def write(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


def pack(archive: str, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)


def pictures(*patterns: tuple[str, int]) -> dict[str, bytes]:
    draw = Draw()
    return {name: content for pattern, num in patterns for name, content in draw.files(pattern, num).items()}
