"""Files and functions stay small enough to be read: no file of src above 350 lines, no function above 60."""

import ast
from pathlib import Path

SRC = Path(__file__).parents[1] / "src" / "ganvas"

FILE, FUNCTION = 350, 60

TOO_LONG: set[str] = set()
"""Files that are still to be split, and functions as file:name. It only ever shrinks, until it is empty."""


def too_long() -> set[str]:
    found: set[str] = set()
    for path in sorted(SRC.rglob("*.py")):
        text, name = path.read_text("utf-8"), path.relative_to(SRC).as_posix()
        if len(text.splitlines()) > FILE:
            found.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > FUNCTION:
                    found.add(f"{name}:{node.name}")
    return found


def test_files_and_functions_are_small() -> None:
    assert too_long() == TOO_LONG
