"""Files of a run: written whole or not at all, read without trust."""

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from ganvas.errors import GanvasError

LARGEST_JSON = 64 * 2**20
"""Bytes. No file that a run keeps its facts in comes near it; one that does is damage, or malice."""

LARGEST_LOG = 512 * 2**20
"""Bytes of a metrics.jsonl: about a million lines."""

PATIENCE = 10.0
"""Seconds to wait for a process that still holds a run: one that is being ended, say."""


def cache_folder() -> Path:
    """Where things are kept that can be made again: $XDG_CACHE_HOME/ganvas, else ~/.cache/ganvas."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganvas"


def atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Lets `write` fill a file of a temporary name, and renames it to `path` when it is on the disk."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of `atomically` that a killed process left behind."""
    return [path for path in folder.glob("*.*.part") if path.is_file() or path.is_symlink()]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises OSError or ValueError for everything else: pipes, giants, nesting, no UTF-8."""
    return parsed_object(read_text(path))


def read_list(path: Path) -> list[dict[str, Any]]:
    """The JSON list of objects in a file. Raises OSError or ValueError for everything else."""
    value = parsed_json(read_text(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast(list[Any], value)):
        raise ValueError("it holds no list of objects")
    return cast(list[dict[str, Any]], value)


def read_text(path: Path) -> str:
    if not path.is_file():  # to open a pipe would wait for ever
        raise FileNotFoundError(f"there is no file {path}")
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"it is larger than {LARGEST_JSON >> 20} MiB")
    return path.read_text("utf-8")


def parsed_object(text: str) -> dict[str, Any]:
    """The JSON object in a text, or ValueError."""
    value = parsed_json(text)
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, not an object")
    return cast(dict[str, Any], value)


def parsed_json(text: str) -> Any:
    """What a text holds, or ValueError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def lines(path: Path) -> Iterator[str]:
    """A log's lines with their ends; none where there is no such file. GanvasError when it is beyond all measure."""
    if not path.is_file():
        return
    if path.stat().st_size > LARGEST_LOG:
        raise GanvasError(f"{path} is larger than {LARGEST_LOG >> 20} MiB: no run writes so much.")
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Inside, this process alone trains the run in `folder`. GanvasError when another does.

    The operating system gives the folder free however the process ends. File systems without locks are not guarded.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        waited = time.monotonic() + PATIENCE
        while not lock(handle):
            if time.monotonic() > waited:
                raise GanvasError(f"Another process is training the run {folder}.", "Wait for it, or stop it first.")
            time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def in_use(folder: Path) -> bool:
    """Whether a process on this machine trains the run in `folder`."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not lock(handle)
    finally:
        os.close(handle)


def lock(handle: int) -> bool:
    """Locks an open folder until it is closed. False when somebody else has locked it."""
    try:
        import fcntl  # where there is none, as on Windows, nothing is guarded

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a file system that knows no locks
        pass
    return True
