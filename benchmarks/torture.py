"""Runs that are killed at random moments, gone on with, and compared bit for bit with runs that nothing disturbed.

    python benchmarks/torture.py                    100 kills; writes results/torture.json and ../docs/images/torture.png
    python benchmarks/torture.py --kills 6          fewer, to see it work
    python benchmarks/torture.py --figure           draws the figure from the results again

A life is a process that does `ganvas train RECIPE ... --out RUN --resume-if-there`. It is forked, so that it begins
training at once, and SIGKILL ends it: half of the times after a random time, half of the times while it writes a
checkpoint. After its kills a run is let live to its end. It must then hold what the undisturbed run holds: the same tensors
of networks, averages and optimisers in every checkpoint, the same facts beside them, the same metrics but for clocks, the
same pictures.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ganvas.cli import main as ganvas_main
from ganvas.training import checkpoint

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "torture.json"
FIGURE = ROOT / "docs" / "images" / "torture.png"

IMAGES = 3_200
BATCH = 32
COMMON = ["--batch-size", str(BATCH), "--images", str(IMAGES), "--log-every", "160", "--validate-every", "800"]
COMMON += ["--checkpoint-every", "96", "--quiet"]

RECIPES: dict[str, list[str]] = {
    "vae": ["vae", "--data", "digits", "--network", "mlp", "--width", "16"],
    "vaegan": ["vaegan", "--data", "digits", "--width", "8"],
    "vq-vae": ["vq-vae", "--data", "digits", "--width", "8"],
    "wgan-gp": ["wgan-gp", "--data", "digits", "--width", "8"],
    "r3gan": ["r3gan", "--data", "digits", "--width", "8"],
    "cgan": ["cgan", "--data", "digits", "--width", "8"],
    "gan, best kept": ["gan", "--data", "ring8", "--width", "16", "--metrics-every", "320", "--keep-best", "modes"],
}
"""Averages, shared forwards, codebooks, players that rest, lazy penalties, batch statistics, classes, best checkpoints."""

CLOCKS = ("seconds", "images_per_second", "peak_memory", "message")


@dataclass
class Kill:
    """images: of the newest checkpoint after it. phase: what the process was doing, by what it left behind."""

    recipe: str
    run: int
    images: int
    phase: str


@dataclass
class Outcome:
    """One run, killed and gone on with until its end. differences: from the undisturbed run; none is as it should be."""

    recipe: str
    run: int
    kills: int
    differences: list[str] = field(default_factory=list)


def begin(options: list[str], run: Path) -> int:
    """A life: a child process that trains the run, or goes on with it. Returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        ganvas_main(["train", *options, *COMMON, "--out", str(run), "--resume-if-there"])
        code = 0
    finally:
        os._exit(code)


def end_of(child: int) -> int:
    """Waits for a life to end by itself; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_somewhere(child: int, run: Path, life: float, dice: random.Random) -> bool:
    """Ends a life at a random moment of so many seconds, or in a checkpoint's writing. False when it ended before."""
    until = time.monotonic() + dice.uniform(0.02, life)
    writing, armed = dice.random() < 0.5, False
    while True:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        now = time.monotonic()
        armed = armed or now >= until
        if armed and (not writing or any((run / "checkpoints").glob("*.part"))):
            if writing:
                time.sleep(dice.uniform(0, 0.004))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        if armed and now > until + life:
            writing = False  # it writes no checkpoint any more
        time.sleep(0.0002)


def phase(run: Path) -> str:
    """What a killed process was doing, by the files it left."""
    folder = run / "checkpoints"
    if not (run / "recipe.json").is_file():
        return "before it was a run"
    orphans = [path for path in folder.glob("*.safetensors") if not path.with_suffix(".json").exists()]
    if orphans or any(folder.glob("*.part")):
        return "writing a checkpoint"
    return "training" if checkpoint.checkpoints(folder) else "before its first checkpoint"


def differences(run: Path, whole: Path) -> list[str]:
    """Where two finished runs are not the same, bit for bit."""
    found: list[str] = []
    names = [sorted(p.name for p in (r / "checkpoints").iterdir()) for r in (run, whole)]
    if names[0] != names[1]:
        return [f"checkpoints {names[0]}, not {names[1]}"]
    for path in checkpoint.checkpoints(whole / "checkpoints"):
        (facts, tensors), (other_facts, others) = (checkpoint.read(r / "checkpoints" / path.name) for r in (whole, run))
        if facts != other_facts:
            found.append(f"the facts of {path.name}")
        if tensors.keys() != others.keys():
            found.append(f"the tensors' names of {path.name}")
            continue
        found += [f"{name} of {path.name}" for name, t in tensors.items() if not same(t, others[name])]
    if logged(run) != logged(whole):
        found.append("metrics.jsonl")
    pictures = [{p.name: p.read_bytes() for p in (r / "samples").iterdir()} for r in (run, whole)]
    if pictures[0] != pictures[1]:
        found.append("samples")
    bests = [checkpoint.read_best(r / "checkpoints") for r in (run, whole)]
    if bests[0] != bests[1]:
        found.append(f"best {bests[0]}, not {bests[1]}")
    strays = [str(p.relative_to(run)) for p in run.rglob("*") if p.name.endswith(".part")]
    return found + strays


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Every bit, a NaN's too."""
    return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


def logged(run: Path) -> list[str]:
    """The lines of metrics without what a clock says; as text, for a NaN is not equal to itself."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [json.dumps({key: value for key, value in line.items() if key not in CLOCKS}) for line in lines]


def torture(place: Path, kills: int, per_run: int, seed: int) -> tuple[list[Kill], list[Outcome]]:
    """`kills` of them, `per_run` of each run, over all recipes in turn."""
    dice = random.Random(seed)
    lives: dict[str, float] = {}
    for name, options in RECIPES.items():
        start = time.monotonic()
        assert end_of(begin(options, place / f"{name}-whole")) == 0, name
        lives[name] = time.monotonic() - start
        print(f"{name}: undisturbed in {lives[name]:.1f} s", flush=True)
    done: list[Kill] = []
    outcomes: list[Outcome] = []
    names = list(RECIPES)
    while len(done) < kills:
        name = names[len(outcomes) % len(names)]
        run, number = place / f"{name}-{len(outcomes)}", len(outcomes)
        outcome = Outcome(name, number, 0)
        for _ in range(min(per_run, kills - len(done))):
            child = begin(RECIPES[name], run)
            if not kill_somewhere(child, run, lives[name] / per_run, dice):
                break  # it reached its end first
            newest = checkpoint.checkpoints(run / "checkpoints") if run.exists() else []
            done.append(Kill(name, number, int(newest[-1].stem) if newest else 0, phase(run)))
            outcome.kills += 1
        code = end_of(begin(RECIPES[name], run))
        outcome.differences = [f"exit code {code}"] if code else differences(run, place / f"{name}-whole")
        outcomes.append(outcome)
        print(f"{len(done)} kills; {name}: {outcome.differences or 'equal'}", flush=True)
        if not outcome.differences:
            shutil.rmtree(run)
    return done, outcomes


def draw(results: dict[str, Any]) -> None:
    """Where the kills fell: one row a recipe, one mark a kill."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    colours = {
        "before it was a run": "#999999",
        "before its first checkpoint": "#e69f00",
        "training": "#0072b2",
        "writing a checkpoint": "#d55e00",
    }
    rows = list(RECIPES)
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    seen: Counter[tuple[str, int]] = Counter()
    for what, colour in colours.items():
        marks: list[tuple[float, float]] = []
        for kill in results["kills"]:
            if kill["phase"] == what:
                key = (kill["recipe"], kill["images"])
                marks.append((kill["images"], rows.index(kill["recipe"]) + 0.11 * seen[key]))
                seen[key] += 1
        if marks:
            axes.plot(*zip(*marks, strict=True), "o", color=colour, markersize=4, label=f"{what} ({len(marks)})")
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlabel("images of the newest checkpoint when the process was killed")
    bad = sum(bool(outcome["differences"]) for outcome in results["runs"])
    axes.set_title(
        f"{len(results['kills'])} kills of {len(results['runs'])} runs: {bad} ended otherwise than undisturbed"
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-run", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", action="store_true")
    asked = parser.parse_args()
    if asked.figure:
        draw(json.loads(RESULTS.read_text()))
        return
    torch.set_num_threads(1)  # before the first fork: a child has no other thread
    with tempfile.TemporaryDirectory() as place:
        for (
            name,
            options,
        ) in RECIPES.items():  # what every life would import anew is imported once, by a short run of each
            ganvas_main(["train", *options, *COMMON, "--images", "320", "--out", str(Path(place) / f"{name}-warm")])
        kills, outcomes = torture(Path(place), asked.kills, asked.per_run, asked.seed)
    failed = [outcome for outcome in outcomes if outcome.differences]
    results = {
        "command": f"python benchmarks/torture.py --kills {asked.kills} --per-run {asked.per_run} --seed {asked.seed}",
        "torch": torch.__version__,
        "kills": [asdict(kill) for kill in kills],
        "runs": [asdict(outcome) for outcome in outcomes],
        "phases": Counter(kill.phase for kill in kills),
        "equal": len(outcomes) - len(failed),
    }
    print(json.dumps({key: value for key, value in results.items() if key not in ("kills", "runs")}, indent=2))
    if asked.kills >= 100:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        draw(results)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
