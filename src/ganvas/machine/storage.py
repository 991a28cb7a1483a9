"""Files of a run: written completely or not at all, and checked when read."""

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from ganvas.errors import GanvasError

LARGEST_JSON = 64 * 2**20
"""The maximum bytes of a JSON file. A run's files are far smaller; a larger one is damaged or hostile."""

LARGEST_LOG = 512 * 2**20
"""The maximum bytes of a metrics.jsonl: about a million lines."""

PATIENCE = 10.0
"""Seconds to wait for a process that still holds a run, for example one that is ending."""


def cache_folder() -> Path:
    """The folder for cached files: $XDG_CACHE_HOME/ganvas, else ~/.cache/ganvas."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganvas"


def atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Calls `write` with a temporary name, syncs the file, and renames it to `path`."""
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
    """Temporary files of `atomically` from a killed process."""
    return [path for path in folder.glob("*.*.part") if path.is_file() or path.is_symlink()]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises OSError or ValueError otherwise: pipes, huge files, deep nesting, invalid UTF-8."""
    return parsed_object(read_text(path))


def read_list(path: Path) -> list[dict[str, Any]]:
    """The JSON list of objects in a file. Raises OSError or ValueError for everything else."""
    value = parsed_json(read_text(path))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast(list[Any], value)):
        raise ValueError("it is not a list of objects")
    return cast(list[dict[str, Any]], value)


def read_text(path: Path) -> str:
    if not path.is_file():  # opening a pipe would block
        raise FileNotFoundError(f"the file {path} does not exist")
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
    """The value of a JSON text, or ValueError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def lines(path: Path) -> Iterator[str]:
    """A log's lines with their line ends; none if the file is missing. Raises GanvasError if it is too large."""
    if not path.is_file():
        return
    if path.stat().st_size > LARGEST_LOG:
        raise GanvasError(f"{path} is larger than {LARGEST_LOG >> 20} MiB, more than any run writes.")
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Within this context, only this process trains the run in `folder`. Raises GanvasError if another one does.

    The operating system releases the lock when the process ends. File systems without locks have no protection.
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
    """Locks an open folder until it is closed. Returns False if another process holds the lock."""
    try:
        import fcntl  # absent on Windows: then there is no lock

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a file system without locks
        pass
    return True
