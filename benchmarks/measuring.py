"""What measuring costs: 10,000 samples by FID and PRDC in lenet features, and −log p with 5,000 samples for 1,000 images.

    python benchmarks/measuring.py samples | likelihood      one of the two, in this process; prints JSON

`reproduce.py cost-of-measuring` runs both, each in a process of its own, whose peak of memory it reads. The images are the
28x28 characters that need no files; what the networks have learnt changes nothing of the cost, so they are not trained.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace

import torch

from ganvas.data import Data, open_data
from ganvas.machine import rng
from ganvas.metrics.cost import peak_memory
from ganvas.metrics.evaluation import Evaluation, Protocol, feature_network
from ganvas.recipes import RECIPES
from ganvas.training.recipe import build

NUM_SAMPLES, NUM_IMAGES, IMPORTANCE_SAMPLES = 10_000, 1_000, 5_000


def data() -> Data:
    """As many held-out characters as there are samples."""
    glyphs = open_data("glyphs")
    rows = torch.randperm(len(glyphs.train), generator=rng.generator("cost of measuring"))
    held_out, train = (glyphs.train.select(part) for part in (rows[:NUM_SAMPLES], rows[NUM_SAMPLES:]))
    return replace(glyphs, train=train, held_out=held_out)


def measure(recipe: str, protocol: Protocol, source: Data) -> float:
    """Seconds of processor time, all threads together; drawing the samples is part of them."""
    made = build(RECIPES[recipe], source.info, {})
    evaluation = Evaluation.of(made.model.eval(), made, source, protocol)
    start = time.process_time()
    for name in protocol.metrics:
        evaluation.scores(name)
    return time.process_time() - start


def samples() -> float:
    source, protocol = data(), Protocol(("fid", "prdc"), NUM_SAMPLES, "lenet")
    feature_network(protocol, source)  # is trained once for a data set, and kept
    return measure("vae", protocol, source)


def likelihood() -> float:
    return measure("iwae-mnist", Protocol(("nll",), NUM_IMAGES, importance_samples=IMPORTANCE_SAMPLES), data())


def cost(seed: int) -> dict[str, float]:
    """Both, by name. The seed changes nothing but the moment."""
    found: dict[str, float] = {}
    for part, name in (("samples", "FID and PRDC of 10,000 samples"), ("likelihood", "−log p of 1,000 images")):
        done = subprocess.run([sys.executable, __file__, part], check=True, capture_output=True, text=True)
        measured = json.loads(done.stdout)
        found |= {f"{name}: seconds": measured["seconds"], f"{name}: peak memory, GiB": measured["peak"] / 2**30}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=["samples", "likelihood"])
    part = parser.parse_args().part
    seconds = samples() if part == "samples" else likelihood()
    print(json.dumps({"seconds": seconds, "peak": peak_memory()}))


if __name__ == "__main__":
    main()
