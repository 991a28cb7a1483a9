"""How fast ganvas is beside what people would use instead: measures in one run, interleaved, and writes docs/speed.md.

    python benchmarks/speed.py                       measures everything, then writes the page
    python benchmarks/speed.py vae dcgan             measures these works again, and keeps the others' results
    python benchmarks/speed.py page                  writes the page from benchmarks/results/speed.json

Every contestant is a process of its own. A round lets each do one block of its work, one after the other, and one large
matrix product; what is told is the median over rounds of ratios within a round. Contestants whose package is not installed
are left out, and the page says so. Packages beside the project's own are found with --peers DIR (pip install --target DIR).
A number on the page is never typed by hand.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
PAGE = ROOT / "docs" / "speed.md"


@dataclass(frozen=True)
class Peer:
    """contestant: its function in contestants.py. needs: a package. bar: so many times its speed are asked of ganvas."""

    contestant: str
    label: str
    bar: float | None = None
    needs: str | None = None


@dataclass(frozen=True)
class Work:
    """One row of the issue's table. gemm: the share of the machine's matrix rate that is asked for."""

    name: str
    title: str
    ours: str
    peers: tuple[Peer, ...]
    rounds: int = 7
    gemm: float | None = None


WORKS = (
    Work(
        "vae",
        "VAE 784-400-20, batch 128",
        "vae_ganvas",
        (
            Peer("vae_bare", "the tightest loop: data in memory, fused Adam", 1 / 1.05),
            Peer("vae_bare_compiled", "the same, compiled (its warm-up not counted)"),
            Peer("vae_pythae", "pythae 0.1.2", 2.0, "pythae"),
            Peer("vae_keras_torch", "Keras 3 on torch", 1.5, "keras"),
            Peer("vae_keras_jax", "Keras 3 on JAX", 1.5, "jax"),
        ),
    ),
    Work(
        "vaegan",
        "VAE-GAN, pythae's MNIST networks, batch 64",
        "vaegan_ganvas",
        (
            Peer("vaegan_pythae", "pythae 0.1.2", 1.7, "pythae"),
            Peer("vaegan_ganvas_torch", "ganvas with GANVAS_PRODUCTS=torch"),
        ),
        rounds=3,
    ),
    Work(
        "aae",
        "AAE, pythae's MNIST networks, batch 64",
        "aae_ganvas",
        (
            Peer("aae_pythae", "pythae 0.1.2", 1.7, "pythae"),
            Peer("aae_ganvas_torch", "ganvas with GANVAS_PRODUCTS=torch"),
        ),
        rounds=3,
    ),
    Work(
        "dcgan",
        "DCGAN 32x32, PyTorch-GAN's networks, batch 64",
        "dcgan_ganvas",
        (
            Peer("dcgan_script", "the usual script: PIL images through a DataLoader", 2.0),
            Peer("dcgan_bare", "data in memory, channels last, fused Adam"),
            Peer("dcgan_ganvas_plain", "ganvas with the script's own layers"),
        ),
        rounds=5,
        gemm=0.8,
    ),
    Work(
        "wgan-gp",
        "WGAN-GP, dense networks, 5 critic steps, batch 64",
        "wgan_ganvas",
        (Peer("wgan_script", "the usual script: PIL images through a DataLoader", 2.0),),
    ),
    Work(
        "ring8",
        "GAN on ring8, 4x400 dense networks, batch 100",
        "ring8_ganvas",
        (Peer("ring8_bare", "the tightest loop", 1 / 1.15),),
    ),
    Work(
        "measures",
        "FID and PRDC of 10,000 features of 128 numbers",
        "measures_ganvas",
        (Peer("measures_packages", "scipy's matrix root, and prdc 0.2", 2.0, "prdc"),),
        rounds=3,
    ),
    Work(
        "sampling",
        "sampling 28x28 images from a DCGAN",
        "sampling_ganvas",
        (Peer("sampling_bare", "the bare generator in a loop", 1 / 1.05),),
    ),
)


@dataclass
class Timing:
    """One block of one contestant. seconds, cpu: for 1,000 images."""

    seconds: float
    cpu: float


@dataclass
class Result:
    """What one contestant did. memory: its process's peak, bytes. flops, and calls of operators: an image, where counted."""

    contestant: str
    label: str
    bar: float | None
    timings: list[Timing] = field(default_factory=list)
    memory: int = 0
    flops: float = 0.0
    calls: float = 0.0
    absent: str = ""
    products: float = 0.0
    """The share of its time that products of matrices, convolutions and their backward passes take."""


class Worker:
    """A contestant in a process of its own."""

    def __init__(self, contestant: str, threads: int, peers: str | None) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, __file__, "--worker", contestant, "--threads", str(threads)]
        command += ["--peers", peers] if peers else []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.ready = self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1])
        return json.loads(line)

    def block(self, request: str = "") -> dict[str, Any]:
        """Has it do a block, and be looked into on the way if the request is "profile"."""
        assert self.process.stdin is not None
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        self.process.communicate()


def work_for(contestant: str, threads: int) -> None:
    """The worker's side: sets up, says so, and does a block for each line that comes in."""
    import contestants
    import torch

    from ganvas.metrics.cost import peak_memory

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    name, _, options = contestant.partition(":")
    block = getattr(contestants, name)(**json.loads(options or "{}"))
    flops = calls = 0.0
    if block.counted:
        with contestants.Operations() as operations:
            block.run()
        flops, calls = operations.flops / block.images, operations.calls / block.images
    start = time.perf_counter()
    block.run()
    first = time.perf_counter() - start
    print(json.dumps({"flops": flops, "calls": calls, "first": first, "images": block.images}), file=out, flush=True)
    for request in sys.stdin:
        if request.strip() == "profile":
            print(json.dumps({"products": products(block.run)}), file=out, flush=True)
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        block.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        scale = 1_000 / block.images
        line = {"seconds": wall * scale, "cpu": cpu * scale, "memory": peak_memory()}
        print(json.dumps(line), file=out, flush=True)


PRODUCTS = (
    *("mm", "addmm", "addmm_", "bmm", "_linear_pointwise"),
    *("mkldnn_convolution", "_convolution", "convolution_backward"),  # "_convolution" makes the transposed ones itself
)
"""Operators that multiply matrices; of these torch's convolutions are made, too."""


def products(run: Callable[[], object]) -> float:
    """The share of a block's CPU time that these operators take themselves."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    events = found.key_averages()
    own = sum(e.self_cpu_time_total for e in events if e.key.rpartition("::")[2] in PRODUCTS)
    return own / (sum(e.self_cpu_time_total for e in events) or 1)  # where nothing was torch's, 0


def measure(work: Work, threads: int, peers: str | None) -> dict[str, Any]:
    """Rounds of every contestant that can run."""
    results = [Result(work.ours, "ganvas", None)]
    results += [Result(p.contestant, p.label, p.bar, absent=lacking(p)) for p in work.peers]
    present = [r for r in results if not r.absent]
    workers = {r.contestant: Worker(r.contestant, threads, peers) for r in present}
    gemms = {name: Worker(name, threads, peers) for name in ("gemm_torch", "gemm_onednn")}
    rates: dict[str, list[float]] = {name: [] for name in gemms}
    for result in present:
        ready = workers[result.contestant].ready
        result.flops, result.calls = ready["flops"], ready["calls"]
    for number in range(work.rounds):
        for name, worker in gemms.items():
            rates[name].append(gemms["gemm_torch"].ready["flops"] / worker.block()["cpu"])
        for result in present if number % 2 == 0 else present[::-1]:
            told = workers[result.contestant].block()
            result.timings.append(Timing(told["seconds"], told["cpu"]))
            result.memory = told["memory"]
    for result in present:
        worker = workers[result.contestant]
        result.products = statistics.median(worker.block("profile")["products"] for _ in range(3))
    for worker in (*workers.values(), *gemms.values()):
        worker.end()
    return {
        "title": work.title,
        "threads": threads,
        "gemm_bar": work.gemm,
        "rates": rates,
        "contestants": [asdict(r) for r in results],
    }


def lacking(peer: Peer) -> str:
    """Why a peer cannot run; empty when it can."""
    if peer.needs and importlib.util.find_spec(peer.needs) is None:
        return f"not measured: {peer.needs} is not installed"
    return ""


# --- the page ---------------------------------------------------------------------------------------------------------


def ratio(ours: dict[str, Any], peer: dict[str, Any], key: str) -> float:
    """The median over rounds of the peer's time over ours."""
    return statistics.median(p[key] / o[key] for o, p in zip(ours["timings"], peer["timings"], strict=True))


def median(result: dict[str, Any], key: str) -> float:
    return statistics.median(t[key] for t in result["timings"])


def share(ours: dict[str, Any], rates: Sequence[float]) -> float:
    """The multiply-adds that the work needs, over what the processor's time would have sufficed for as one large product."""
    return statistics.median(
        1_000 * ours["flops"] / t["cpu"] / (1_000 * rate) for t, rate in zip(ours["timings"], rates, strict=True)
    )


def rows(work: dict[str, Any]) -> list[str]:
    """A work's lines of the table."""
    ours, *peers = work["contestants"]
    lines: list[str] = []
    for result in (ours, *peers):
        if result["absent"]:
            lines.append(f"| | {result['label']} | {result['absent']} | | | | |")
            continue
        times = f"{median(result, 'seconds'):.3g} | {median(result, 'cpu'):.3g} | {result['memory'] / 2**20:,.0f}"
        if result is ours:
            lines.append(f"| **{work['title']}** | ganvas | {times} | | |")
            continue
        wall, cpu = ratio(ours, result, "seconds"), ratio(ours, result, "cpu")
        said = "" if result["bar"] is None else f"{verdict(meets(ours, result))}: ≥ {result['bar']:.2f}"
        lines.append(f"| | {result['label']} | {times} | {wall:.2f} / {cpu:.2f} | {said} |")
    return lines


def meets(ours: dict[str, Any], peer: dict[str, Any]) -> bool:
    """Whether the bar, if there is one, is reached by both ratios."""
    return not peer["bar"] or min(ratio(ours, peer, "seconds"), ratio(ours, peer, "cpu")) >= peer["bar"]


def shares(work: dict[str, Any]) -> str:
    """A work's line of the table of matrix rates."""
    ours = work["contestants"][0]
    own, best = (share(ours, work["rates"][name]) for name in ("gemm_torch", "gemm_onednn"))
    bar = work["gemm_bar"]
    said = "" if bar is None else f"{verdict(own >= bar)}: ≥ {bar:.0%} of torch's"
    return f"| {work['title']} | {ours['flops'] / 2e6:,.2f} | {own:.0%} | {best:.0%} | {said} |"


def parts(work: dict[str, Any]) -> list[str]:
    """Of a work of which a bar is missed: where everybody's time goes."""
    ours, *peers = work["contestants"]
    present = [p for p in peers if not p["absent"]]
    if all(meets(ours, p) for p in present):
        return []
    floor = ours["products"] * median(ours, "cpu")
    lines: list[str] = []
    for result in (ours, *present):
        cpu = median(result, "cpu")
        split = f"{result['products'] * cpu:.3g} | {(1 - result['products']) * cpu:.3g}" if result["products"] else "| "
        calls = f"{1_000 * result['calls']:,.0f}" if result["calls"] else ""
        name, most = (f"**{work['title']}**", "") if result is ours else ("", f"{cpu / floor:.2f}")
        lines.append(f"| {name} | {result['label']} | {split} | {calls} | {most} |")
    return lines


def page() -> str:
    """docs/speed.md, from this file's results and those of costs.py."""
    results = json.loads(RESULTS.read_text())
    works = [results["works"][w.name] for w in WORKS if w.name in results["works"]]
    template = (ROOT / "benchmarks" / "speed.template.md").read_text()
    table = "\n".join(line for work in works for line in rows(work))
    counted = "\n".join(shares(work) for work in works if work["contestants"][0]["flops"])
    into = "\n".join(line for work in works for line in parts(work))
    rates = {
        name: statistics.median(rate for work in works for rate in work["rates"][name])
        * 1e-6  # a block is 1,000 images
        for name in ("gemm_torch", "gemm_onednn")
    }
    return template.format(
        machine=results["machine"],
        table=table,
        shares=counted,
        parts=into,
        torch_rate=f"{rates['gemm_torch']:.0f}",
        onednn_rate=f"{rates['gemm_onednn']:.0f}",
        **costs_tables(json.loads((RESULTS.parent / "costs.json").read_text())),
    )


def costs_tables(costs: dict[str, Any]) -> dict[str, str]:
    """What costs.py found, as rows of the page's tables."""
    bases = {row["axis"]: row for row in reversed(costs["growth"])}  # each axis's first row
    return {
        "growth": "\n".join(growth_row(row, bases[row["axis"]]) for row in costs["growth"]),
        "watching": "\n".join(
            f"| {r['title']} | {r['without']:.1f} | {within(r['shares']['not examined'])} | {within(r['shares']['with'])} |"
            for r in costs["watching"]
        ),
        "threads": "\n".join(
            f"| {r['title']} | {r['one thread']:.1f} | {r['alone']:.1f} | {r['two at once']:.1f} | {r['two processes']:.1f} |"
            for r in costs["threads"]
        ),
        "compiling": "\n".join(
            f"| {r['title']} | {r['cpu']:.3g} | {r['gain']:.2f} | {r['warm_up']:.0f} | {repaid(r)} |"
            for r in costs["compiling"]
        ),
        "starting": "\n".join(f"| {what} | {seconds:.2f} |" for what, seconds in costs["starting"].items()),
    }


def growth_row(row: dict[str, Any], base: dict[str, Any]) -> str:
    """A value of an axis beside the axis's first: the work, the time, and time over work."""
    work, time = row["flops"] / base["flops"], row["cpu"] / base["cpu"]
    what = f"{row['axis']} {row['value']:,}"
    return (
        f"| {what} | {row['flops'] / 2e6:,.2f} | {row['cpu']:.3g} | {row['memory'] / 2**20:,.0f} "
        f"| {work:.2f} | {time:.2f} | {verdict(time <= 1.1 * work)} |"
    )


def within(shares: list[float]) -> str:
    """What watching costs, as a share of training, and whether that is below the bar."""
    share = statistics.median(shares)
    return f"{share:+.1%} | {verdict(share < 0.03)}"


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def repaid(row: dict[str, Any]) -> str:
    """From how many images on compiling has paid for itself."""
    saved = row["cpu"] * (1 - 1 / row["gain"]) / 1_000
    return f"{row['warm_up'] / saved:,.0f}" if saved > 0 else "never"


def machine(threads: int) -> str:
    import torch

    from ganvas.machine import facts

    name, kernels = facts.processor_name(), facts.vector_instructions()
    return f"{name}, {os.cpu_count()} cores, {threads} thread(s) a process, torch {torch.__version__} ({kernels})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", help=f"some of {', '.join(w.name for w in WORKS)}, or page")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", help="where packages beside the project's own lie")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peers:
        sys.path.append(given.peers)
    if given.worker:
        work_for(given.worker, given.threads)
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"works": {}}
    for work in WORKS:
        if not given.works or work.name in given.works:
            results["machine"] = machine(given.threads)
            results["works"][work.name] = measured = measure(work, given.threads, given.peers)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            print("\n".join(rows(measured)), flush=True)
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
