"""A user's own Python file. It is executed only if the user names it."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ganvas.errors import GanvasError


def executed(path: Path, what: str, hint: str) -> ModuleType:
    """The module of a Python file. what: part of the module's name, such as "recipe". hint: for a missing file.

    Raises GanvasError if the file is missing or fails.
    """
    if not path.is_file():
        raise GanvasError(f"There is no file {path}.", hint)
    spec = importlib.util.spec_from_file_location(f"ganvas_{what}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise GanvasError(f"{path} fails: {own_error(error, path)}") from error
    return module


def own_error(error: BaseException, path: Path) -> str:
    """The error in a user's file, with its line."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.absolute()]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"
