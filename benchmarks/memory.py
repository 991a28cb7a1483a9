"""How much a long run grows: the resident memory of a run of 100,000 steps, from its 1,000th step on.

    python benchmarks/memory.py                 writes results/memory.json
    python benchmarks/memory.py --steps 5000    shorter

The run is `ganvas train vae --network mlp` with its logs, held-out terms, pictures and checkpoints, in a process of its
own; this one looks at it from outside, twice a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "memory.json"

BATCH = 16
SETTLED = 1_000
"""Steps after which a run is expected to grow no more."""


def resident(process: int) -> float:
    """MiB that a process holds in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watch(steps: int) -> list[tuple[int, float]]:
    """(step, MiB) pairs of one run."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        command = ["train", "vae", "--data", "digits", "--network", "mlp", "--width", "32", "--batch-size", str(BATCH)]
        command += ["--images", str(steps * BATCH), "--log-every", str(100 * BATCH), "--out", str(run), "--quiet"]
        life = subprocess.Popen([sys.executable, "-m", "ganvas", *command], env={**os.environ, "OMP_NUM_THREADS": "1"})
        seen: list[tuple[int, float]] = []
        log = run / "metrics.jsonl"
        while life.poll() is None:
            if log.is_file() and (step := last_step(log)) and (mib := resident(life.pid)):  # 0 once it has ended
                seen.append((step, mib))
            time.sleep(0.5)
        assert life.returncode == 0
        return seen


def last_step(log: Path) -> int:
    """The step of the newest whole line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().split(b"\n")[:-1]
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError):
            continue
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    steps = parser.parse_args().steps
    seen = watch(steps)
    settled = [mib for step, mib in seen if step >= SETTLED]
    at_thousand, most, last = settled[0], max(settled), settled[-1]
    result = {
        "command": f"python benchmarks/memory.py --steps {steps}",
        "steps": steps,
        "MiB after 1,000 steps": round(at_thousand, 1),
        "MiB at most afterwards": round(most, 1),
        "MiB at the end": round(last, 1),
        "growth in MiB": round(most - at_thousand, 1),
        "looks": len(settled),
    }
    print(json.dumps(result, indent=2))
    if steps >= 100_000:
        RESULTS.write_text(json.dumps({**result, "points": seen[:: max(1, len(seen) // 100)]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
