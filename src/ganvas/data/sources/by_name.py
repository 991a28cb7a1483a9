"""Data by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from ganvas.data.dataset import Data, check_limit, renamed
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.labels import without_unseen
from ganvas.data.sources.archive import archive
from ganvas.data.sources.digits import digits
from ganvas.data.sources.files import files
from ganvas.data.sources.folder import folder
from ganvas.data.sources.forms import read_file_form
from ganvas.data.sources.glyphs import glyphs
from ganvas.data.sources.hub import hub
from ganvas.data.sources.idx import idx
from ganvas.data.sources.layout import EXTENSIONS
from ganvas.data.sources.memory import ARRAY, FILES, KINDS, PREFIX, InMemory, from_memory, is_in_memory
from ganvas.data.sources.mixtures import GRID25, RING8, mixture
from ganvas.data.sources.npz import npz
from ganvas.data.sources.openmoji import openmoji
from ganvas.data.sources.plugins import PLUGINS, missing
from ganvas.data.sources.points import no_image_options, no_tables
from ganvas.data.sources.sprites import sprites
from ganvas.data.sources.stacked import stacked
from ganvas.data.sources.tar import is_tar, tar
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
    "openmoji": openmoji,
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


Source = str | Path | Sequence[str | Path] | InMemory
"""What data are opened by: a name, a folder or file, a list of files and folders, or arrays in memory."""


def open_data(source: Source, options: ImageOptions | None = None, *, limit: int | None = None) -> Data:
    """The data called `source`: one of `source_names()`, a folder of images, a file, a list of files and folders, or arrays.

    A name has priority over a folder of the same name: write ./glyphs for the folder. limit: maximum number of examples of
    each split, always the same ones. Raises GanvasError if the source does not exist or is unusable.
    """
    options = options or ImageOptions()
    check_limit(limit)
    if is_in_memory(source):
        return from_memory(source, options, limit)
    name = source_name(source)
    if isinstance(source, list | tuple) and len(source) > 1:
        return renamed(files(cast(Sequence[str | Path], source), options, limit), name)
    data = renamed(_open(name, options, limit), name)
    old = options.split_by == "name"  # version 0.1.0 kept classes without training examples
    return data if old or limit is not None else without_unseen(data)


def source_name(source: Source) -> str:
    """What a run calls its data. Data in memory, and lists of files, have a name that does not open them.

    Raises GanvasError for what are no data.
    """
    if isinstance(source, str):
        return source
    if isinstance(source, Path):  # ./glyphs is the folder glyphs, which is no built-in source
        return str(source) if source.is_absolute() else f"./{source}"
    if is_in_memory(source):
        return ARRAY
    if not isinstance(source, list | tuple) or not all(isinstance(file, str | Path) for file in source):
        raise GanvasError(f"These are no data: {type(source).__name__}.", KINDS)
    if not source:
        raise GanvasError("The list of files is empty.")
    return source_name(source[0]) if len(source) == 1 else FILES


def _open(source: str, options: ImageOptions, limit: int | None) -> Data:
    prefix, colon, rest = source.partition(":")
    if source in _NAMED or (colon and prefix in ("idx", "stacked", "npz")):
        no_tables(source, options)
    if source.startswith(PREFIX):
        raise GanvasError(
            "These data were in memory, or a list of files: they cannot be opened by a name.",
            "Give them again in Python: `data=`.",
        )
    if source in _NAMED:
        data = _NAMED[source](options, limit)
    elif colon and rest and prefix in _PREFIXED:
        data = _PREFIXED[prefix](rest, options, limit)
    elif source.lower().endswith((".npz", ".npy")) and _is(source, Path.is_file):
        data = npz(source, options, limit)
    elif source.lower().endswith(".zip") and _is(source, Path.is_file):
        data = archive(source, options, limit)
    elif is_tar(source) and _is(source, Path.is_file):
        data = tar(source, options, limit)
    elif is_picture(source) and _is(source, Path.is_file):
        data = files([source], options, limit)
    elif _is(source, Path.is_file):
        data = of_file(source, options, limit)
    elif _is(source, Path.is_dir):
        data = folder(source, options, limit)
    else:
        raise _unknown(source)
    return data


def is_picture(source: str) -> bool:
    """Whether a name ends as that of a picture. It loads the plugin for the picture's format."""
    kind = Path(source).suffix.lower()
    return kind in EXTENSIONS or (kind in PLUGINS and missing(kind) is None)


def of_file(source: str, options: ImageOptions, limit: int | None) -> Data:
    """The data in a file of arrays or of rows. Raises GanvasError for files of other kinds."""
    path = Path(source).expanduser().resolve()
    if why := missing(path.suffix.lower()):
        raise GanvasError(f"{source} cannot be read.", f"{why}.")
    data = read_file_form(source, path, options, limit)
    if data is None:
        raise GanvasError(f"{source} is no file of a kind that is read.", f"Sources: {', '.join(source_names())}.")
    return data


def _is(source: str, kind: Callable[[Path], bool]) -> bool:
    """Whether there is something of a kind, Path.is_file or Path.is_dir, at a path."""
    try:
        return bool(source) and kind(Path(source).expanduser())
    except (OSError, ValueError, RuntimeError):  # too long; a null character; no such ~user
        return False


FILES_OF_MANY = (".npz", ".npy", ".zip", ".csv", ".mat", ".h5", ".hdf5", ".bin", ".parquet", ".arrow", ".lmdb")
"""What names of files that hold many pictures end in."""


def _unknown(source: str) -> GanvasError:
    path = Path(source)
    prefix, colon, rest = source.partition(":")
    if colon and prefix in _PREFIXED:
        return GanvasError(f"{source!r} needs a name after the colon.", f"Available: {', '.join(source_names())}.")
    if colon and rest and "/" not in prefix:
        return GanvasError(f"There is no kind of data source {prefix!r}.", did_you_mean(prefix, _PREFIXED))
    if path.suffix.lower() in FILES_OF_MANY or is_tar(source):
        return GanvasError(f"There is no file {source}.")
    if path.suffix.lower() in EXTENSIONS:
        return GanvasError(f"There is no file {source}.", "Name a picture, or the folder of the pictures.")
    if "/" in source or source.startswith((".", "~")):
        return GanvasError(f"There is no folder {source}.", f"Other sources: {', '.join(source_names())}.")
    return GanvasError(
        f"There is no data source {source!r}, and no folder of that name.", did_you_mean(source, source_names())
    )
