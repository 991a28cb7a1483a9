"""A package imports only from the packages before it: one ordered list, and a loop."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "ganvas"

ORDER = (
    *("errors", "machine", "core", "health", "probability", "losses", "nn", "data", "networks", "models", "training"),
    *("metrics", "recipes", "runs", "use", "report", "jobs", "studies", "service", "cli"),
)
"""Each package may import from those before it, and from itself."""

FREE_OF_TORCH = ("health", "report")


def packages() -> list[str]:
    """The packages and modules directly below ganvas."""
    return sorted(p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists())


def files(package: str) -> list[Path]:
    return [ROOT / f"{package}.py"] if (ROOT / f"{package}.py").exists() else sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The dotted names of everything that a file imports, anywhere in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", packages())
def test_a_package_imports_only_from_packages_before_it(package: str) -> None:
    if package in ("__init__", "__main__"):
        return
    assert package in ORDER, f"{package} has no place in the order: give it one here and in ARCHITECTURE.md"
    before = {"__version__", *ORDER[: ORDER.index(package) + 1]}
    if package == "models":
        before.remove("networks")  # a recipe gives a model its networks
    for path in files(package):
        found = {name.split(".")[1] for name in imported(path) if name.startswith("ganvas.")}
        assert found <= before, f"{path.relative_to(ROOT)} must not import {sorted(found - before)}"


@pytest.mark.parametrize("package", FREE_OF_TORCH)
def test_packages_that_read_files_do_without_torch(package: str) -> None:
    for path in files(package):
        assert "torch" not in {name.split(".")[0] for name in imported(path)}, path


def test_the_order_names_no_package_that_is_gone() -> None:
    assert set(ORDER) <= set(packages())


def test_importing_ganvas_loads_nothing_heavy_and_prints_nothing() -> None:
    program = "import sys, ganvas, ganvas.cli; print(sorted(m for m in ('torch', 'numpy', 'tyro') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""
