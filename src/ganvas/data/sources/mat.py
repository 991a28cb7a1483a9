"""MATLAB files of pictures: SVHN, EMNIST, Omniglot and others. Version 7.3 is HDF5 and needs the extra `hdf5`."""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ganvas.data.dataset import Data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.forms import Form, Stored
from ganvas.data.sources.hdf5 import MAGIC, named_in, of_files
from ganvas.data.sources.named_arrays import Named
from ganvas.errors import GanvasError
from ganvas.machine.memory import must_fit

SVHN = re.compile(r"(train|test|extra)_32x32\.mat")
BYTES = {"double": 8, "single": 4, "int64": 8, "uint64": 8, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2}
"""Of one number of MATLAB's kinds; of others, one."""


def mat_files(files: Sequence[Stored]) -> list[Stored]:
    return [file for file in files if file.last.endswith(".mat")]


def mat(source: str, root: Path, files: list[Stored], options: ImageOptions, limit: int | None) -> Data:
    """Arrays of pictures (H, W, C, N) or (H, W, N), or of their pixels column by column, (N, D) or (D, N); and labels.

    SVHN's label 10 is the digit 0. Netzer et al. 2011, "Reading Digits in Natural Images".
    """
    data = of_files(source, root, files, options, limit, named)
    if all(SVHN.fullmatch(file.last) for file in files) and data.info.classes:
        return with_zero(data)
    return data


def with_zero(data: Data) -> Data:
    """SVHN with the digit 0 first."""
    if data.info.classes[-1] != "10":
        return data
    num = len(data.info.classes)
    train, held_out = (
        s if s.y is None else replace(s, y=(s.y + 1).where(s.y >= 0, s.y).where(s.y != num - 1, 0))
        for s in (data.train, data.held_out)
    )
    names = ("0", *data.info.classes[:-1])
    notes = (*data.notes, "SVHN's label 10 is the digit 0.")
    return replace(data, train=train, held_out=held_out, info=replace(data.info, classes=names), notes=notes)


def named(file: Stored) -> dict[str, Named]:
    """The arrays of a file, those of structures by their paths."""
    start = file.start(1_024)
    if MAGIC in start:
        return named_in(file, turned=True)
    from scipy.io import loadmat, whosmat

    must_fit(4 * file.size, f"{file.path}")
    content = io.BytesIO(file.content()) if file.read else str(file.path)
    try:
        claimed = sum(math.prod(shape) * BYTES.get(kind, 1) for _, shape, kind in whosmat(content))
        must_fit(3 * claimed, f"{file.path}")
        stored = cast(dict[str, Any], loadmat(content, simplify_cells=True))
    except GanvasError:
        raise
    except MemoryError as error:
        raise GanvasError(f"{file.path} claims more than fits into memory: it is damaged.") from error
    except Exception as error:  # scipy raises many kinds of errors for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise GanvasError(
            f"{file.path} cannot be read as a MATLAB file: {reason}.", "Is the download complete?"
        ) from error
    return {name: Named(x.shape, x.dtype.kind, lambda x=x: x) for name, x in flat(stored, "")}


def flat(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for name, value in values.items():
        if name.startswith("__"):
            continue
        if isinstance(value, Mapping):
            yield from flat(cast(Mapping[str, Any], value), f"{above}{name}/")
        elif isinstance(value, np.ndarray) and value.ndim:
            yield f"{above}{name}", value


MAT_FORM = Form(mat_files, mat)
