"""Hostile input of every kind, thousands of times: a run is refused with one message, or used; nothing else may happen.

    python benchmarks/fuzz.py                          all of it; writes results/fuzz.json
    python benchmarks/fuzz.py --scale 0.02             a fiftieth, to see it work
    python benchmarks/fuzz.py --case pictures/123      one case, with what it printed, and its traceback if it has one

A case is a command of ganvas, done in this process on input that follows from the seed and the case's number. It is well if
the command succeeds, or leaves with exit code 2 and one short message. It is a defect if there is a traceback, if it takes
over 5 seconds, if it asks for more than 1 GiB beyond what the process held before, if it dies of a signal, or if what it
prints is long, or holds what a terminal would obey. Cases are done in children of this process, a hundred in each, whose
address space is limited to what they have and 1 GiB more. No command is told to write outside of its case's own folder.
"""

import argparse
import contextlib
import ctypes
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "COLUMNS": "100"}

import hostile
import torch

from ganvas.cli import main as ganvas_main

RESULTS = Path(__file__).parent / "results" / "fuzz.json"

SECONDS = 5.0
GIB = 2**30
CHUNK = 100
STUCK = 60.0
"""Seconds after which a child that heeds no alarm is killed."""

LONGEST = 4_000
"""Characters of a message."""


class Hang(BaseException):
    """Raised by the alarm; no `except Exception` may take it for a damaged file."""


@dataclass(frozen=True)
class Seeds:
    """What hostile input is made from: runs and exports that are whole, and giants, which take a while to make."""

    runs: tuple[Path, ...]
    exported: Path
    pictures: tuple[bytes, ...]
    npz: bytes
    idx: bytes


@dataclass(frozen=True)
class Outcome:
    """How a case went. what: "done", "refused", or the defect. growth: of resident memory at its peak, in MiB."""

    case: str
    what: str
    words: list[str]
    seconds: float
    growth: float
    printed: str


def make_seeds(place: Path) -> Seeds:
    common = ["--batch-size", "32", "--images", "64", "--checkpoint-every", "32", "--quiet"]
    small = ["--data", "digits", "--network", "mlp", "--width", "4", "--latent", "2"]
    ganvas_main(
        [
            "train",
            "vae",
            *small,
            *common,
            "--metrics",
            "mse",
            "--keep-best",
            "mse",
            "--metrics-every",
            "32",
            "--out",
            str(place / "vae"),
        ]
    )
    ganvas_main(["evaluate", str(place / "vae"), "--metrics", "mse", "--num", "32"])
    ganvas_main(["train", "gan", "--data", "ring8", "--width", "4", *common, "--out", str(place / "gan")])
    ganvas_main(["train", "cgan", *small, *common, "--out", str(place / "cgan")])
    vq = ["--data", "digits", "--width", "4", "--codes", "8", "--code-size", "4"]
    ganvas_main(["train", "vq-vae", *vq, *common, "--out", str(place / "vq-vae")])
    ganvas_main(["export", str(place / "vae"), "--to", "hub-folder", "--out", str(place / "exported")])
    runs = tuple(place / name for name in ("vae", "vae", "gan", "cgan", "vq-vae"))
    return Seeds(runs, place / "exported", tuple(hostile.bombs().values()), hostile.big_npz(), hostile.big_idx())


# What a case is: input is made in the folder where it runs, and the words of a command are returned.


def uses(dice: random.Random, run: str) -> list[str]:
    """A command that reads a run."""
    resumed = ["train", "--resume", run, "--quiet", "--images", dice.choice(("32", "64", "96"))]
    evaluated = ["evaluate", run, "--num", "32", "--metrics", dice.choice(("mse", "modes", "mse,codes"))]
    commands = [
        *(["sample", run, "--num", "2", "--out", dice.choice(("a.png", "a.npz", "folder"))] for _ in range(4)),
        *(["runs", "."], ["report", run], resumed, resumed, evaluated),
        ["sample", run, "--num", "2", "--out", "a.png", "--best"],
        ["encode", run, "--data", "digits", "--num", "4", "--out", "codes.npz"],
        ["export", run, "--to", "hub-folder", "--out", "out"],
        ["compare", run, beside(run), "--out", "page", "--num", "32", "--metrics", "mse"],
        ["doctor", run],
    ]
    return dice.choice(commands)


def beside(run: str) -> str:
    """A copy of the run, which can stand beside it in a comparison."""
    shutil.copytree(run, "other", symlinks=True, ignore=no_pipes)
    return "other"


def no_pipes(folder: str, names: list[str]) -> list[str]:
    """Names of what `copytree` would wait for, or could not copy quickly."""
    paths = [Path(folder) / name for name in names]
    odd = (
        path.is_symlink() or not (path.is_dir() or (path.is_file() and path.stat().st_size < 2**26)) for path in paths
    )
    return [name for name, is_odd in zip(names, odd, strict=True) if is_odd]


def edited_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """A run whose scores or options somebody edited, so that one value is of another kind than what was written."""
    shutil.copytree(seeds.runs[0], "run")
    if dice.random() < 0.4:
        file = Path("run/recipe.json")
        known = json.loads(file.read_text())
        part = known[dice.choice(("arguments", "arguments", "training"))]
        part[dice.choice(sorted(part))] = dice.choice((*hostile.NUMBERS, *hostile.ODD_VALUES))
        words = ["train", "--resume", "run", "--quiet", "--images", "96"]
    else:
        file = Path("run/evaluation.json")
        known = json.loads(file.read_text())
        hostile.score_changed(dice, dice.choice(known))
        compared = ["compare", "run", beside("run"), "--out", "page", "--num", "32", "--metrics", "mse"]
        exported = ["export", "run", "--to", "hub-folder", "--out", "out"]
        words = dice.choice((compared, exported, ["report", "run"], ["runs", "."]))
    file.write_text(json.dumps(known))
    return words


def checkpoint_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """A run, or an export, whose tensors or the facts beside them are not what was written."""
    if dice.random() < 0.15:
        shutil.copytree(seeds.exported, "run")
        file = Path("run/model.safetensors")
        change = dice.choice((hostile.corrupted, hostile.header_changed, hostile.tensors_changed))
        file.write_bytes(change(dice, file.read_bytes()))
        return uses(dice, "run")
    shutil.copytree(dice.choice(seeds.runs), "run")
    files = sorted(Path("run/checkpoints").glob("*.safetensors"))
    for file in files[-1:] if dice.random() < 0.7 else files:
        facts, kind = file.with_suffix(".json"), dice.randrange(8)
        if kind < 5:
            change = (
                hostile.corrupted,
                hostile.corrupted,
                hostile.header_changed,
                hostile.tensors_changed,
                hostile.tensors_changed,
            )
            file.write_bytes(change[kind](dice, file.read_bytes()))
        elif kind < 7:
            facts.write_bytes(hostile.as_json(dice, hostile.changed(dice, json.loads(facts.read_text()))))
        else:
            hostile.odd_file(dice, dice.choice((file, facts)))
        if kind != 0:
            hostile.sealed(facts)
    return uses(dice, "run")


SMALL = ("--network", "mlp", "--width", "4", "--latent", "2")

RUN_FILES = (
    "recipe.json",
    "recipe.json",
    "recipe.json",
    "metrics.jsonl",
    "environment.json",
    "networks.json",
    "evaluation.json",
)


def run_file_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """A run of which another file is not what was written."""
    exported = dice.random() < 0.1
    shutil.copytree(seeds.exported if exported else dice.choice(seeds.runs), "run")
    names = ("config.json",) if exported else (*RUN_FILES, "checkpoints/best.json")
    file = Path("run") / dice.choice(names)
    if dice.random() < 0.1:
        hostile.odd_file(dice, file)
    elif file.suffix == ".jsonl":
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        at = dice.randrange(len(lines))
        lines[at] = hostile.changed(dice, lines[at])
        file.write_bytes(b"\n".join(hostile.as_json(dice, line) for line in lines) + b"\n")
    else:
        known = json.loads(file.read_text()) if file.is_file() else []
        if file.name == "recipe.json" and dice.random() < 0.5:  # half of the times where networks take their sizes from
            part = dice.choice(("arguments", "training", "data"))
            known[part] = hostile.changed(dice, known[part])
        else:
            known = hostile.changed(dice, known)
        file.write_bytes(hostile.as_json(dice, known))
    return uses(dice, "run")


def picture_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """A folder of pictures that are not all what they should be."""
    hostile.picture_folder(dice, Path("pictures"), seeds.pictures)
    options: list[str] = []
    if dice.random() < 0.8:
        options += ["--size", dice.choice(("1", "8", "16", "33"))]
    if dice.random() < 0.3:
        options += ["--channels", dice.choice(("1", "3", "4"))]
    if dice.random() < 0.2:
        options += ["--crop", "none"]
    look = ["data", "pictures", *options]
    inner = sorted(f"pictures/{path.name}" for path in Path("pictures").iterdir())
    return dice.choice(
        [
            *(look, look, look, [*look, "--json"], [*look, "--out", "a.png"]),
            [
                "interpolate",
                str(seeds.runs[0]),
                "--from",
                dice.choice(inner),
                "--to",
                dice.choice(inner),
                "--out",
                "w.gif",
            ],
            ["reconstruct", str(seeds.runs[0]), "--data", "pictures", "--out", "a.png"],
            [
                "train",
                "vae",
                *SMALL,
                "--data",
                "pictures",
                "--size",
                "8",
                "--batch-size",
                "1",
                "--images",
                "4",
                "--out",
                "run",
            ],
        ]
    )


def archive_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """A zip or tar archive of pictures of which something is wrong: its bytes, its headers, its members, or their names."""
    hostile.picture_folder(dice, Path("pictures"), seeds.pictures)
    name = "a.zip"
    hostile.picture_archive(dice, Path("pictures"), Path(name))
    if dice.random() < 0.5:
        name = "a.tar"
        hostile.picture_tar(dice, Path("pictures"), Path(name))
    look = ["data", name, *(["--size", "8"] if dice.random() < 0.7 else [])]
    encoded = ["encode", str(seeds.runs[0]), "--data", name, "--out", "codes.npz"]
    return dice.choice((look, look, [*look, "--json"], encoded))


def array_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """Arrays, MNIST's files, or captions, of which something is wrong."""
    kind = dice.randrange(5)
    if kind < 2:
        hostile.npz_file(dice, Path("a.npz"), seeds.npz)
        source = "npz:a.npz"
    elif kind < 4:
        hostile.idx_folder(dice, Path("idx"), seeds.idx)
        source = "idx:idx"
    else:
        Path("pictures").mkdir()
        hostile.Image.new("RGB", (9, 9)).save("pictures/good.png")
        hostile.metadata(dice, Path("pictures"))
        source = "pictures"
    options = ["--size", dice.choice(("8", "12"))] if dice.random() < 0.3 else []
    return ["data", source, *options, *dice.choice(([], ["--json"], ["--out", "a.png"]))]


def command_case(dice: random.Random, seeds: Seeds) -> list[str]:
    """A command whose words are not all what they should be."""
    for whole in {*seeds.runs, seeds.exported}:
        shutil.copytree(whole, whole.name)
    small = [
        "--data",
        "digits",
        "--network",
        "mlp",
        "--width",
        "4",
        "--latent",
        "2",
        "--batch-size",
        "32",
        "--images",
        "64",
    ]
    lines = [
        *(["train", name, *small, "--out", "new", "--quiet"] for name in ("vae", "gan", "wgan-gp")),
        ["train", "vae", *small, "--seed", "1", "--beta", "2.0", "--scale", "0.5", "--ema", "1000", "--out", "new"],
        ["train", "vae", *small, "--metrics", "mse", "--metrics-every", "32", "--keep-best", "mse", "--out", "new"],
        ["train", "vae", *small, "--rewinds", "1", "--skip-gradient-norm", "9", "--out", "vae", "--overwrite"],
        ["train", "--resume", "vae", "--images", "96", "--quiet"],
        ["train", "vae", "--resume", "vae", "--images", "64", "--device", "cpu"],
        ["sample", "vae", "--num", "4", "--seed", "1", "--out", "a.png", "--truncation", "0.7"],
        ["sample", "vae", "--num", "4", "--prior", "gmm", "--out", "a.npz"],
        ["sample", "cgan", "--class", "3", "--out", "folder"],
        ["sample", "exported", "--out", "a.png", "--device", "cpu", "--best"],
        ["reconstruct", "vae", "--data", "digits", "--num", "8", "--out", "a.png"],
        ["reconstruct", "gan", "--data", "ring8", "--invert", "--steps", "2", "--starts", "1", "--out", "a.png"],
        ["interpolate", "vae", "--num", "5", "--seed", "2", "--out", "a.gif"],
        ["encode", "vq-vae", "--data", "digits", "--split", "held-out", "--num", "8", "--out", "codes.npz"],
        ["evaluate", "vae", "--metrics", "mse", "--num", "32", "--features", "auto", "--json"],
        ["compare", "vae", "gan", "--out", "page", "--metrics", "mse", "--num", "32"],
        ["data", "digits", "--size", "8", "--crop", "none", "--channels", "3", "--num", "9", "--out", "a.png"],
        ["check", "vae", "--data", "digits", "--size", "12"],
        ["export", "vae", "--to", "hub-folder", "--out", "new"],
        ["runs", ".", "--json"],
        ["train", "gan", "--images", "64", "--help"],
        *(["metrics", "--json"], ["report", "vae"], ["--version"], ["sample", "--help"]),
    ]  # fmt: skip
    words = hostile.command_line(dice, lines, avoid)
    # A recipe's own budget is no hang: it would be trained for minutes.
    return [*words, "--images", "64"] if words[:1] == ["train"] and "--images" not in words else words


def avoid(word: str) -> bool:
    """Words of commands that reach out of their folder, or do much and are meant to."""
    return word.startswith(("/", "hub:", "hf:")) or word == "all"


DOMAINS: dict[str, tuple[int, Callable[[random.Random, Seeds], list[str]]]] = {
    "checkpoints": (3_000, checkpoint_case),
    "run files": (3_000, run_file_case),
    "edited files": (1_500, edited_case),
    "pictures": (2_500, picture_case),
    "archives": (1_500, archive_case),
    "arrays": (2_000, array_case),
    "command lines": (2_500, command_case),
}


# Doing it


def run_case(case: str, seed: int, seeds: Seeds, place: Path) -> Outcome:
    domain, _, number = case.rpartition("/")
    dice = random.Random(f"{seed}/{domain}/{number}")
    place.mkdir()
    os.chdir(place)
    words = DOMAINS[domain][1](dice, seeds)
    before, start = resident("VmRSS"), time.monotonic()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    said = io.BytesIO()
    stream = io.TextIOWrapper(said, "utf-8", write_through=True)
    what, trace = "done", ""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            ganvas_main(words)
    except SystemExit as stopped:
        what = {0: "done", None: "done", 2: "refused"}.get(stopped.code, f"exit code {stopped.code}")
    except Hang:
        what, trace = "hang", traceback.format_exc()
    except BaseException as error:
        what, trace = f"traceback: {type(error).__name__}", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds, growth = time.monotonic() - start, (resident("VmHWM") - before) / 2**10
    printed = said.getvalue().decode("utf-8", "replace")
    if what in ("done", "refused"):
        what = judged(what, printed, growth, words if domain == "command lines" else [])
    os.chdir(place.parent)
    free(place)
    return Outcome(case, what, words, seconds, growth, printed + trace)


def judged(what: str, printed: str, growth: float, own: list[str]) -> str:
    """What a command that ended as commands end is, by what it printed. own: a user's words, which may be printed."""
    if growth > 1_024:
        return "allocation: resident memory"
    for sign in ("MemoryError", "allocate memory", "Unable to allocate", "Cannot allocate"):
        if sign in printed:
            return f"allocation: {sign}"
    if "Traceback" in printed:
        return "traceback: printed"
    if what == "refused" and not printed.strip():
        return "no message"
    if what == "refused" and len(printed) > LONGEST + 3 * sum(map(len, own)):
        return "long message"
    odd = {c for c in printed if (ord(c) < 32 and c not in "\n\t") or c in "\x7f\u202e\u202d"}
    return f"control characters: {sorted(odd)}" if odd and not own else what


def resident(kind: str) -> int:
    """KiB of this process's memory, by a name of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind))
    return int(line.split()[1])


def free(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def child(cases: list[str], seed: int, seeds: Seeds, place: Path, log: Path) -> None:
    """Does some cases, and writes each outcome as a line, its name before it begins."""

    def alarm(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, alarm)
    os.environ |= {"HOME": str(place), "XDG_CACHE_HOME": str(place / "cache")}
    most = resident("VmSize") * 1_024 + GIB
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with log.open("a") as lines:
        for number, case in enumerate(cases):
            lines.write(json.dumps({"begins": case}) + "\n")
            lines.flush()
            lines.write(json.dumps(asdict(run_case(case, seed, seeds, place / f"case-{number}"))) + "\n")
            lines.flush()


def in_child(cases: list[str], seed: int, seeds: Seeds, place: Path) -> Iterator[Outcome]:
    """The outcomes of cases done in children: a new one is begun after each that dies."""
    remaining = list(cases)
    while remaining:
        home = Path(tempfile.mkdtemp(dir=place))
        log = home / "log"
        log.touch()
        process = os.fork()
        if not process:
            code = 1
            try:
                child(remaining, seed, seeds, home, log)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        end = watched(process, log)
        told = [json.loads(line) for line in log.read_text().splitlines()]
        free(home)
        outcomes = [Outcome(**line) for line in told if "case" in line]
        yield from outcomes
        remaining = remaining[len(outcomes) :]
        if end:
            assert told and "begins" in told[-1], f"a child left with {end}, and not because of a case"
            yield Outcome(told[-1]["begins"], f"died: {end}", [], STUCK, 0.0, "")
            remaining = remaining[1:]


def watched(process: int, log: Path) -> str:
    """Waits for a child, and kills it when its log does not grow any more. How it died; empty when it did not."""
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return "" if code == 0 else f"exit code {code}" if code > 0 else signal.Signals(-code).name
        if time.time() - log.stat().st_mtime > STUCK:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return "heeded no alarm"
        time.sleep(0.05)


@contextlib.contextmanager
def prepared() -> Iterator[tuple[Seeds, Path]]:
    torch.set_num_threads(1)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX: each thread's own would take 64 MiB of address space
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "seeds").mkdir()
        yield make_seeds(place / "seeds"), place


def show(case: str, seed: int) -> None:
    """One case, in full."""
    with prepared() as (seeds, place):
        for outcome in in_child([case], seed, seeds, place):
            print(outcome.printed)
            print(json.dumps({**asdict(outcome), "printed": len(outcome.printed)}, indent=2))


def fuzz(scale: float, seed: int, only: str | None) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {}
    defects: list[Outcome] = []
    slowest, largest, start = 0.0, 0.0, time.monotonic()
    with prepared() as (seeds, place):
        for domain, (num, _) in DOMAINS.items():
            if only not in (None, domain):
                continue
            counts[domain] = Counter()
            cases = [f"{domain}/{n}" for n in range(max(1, round(num * scale)))]
            for some in chunks(cases):
                for outcome in in_child(some, seed, seeds, place):
                    if outcome.what == "hang":  # on a busy machine it may only have waited: it is tried once more
                        outcome = next(in_child([outcome.case], seed, seeds, place))
                    well = outcome.what in ("done", "refused")
                    counts[domain][outcome.what if well else "defect"] += 1
                    slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.growth)
                    if not well:
                        defects.append(outcome)
                        print(f"{outcome.case}: {outcome.what}: {last_line(outcome.printed)}", flush=True)
            print(f"{domain}: {dict(counts[domain])}, {time.monotonic() - start:.0f} s", flush=True)
    return {
        "command": f"python benchmarks/fuzz.py --scale {scale:g} --seed {seed}",
        "cases": sum(sum(c.values()) for c in counts.values()),
        "by input": counts,
        "defects": [{"case": d.case, "what": d.what, "words": d.words} for d in defects],
        "slowest case in seconds": round(slowest, 2),
        "largest growth of resident memory in MiB": round(largest),
        "seconds": round(time.monotonic() - start),
    }


def chunks(cases: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(cases), CHUNK):
        yield cases[start : start + CHUNK]


def last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:200]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=DOMAINS)
    parser.add_argument("--case")
    asked = parser.parse_args()
    if asked.case:
        show(asked.case, asked.seed)
        return
    results = fuzz(asked.scale, asked.seed, asked.only)
    print(json.dumps({key: value for key, value in results.items() if key != "defects"}, indent=2))
    if asked.scale >= 1 and asked.only is None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(bool(results["defects"]))


if __name__ == "__main__":
    main()
