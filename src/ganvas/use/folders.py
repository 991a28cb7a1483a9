"""Folders that an export writes whole or not at all."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ganvas.errors import GanvasError


@contextmanager
def new_folder(out: Path) -> Generator[Path]:
    """A temporary folder, renamed to `out` when complete. Never overwrites."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise GanvasError(f"{out} exists and is not overwritten.", "Name a new folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as place:
            folder = Path(place) / "whole"
            folder.mkdir()
            yield folder
            folder.replace(out)
    except OSError as error:
        raise GanvasError(f"{out} cannot be written: {error}.") from error
