"""Data by name."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ganvas.data.dataset import Data, check_limit, renamed
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.archive import archive
from ganvas.data.sources.digits import digits
from ganvas.data.sources.files import files
from ganvas.data.sources.folder import folder
from ganvas.data.sources.glyphs import glyphs
from ganvas.data.sources.hub import hub
from ganvas.data.sources.idx import idx
from ganvas.data.sources.layout import EXTENSIONS
from ganvas.data.sources.mixtures import GRID25, RING8, mixture
from ganvas.data.sources.npz import npz
from ganvas.data.sources.points import no_image_options
from ganvas.data.sources.sprites import sprites
from ganvas.data.sources.stacked import stacked
from ganvas.errors import GanvasError, did_you_mean


def _ring8(options: ImageOptions, limit: int | None) -> Data:
    no_image_options("ring8", options)
    return mixture("ring8", RING8, limit)


def _grid25(options: ImageOptions, limit: int | None) -> Data:
    no_image_options("grid25", options)
    return mixture("grid25", GRID25, limit)


_NAMED: dict[str, Callable[[ImageOptions, int | None], Data]] = {
    "glyphs": glyphs,
    "digits": digits,
    "sprites": sprites,
    "ring8": _ring8,
    "grid25": _grid25,
}

_PREFIXED: dict[str, Callable[[str, ImageOptions, int | None], Data]] = {
    "idx": idx,
    "stacked": stacked,
    "npz": npz,
    "hf": hub,
}


def add_source(prefix: str, read: Callable[[str, ImageOptions, int | None], Data]) -> None:
    """Makes PREFIX:NAME a data source. For sources that need more than `data` may import."""
    _PREFIXED[prefix] = read


def source_names() -> tuple[str, ...]:
    """Names of data sources other than folders of images."""
    return (*_NAMED, "idx:DIR", "stacked:DIR", "npz:FILE", "hf:NAME", "codes:RUN")


Source = str | Path | Sequence[str | Path]
"""What data are opened by: a name, a folder or file, or a list of files and folders."""


def open_data(source: Source, options: ImageOptions | None = None, *, limit: int | None = None) -> Data:
    """The data called `source`: one of `source_names()`, a folder of images, a file, or a list of files and folders.

    A name has priority over a folder of the same name: write ./glyphs for the folder. limit: maximum number of examples of
    each split, always the same ones. Raises GanvasError if the source does not exist or is unusable.
    """
    options = options or ImageOptions()
    check_limit(limit)
    if not isinstance(source, str):
        if not isinstance(source, Path):
            return listed(source, options, limit)
        source = named(source)
    prefix, colon, rest = source.partition(":")
    if source in _NAMED:
        data = _NAMED[source](options, limit)
    elif colon and rest and prefix in _PREFIXED:
        data = _PREFIXED[prefix](rest, options, limit)
    elif source.lower().endswith((".npz", ".npy")) and Path(source).expanduser().is_file():
        data = npz(source, options, limit)
    elif source.lower().endswith(".zip") and Path(source).expanduser().is_file():
        data = archive(source, options, limit)
    elif Path(source).suffix.lower() in EXTENSIONS and Path(source).expanduser().is_file():
        data = files([source], options, limit)
    elif _is_folder(source):
        data = folder(source, options, limit)
    else:
        raise _unknown(source)
    return renamed(data, source)


def named(path: Path) -> str:
    """The name of a folder or file, which is none of `source_names()`: ./glyphs for the folder glyphs."""
    return str(path) if path.is_absolute() else f"./{path}"


def listed(paths: Sequence[str | Path], options: ImageOptions, limit: int | None) -> Data:
    """The pictures of a list. GanvasError if it is empty."""
    if not paths:
        raise GanvasError("The list of files is empty.")
    return open_data(paths[0], options, limit=limit) if len(paths) == 1 else files(paths, options, limit)


def _is_folder(source: str) -> bool:
    try:
        return bool(source) and Path(source).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):  # too long; a null character; no such ~user
        return False


def _unknown(source: str) -> GanvasError:
    path = Path(source)
    prefix, colon, rest = source.partition(":")
    if colon and prefix in _PREFIXED:
        return GanvasError(f"{source!r} needs a name after the colon.", f"Available: {', '.join(source_names())}.")
    if colon and rest and "/" not in prefix:
        return GanvasError(f"There is no kind of data source {prefix!r}.", did_you_mean(prefix, _PREFIXED))
    if path.suffix.lower() in (".npz", ".npy", ".zip"):
        return GanvasError(f"There is no file {source}.")
    if path.suffix.lower() in EXTENSIONS:
        return GanvasError(f"There is no file {source}.", "Name a picture, or the folder of the pictures.")
    if "/" in source or source.startswith((".", "~")):
        return GanvasError(f"There is no folder {source}.", f"Other sources: {', '.join(source_names())}.")
    return GanvasError(
        f"There is no data source {source!r}, and no folder of that name.", did_you_mean(source, source_names())
    )
