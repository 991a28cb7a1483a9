"""What else costs time: growth with the work, keeping watch, threads, torch.compile, and starting.

    python benchmarks/costs.py                       measures everything, then writes docs/speed.md
    python benchmarks/costs.py growth threads        measures these again, and keeps the others' results

Results are kept in benchmarks/results/costs.json. As in speed.py, which writes the page, contestants are processes of their
own that take turns, and what is told are medians over rounds.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import speed
from PIL import Image
from speed import Worker

RESULTS = speed.ROOT / "benchmarks" / "results" / "costs.json"
BASE: dict[str, int] = {"size": 32, "batch": 64, "latent": 32, "data": 2_048, "processes": 1}
AXES: dict[str, tuple[int, ...]] = {
    "size": (16, 32, 64, 128),
    "batch": (16, 64, 128, 512),
    "latent": (2, 32, 128, 512),
    "data": (1_000, 10_000, 100_000, 1_000_000),
    "processes": (1, 2),
}
ROUNDS = 5


def growth() -> list[dict[str, Any]]:
    """One axis after the other, the rest as in BASE; the values of an axis take turns."""
    found: list[dict[str, Any]] = []
    for axis, values in AXES.items():
        workers = [Worker("grown:" + json.dumps(BASE | {axis: value}), 1, None) for value in values]
        told = in_turns([worker.block for worker in workers])
        for value, worker, blocks in zip(values, workers, told, strict=True):
            worker.end()
            facts = {"cpu": statistics.median(b["cpu"] for b in blocks), "memory": blocks[-1]["memory"]}
            found.append({"axis": axis, "value": value, "flops": worker.ready["flops"], **facts})
    return found


def in_turns(blocks: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[list[Any]]:
    """What each gives in each round."""
    told: list[list[Any]] = [[] for _ in blocks]
    for number in range(rounds):
        order = list(enumerate(blocks))
        for index, block in order if number % 2 == 0 else order[::-1]:
            told[index].append(block())
    return told


WATCHED: dict[str, list[str]] = {
    "VAE, dense networks, glyphs, 300,000 images (its default)": ["vae", "--network", "mlp", "--images", "300000"],
    "the same, a third of that": ["vae", "--network", "mlp", "--images", "100000"],
    "VAE-GAN, convolutional networks, glyphs, 30,000 of 200,000 images": [
        "vaegan",
        "--width",
        "16",
        "--images",
        "30000",
    ],
    "GAN, dense networks, ring8, 1,000,000 images": ["gan", "--data", "ring8", "--images", "1000000"],
}
NOT_EXAMINED = ["--health-every", str(10**9)]
OFF = [*NOT_EXAMINED, *(part for what in ("log", "validate", "checkpoint") for part in (f"--{what}-every", str(10**9)))]
NO_AVERAGE = {"vae": [], "vaegan": ["--ema", "0"], "gan": ["--ema", "0"]}


TRAINED = """
import sys, time
from ganvas.cli import main
from ganvas.training.trainer import Trainer

def timed(*arguments, fit=Trainer.fit, now=time.monotonic):
    start = now()
    fit(*arguments)
    print(start, now())

Trainer.fit = timed
time.monotonic = time.process_time  # checkpoints go by the clock: not by that of others' slices
main(["train", *sys.argv[1:], "--quiet"])
"""
"""Says when a run began to train and when it ended."""

SLICE = 0.02
"""Seconds that a run has the core for itself, before it is the next one's turn."""


def watching() -> list[dict[str, Any]]:
    """Whole runs as they are, without vital signs, and without logs, validation, checkpoints and averaged weights besides.

    All three take turns on one core, so that whatever slows the machine down slows all of them down.
    """
    found: list[dict[str, Any]] = []
    for title, arguments in WATCHED.items():
        sides = {
            "with": arguments,
            "not examined": [*arguments, *NOT_EXAMINED],
            "without": [*arguments, *OFF, *NO_AVERAGE[arguments[0]]],
        }
        rounds = [dict(zip(sides, on_one_core(list(sides.values())), strict=True)) for _ in range(ROUNDS)]
        seconds = {side: statistics.median(told[side] for told in rounds) for side in sides}
        shares = {s: [told[s] / told["without"] - 1 for told in rounds] for s in ("with", "not examined")}
        found.append({"title": title, **seconds, "shares": shares})
        print(title, shares, flush=True)
    return found


def on_one_core(runs: Sequence[Sequence[str]]) -> list[float]:
    """Seconds that each of several runs trained, waiting for the disk included, which took turns on one core."""
    core = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", core, sys.executable, "-c", TRAINED]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            subprocess.Popen(
                [*command, *run, "--out", f"{folder}/{number}"], env=environment, stdout=subprocess.PIPE, text=True
            )
            for number, run in enumerate(runs)
        ]
        slices: list[list[tuple[float, float]]] = [[] for _ in processes]
        try:
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            while any(process.poll() is None for process in processes):
                for process, own in zip(processes, slices, strict=True):
                    if process.poll() is None:
                        process.send_signal(signal.SIGCONT)
                        start = time.monotonic()
                        with suppress(subprocess.TimeoutExpired):
                            process.wait(SLICE)
                        process.send_signal(signal.SIGSTOP)
                        own.append((start, time.monotonic()))
        finally:
            for process in processes:
                process.kill()  # who interrupts the measurement would leave them stopped for ever
        if any(process.returncode for process in processes):
            raise RuntimeError(f"a run failed: {runs}")
        told = [process.communicate()[0].split() for process in processes]
    return [
        sum(max(0.0, min(end, float(last)) - max(start, float(first))) for start, end in own)
        for (first, last), own in zip(told, slices, strict=True)
    ]


def together(runs: Sequence[Sequence[str]], threads: int | None, processes: int = 1) -> list[float]:
    """Seconds that each of several runs trained which were begun at once. threads: a process; None leaves them be."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    launcher = ["-m", "ganvas"]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), *launcher]
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / str(number) for number in range(len(runs))]
        started = [
            subprocess.Popen([sys.executable, *launcher, "train", *run, "--quiet", "--out", str(out)], env=environment)
            for run, out in zip(runs, outs, strict=True)
        ]
        if any(process.wait() for process in started):
            raise RuntimeError(f"a run failed: {runs}")
        return [json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["seconds"] for out in outs]


SIDE_BY_SIDE: dict[str, list[str]] = {
    "VAE, dense networks": ["vae", "--network", "mlp", "--data", "glyphs", "--images", "50000", *OFF],
    "VAE-GAN, convolutional networks": ["vaegan", "--data", "glyphs", "--width", "16", "--images", "2500", *OFF],
}


def threads() -> list[dict[str, Any]]:
    """A run alone with one thread, and as it comes; two of them at once as they come; and one in two processes."""
    found: list[dict[str, Any]] = []
    for title, run in SIDE_BY_SIDE.items():
        ways: dict[str, Callable[[], float]] = {
            "one thread": lambda run=run: together([run], 1)[0],
            "alone": lambda run=run: together([run], None)[0],
            "two at once": lambda run=run: max(together([run, run], None)),
            "two processes": lambda run=run: together([run], 1, processes=2)[0],
        }
        told = in_turns(list(ways.values()), 2)
        found.append({"title": title} | {way: statistics.median(t) for way, t in zip(ways, told, strict=True)})
    return found


COMPILED = {
    "VAE, dense networks, 28x28": 'dense:{"recipe": "vae"%s}',
    "GAN, dense networks, ring8": 'dense:{"recipe": "gan"%s}',
    "VAE, convolutional networks, 32x32": "grown:{%s}",
}


def compiling() -> list[dict[str, Any]]:
    """The same turns as they are written and compiled, and what the compiler took first, with nothing kept from before."""
    found: list[dict[str, Any]] = []
    for title, contestant in COMPILED.items():
        option = ', "compile": true' if contestant.startswith("dense") else '"compile": true'
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
            start = time.monotonic()
            fast = Worker(contestant % option, 1, None)
            compiled_after = time.monotonic() - start
            start = time.monotonic()
            plain = Worker(contestant % "", 1, None)
            warm_up = compiled_after - (time.monotonic() - start)
            told = in_turns([plain.block, fast.block], 7)
            for worker in (plain, fast):
                worker.end()
        gain = statistics.median(a["cpu"] / b["cpu"] for a, b in zip(*told, strict=True))
        cpu = statistics.median(block["cpu"] for block in told[0])
        found.append({"title": title, "cpu": cpu, "gain": gain, "warm_up": warm_up})
    return found


NUM_PICTURES = 50_000


def starting() -> dict[str, float]:
    """Seconds, medians of five: the command's help, the import, and a folder of small pictures at the second start."""
    found = {
        "ganvas --help": timed(["-m", "ganvas", "--help"]),
        "import ganvas": timed(["-c", "import ganvas"]),
        "python alone": timed(["-c", "pass"]),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        for number in range(NUM_PICTURES):
            Image.frombytes("RGB", (32, 32), os.urandom(3_072)).save(pictures / f"{number:05}.png", compress_level=1)
        script = f"from ganvas.data import open_data as o; import time; t = time.monotonic(); o({str(pictures)!r}); "
        script += "print(time.monotonic() - t)"
        found["50,000 pictures of 32x32, first reading"] = opened(script)
        found["the same, second start"] = statistics.median(opened(script) for _ in range(5))
    return found


def timed(command: Sequence[str]) -> float:
    seconds: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def opened(script: str) -> float:
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return float(done.stdout)


MEASURES: dict[str, Callable[[], Any]] = {
    "starting": starting,
    "growth": growth,
    "watching": watching,
    "threads": threads,
    "compiling": compiling,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []], help="some of them")
    given = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in given.measures or MEASURES:
        results[name] = MEASURES[name]()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(results[name], indent=1), flush=True)
    speed.PAGE.write_text(speed.page())


if __name__ == "__main__":
    main()
