"""Imports point down only: the rule of ARCHITECTURE.md, checked against the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "ganvas"

BOTTOM = {"errors", "batch", "rng", "precision"}
PROBABILITY = BOTTOM | {"distributions", "priors", "likelihoods", "schedules"}
CORE = PROBABILITY | {"model", "losses"}
TRAINING = CORE | {"failures", "trainer", "ema", "checkpoint", "callbacks", "distributed", "contract"}
PARTS = TRAINING | {"nn", "networks", "models", "data", "metrics", "explain", "samplers"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "batch": set(),
    "rng": set(),
    "precision": set(),
    "machine": set(),
    "convolutions": set(),
    "arithmetic": {"convolutions", "machine"},
    "memory": {"errors", "machine"},
    "schedules": {"errors"},
    "storage": {"errors"},
    "own_code": {"errors"},
    "distributions": BOTTOM,
    "priors": BOTTOM | {"distributions"},
    "likelihoods": BOTTOM | {"distributions"},
    "losses": BOTTOM,
    "model": BOTTOM,
    "nn": BOTTOM,
    "data": BOTTOM | {"storage", "memory"},
    "networks": PROBABILITY | {"nn"},
    "models": CORE | {"nn"},
    "ema": BOTTOM | {"model"},
    "distributed": BOTTOM,
    "failures": BOTTOM,
    "turns": BOTTOM | {"model"},
    "trainer": BOTTOM | {"arithmetic", "model", "turns", "ema", "schedules", "distributed", "failures"},
    "checkpoint": BOTTOM | {"model", "ema", "trainer", "storage", "failures"},
    "health": set(),
    "signs": PARTS,
    "callbacks": BOTTOM | {"model", "trainer", "checkpoint"},
    "contract": BOTTOM | {"model", "trainer"},
    "metrics": CORE | {"nn", "storage", "own_code"},
    "explain": CORE | {"data"},
    "samplers": TRAINING | {"networks", "models", "nn"},
    "recipe": TRAINING | {"data", "networks", "models", "nn"},
    "recipes": PARTS | {"recipe", "own_code"},
    "devices": {"errors", "precision", "machine"},
    "pictures": BOTTOM | {"data"},
    "progress": BOTTOM,
    "report": BOTTOM | {"storage", "health"},
    "runs": TRAINING | {"data", "recipe", "storage", "machine"},
    "jobs": PARTS
    | {"recipe", "runs", "evaluation", "devices", "pictures", "progress", "report", "storage", "signs", "health"},
    "evaluation": PARTS | {"recipe", "runs", "pictures", "storage"},
    "export": PARTS | {"recipe", "runs", "evaluation", "pictures", "storage"},
    "listing": TRAINING | {"runs", "evaluation", "storage"},
    "comparison": PARTS | {"runs", "evaluation", "pictures", "report", "storage"},
    "service": PARTS
    | {
        "recipe",
        "recipes",
        "runs",
        "jobs",
        "evaluation",
        "comparison",
        "devices",
        "pictures",
        "report",
        "export",
        "storage",
        "health",
        "memory",
    },
    "continuum": PARTS | {"recipe", "recipes", "runs", "evaluation", "service", "pictures", "report", "storage"},
    "cli": {
        "errors",
        "precision",
        "distributed",
        "continuum",
        "service",
        "recipe",
        "contract",
        "data",
        "evaluation",
        "metrics",
        "explain",
        "export",
        "listing",
        "samplers",
    },
    "__main__": {"cli"},
    "__init__": {"errors", "service"},
}


def parts() -> list[str]:
    return sorted(p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists())


def imports(path: Path) -> set[str]:
    """The parts of ganvas that a file imports, wherever in the file it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("ganvas.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "ganvas":
            found |= {a.name for a in node.names if a.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ganvas."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("part", parts())
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    assert part in ALLOWED, f"{part} has no place in the import rule: give it one here and in ARCHITECTURE.md"
    files = [ROOT / f"{part}.py"] if (ROOT / f"{part}.py").exists() else sorted((ROOT / part).rglob("*.py"))
    for path in files:
        forbidden = imports(path) - ALLOWED[part] - {part}
        assert not forbidden, f"{path.relative_to(ROOT)} must not import {sorted(forbidden)}"


def test_the_rule_names_no_part_that_is_gone() -> None:
    assert set(ALLOWED) <= set(parts()) | {"metrics", "explain", "samplers"}


def test_importing_ganvas_loads_nothing_heavy_and_prints_nothing() -> None:
    program = "import sys, ganvas, ganvas.cli; print(sorted(m for m in ('torch', 'numpy', 'tyro') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""
