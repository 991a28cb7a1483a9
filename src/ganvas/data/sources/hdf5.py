"""HDF5 files of pictures, of Python or of MATLAB (version 7.3). Needs the extra `hdf5`."""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data.dataset import Data, Unused
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.arrays import from_arrays
from ganvas.data.sources.forms import Form, Stored, by_split
from ganvas.data.sources.named_arrays import Array, Found, Named, find, in_order
from ganvas.data.sources.points import no_tables
from ganvas.errors import GanvasError, needs_extra
from ganvas.machine.memory import must_fit

ENDINGS = (".h5", ".hdf5", ".hdf")
MAGIC = b"\x89HDF\r\n\x1a\n"


def hdf5_files(files: Sequence[Stored]) -> list[Stored]:
    return [file for file in files if file.last.endswith(ENDINGS)]


def hdf5(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Arrays of pictures and labels, in one file or in one or two for each split.

    Files that belong to a split are taken together: PatchCamelyon has the pictures in one and the labels in another.
    Raises GanvasError if h5py is not installed, or as `named_arrays.find` does.
    """
    return of_files(source, root, files, options, limit, named_in)


def of_files(
    source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None, named: Any
) -> Data:
    """Data of files of named arrays. named: makes the arrays of one file; a file of MATLAB's says so by its ending."""
    no_tables(source, replace(options, label_column=None))
    notes: list[str] = []
    found = Found({})
    for split, group in by_split(source, files).items():
        arrays: dict[str, Named] = {}
        for file in group:
            arrays |= named(file)
        matlab = group[0].last.endswith(".mat")
        part = find(str(group[0].path), arrays, options.label_column, notes, matlab=matlab)
        parts = {split or name: p for name, p in part.parts.items()} if len(part.parts) == 1 else part.parts
        found = Found({**found.parts, **parts}, part.class_names if found.class_names is None else found.class_names)
    used = in_order(found.parts)
    left = [p for p in found.parts.values() if not any(p is u for u in used)]
    unused = [Unused(f"a second held-out split ({p.name})", len(p.x), pictures=True) for p in left]
    data = from_arrays(source, str(root), used, options, limit, found.class_names, list(dict.fromkeys(notes)))
    return replace(data, unused=(*data.unused, *unused))


def named_in(file: Stored, *, turned: bool = False) -> dict[str, Named]:
    """The arrays of a file. turned: MATLAB's, whose axes HDF5 has in the opposite order.

    Arrays that lie in other files, as HDF5 allows, are not read.
    """
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise needs_extra(f"{file.path}", "hdf5") from error
    found: dict[str, Named] = {}

    def opened() -> Any:
        return h5py.File(file.path if file.read is None else io.BytesIO(file.content()), "r")

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and not item.external and not item.is_virtual:
            shape = tuple(reversed(item.shape)) if turned else item.shape
            kind = "S" if h5py.check_string_dtype(item.dtype) else item.dtype.kind
            found[name] = Named(shape, kind, lambda: load(name))

    def load(name: str) -> Array:
        try:
            with opened() as stored:
                item = stored[name]
                must_fit(3 * math.prod(item.shape) * item.dtype.itemsize, f"{file.path}: {name}")
                values = np.asarray(item[()])
        except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
            raise unreadable(file, error) from error
        return values.T if turned else values

    try:
        with opened() as stored:
            stored.visititems(visit)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise unreadable(file, error) from error
    return found


def unreadable(file: Stored, error: Exception) -> GanvasError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return GanvasError(f"{file.path} cannot be read as HDF5: {reason}.", "Is the download complete?")


HDF5_FORM = Form(hdf5_files, hdf5)
