"""Writes docs/robustness.md from robustness.template.md and what torture.py, fuzz.py and memory.py found."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEMPLATE, PAGE = ROOT / "benchmarks" / "robustness.template.md", ROOT / "docs" / "robustness.md"


def page() -> str:
    """The template's names are those of the results, but for what is counted here."""
    found = {
        name: json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
        for name in ("torture", "fuzz", "memory")
    }
    torture, fuzz = found["torture"], found["fuzz"]
    *kinds, last = fuzz["by input"]
    counted = {
        "kills": len(torture["kills"]),
        "runs": len(torture["runs"]),
        "recipes": len({kill["recipe"] for kill in torture["kills"]}),
        "defects": len(fuzz["defects"]),
        "kinds": f"{', '.join(kinds)} and {last}",
    }
    return TEMPLATE.read_text().format(**found, **counted)


if __name__ == "__main__":
    PAGE.write_text(page())
