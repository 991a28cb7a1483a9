"""Runs the tests as other machines would: other instructions, other numbers of threads, no facts, no optional packages.

    python tests/machines.py                # every row
    python tests/machines.py oldest bare    # some rows
    python tests/machines.py oldest -- tests/test_trainer.py -x    # what stands after -- goes to pytest
    python tests/machines.py oldest -- -m ""    # the slow tests too

Prints each row's result, and fails if one row fails. Processors with fewer instructions cannot be had, but torch, oneDNN and
MKL can be told to use fewer. Their sums then differ in the last bits, as they do on those processors.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
ATEN, ONEDNN, MKL = "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"
THREADS, FACTS = "OMP_NUM_THREADS", "GANVAS_MACHINE"


@dataclass(frozen=True)
class Row:
    """environment: set for the tests and their subprocesses. options: of pytest."""

    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


ROWS = {
    "aten-default": Row({ATEN: "default"}),
    "aten-avx2": Row({ATEN: "avx2"}),
    "onednn-sse41": Row({ONEDNN: "SSE41"}),
    "onednn-avx2": Row({ONEDNN: "AVX2"}),
    "mkl-sse42": Row({MKL: "SSE4_2"}),
    "mkl-avx2": Row({MKL: "AVX2"}),
    "threads-1": Row({THREADS: "1"}),
    "threads-4": Row({THREADS: "4"}),
    "facts-hidden": Row({FACTS: "unknown"}),
    "without-extras": Row(options=("--without-extras",)),
    "oldest": Row({ATEN: "default", ONEDNN: "SSE41", MKL: "SSE4_2"}),
    "bare": Row({FACTS: "unknown", THREADS: "4"}, ("--without-extras",)),
}
"""The last two are several rows at once: an old processor, and a machine of which nothing is known. `.ci/run` runs these."""


def run(row: Row, options: list[str]) -> bool:
    """Whether the tests pass."""
    inherited = {name: value for name, value in os.environ.items() if name not in (ATEN, ONEDNN, MKL, THREADS, FACTS)}
    command = [sys.executable, "-m", "pytest", "-n", "2", "-m", "not slow", *row.options, *options]
    with tempfile.TemporaryDirectory() as cache:  # torch.compile's own is not told apart by instructions
        environment = inherited | row.environment | {"TORCHINDUCTOR_CACHE_DIR": cache}
        return subprocess.run(command, cwd=ROOT, env=environment).returncode == 0


def main(words: list[str]) -> int:
    end = words.index("--") if "--" in words else len(words)
    chosen, options = words[:end] or list(ROWS), words[end + 1 :]
    if unknown := [name for name in chosen if name not in ROWS]:
        print(f"There is no row {', '.join(unknown)}. Rows: {', '.join(ROWS)}.", file=sys.stderr)
        return 2
    results: list[tuple[str, bool, float]] = []
    for name in chosen:
        row = ROWS[name]
        settings = [f"{variable}={value}" for variable, value in row.environment.items()]
        print(f"\n== {name}: {' '.join([*settings, *row.options])}", flush=True)
        start = time.perf_counter()
        results.append((name, run(row, options), time.perf_counter() - start))
    print()
    for name, passed, seconds in results:
        print(f"{'passed' if passed else 'FAILED'}  {name:<16} {seconds:5.0f} s")
    return 0 if all(passed for _, passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
