"""A user's own Python file. It is executed, and therefore only when the user names it."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ganvas.errors import GanvasError


def executed(path: Path, what: str, hint: str) -> ModuleType:
    """The module that a file is. what: its part in its name, such as "recipe". hint: for where there is no such file.

    Raises GanvasError where there is none, or the file itself fails.
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
        raise GanvasError(f"{path} fails when it is run: {own_error(error, path)}") from error
    return module


def own_error(error: BaseException, path: Path) -> str:
    """What went wrong in a user's file, and at which of its lines."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.absolute()]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"
