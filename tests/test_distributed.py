"""Two processes train what one trains: the same images, the same noise, the same weights up to rounding."""

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
import torch.distributed as dist

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.machine import distributed, rng
from ganvas.probability.distributions import DiagonalNormal
from ganvas.training import checkpoint
from ganvas.use.run import Run

pytestmark = pytest.mark.trains

VAE = ["vae", "--network", "mlp", "--width", "16", "--data", "digits"]
GAN = ["gan", "--network", "dcgan", "--width", "4", "--data", "digits", "--sync-batchnorm"]
SNGAN = ["sngan", "--width", "4", "--data", "digits", "--sync-batchnorm"]
BINARY = ["iwae", "--binarize", "--network", "mlp", "--width", "16", "--data", "digits"]
CODEBOOK = ["vq-vae", "--network", "dcgan", "--width", "4", "--data", "digits", "--sync-batchnorm"]


def train(out: Path, recipe: list[str], images: int, processes: int = 1) -> dict[str, torch.Tensor]:
    """Trains in so many processes. Returns the tensors of the last checkpoint."""
    command = ["train", *recipe, "--batch-size", "32", "--quiet", "--images", str(images), "--out", str(out)]
    if processes == 1:
        main(command)
        return weights(out)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [sys.executable, *launch, "-m", "ganvas", *command],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return weights(out)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "steps", "tolerance"),
    [(VAE, 100, 1e-4), (GAN, 30, 2e-4), (CODEBOOK, 30, 2e-4), (BINARY, 30, 1e-4), (SNGAN, 100, 2e-3)],
    ids=["100 steps", "batch normalisation", "codebook", "binarised", "residual networks"],
)
def test_two_processes_agree_with_one(recipe: list[str], steps: int, tolerance: float, tmp_path: Path) -> None:
    one = train(tmp_path / "one", recipe, 32 * steps)
    two = train(tmp_path / "two", recipe, 32 * steps, processes=2)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(
            two[name], tensor, rtol=1e-3, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


ENDS = """
import os, sys
from pathlib import Path
from ganvas.cli import main

main(sys.argv[1:])
names = sorted((task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir())
assert not any("gloo" in name for name in names), names
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by Linux's /proc")
def test_a_group_that_was_left_has_no_threads(tmp_path: Path) -> None:
    """One that is still there when the interpreter ends aborts the process, once in a few dozen runs."""
    (tmp_path / "ends.py").write_text(ENDS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "ends.py"]
    command = ["train", *GAN, "--batch-size", "32", "--quiet", "--images", "64", "--out", "run"]
    done = subprocess.run([*launch, *command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


FAILS_ONCE = """
import os, signal
from torch import nn
from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.training.recipe import Recipe
from ganvas.recipes.vae import vae

class Killer:
    steps = 0
    def __call__(self, batch: Batch) -> Batch:
        self.steps += 1
        first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if self.steps == int(os.environ.get("KILL_AT", "0")) and first and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

def mine(data: DataInfo) -> Recipe:
    recipe = vae(data, network="mlp", width=16)
    return Recipe(recipe.model, recipe.optimizers, transform=Killer(), ema_half_life=500.0)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_is_restarted_and_the_run_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FAILS_ONCE)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [
        "-m",
        "ganvas",
        "train",
        "mine.py",
        "--data",
        "digits",
        "--batch-size",
        "32",
        "--checkpoint-every",
        "320",
    ]

    def run(kill_at: int, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*launch, "--max-restarts", "2", *command, "--images", "1280", "--quiet", *more],
            cwd=tmp_path,
            env={**os.environ, "KILL_AT": str(kill_at)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert run(0, "--out", "undisturbed").returncode == 0
    done = run(25)  # of 40 steps: the second checkpoint is at 20
    assert done.returncode == 0, done.stderr
    assert "exitcode: -9" in done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine-digits"], "the restart began another run"
    one, two = weights(tmp_path / "undisturbed"), weights(tmp_path / "runs" / "mine-digits")
    assert one.keys() == two.keys()
    assert all(torch.equal(two[name], tensor) for name, tensor in one.items())


def test_only_a_restart_of_the_launch_that_began_a_run_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"data": "digits", "network": "mlp", "width": 8, "batch_size": 32, "quiet": True}

    def launched(name: str, restarts: int, **more: Any) -> Run:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", name)
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))
        return ganvas.train("vae", out=tmp_path / "run", **settings, **more)

    launched("first", 0, images=320)
    for name, restarts in (("first", 0), ("second", 0), ("second", 1)):
        with pytest.raises(GanvasError, match="overwritten only with"):
            launched(name, restarts, images=640)
    with pytest.raises(GanvasError, match="was trained with"):
        launched("first", 1, images=640, seed=1)
    assert launched("first", 1, images=640, overwrite=True).images_seen == 640
    assert (tmp_path / "run" / "checkpoints" / "000000000320.json").is_file(), "it began anew"
    launched("second", 1, images=320, overwrite=True)
    assert not (tmp_path / "run" / "checkpoints" / "000000000640.json").exists(), "another's run was gone on with"


def test_who_joins_after_a_restart_does_not_wait_for_the_dead() -> None:
    store = dist.HashStore()
    store.set("ganvas/part", "dead")
    store.set("ganvas/dead/1", "dead too")
    store.set("ganvas/dead/1/dead too", "")
    parts: dict[int, dist.Store] = {}
    threads = [Thread(target=lambda r=rank: parts.update({r: distributed.met(store, r, 2)})) for rank in (1, 0)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)  # the second asks where the dead met, before the first is there
    for thread in threads:
        thread.join(timeout=60)
    parts[0].set("address", "here")
    assert parts[1].get("address") == b"here"
    assert store.get("ganvas/part") != b"dead"


def test_processes_share_out_the_noise_that_one_would_have_drawn() -> None:
    q = DiagonalNormal(torch.zeros(8, 3), torch.zeros(8, 3))
    with rng.seeded(1):
        whole, several = q.rsample(), q.rsample((5,))
    for rank in (0, 1):
        rows = slice(4 * rank, 4 * rank + 4)
        half = DiagonalNormal(torch.zeros(4, 3), torch.zeros(4, 3))
        with rng.seeded(1), rng.share(rank, 2):
            assert torch.equal(half.rsample(), whole[rows])
            assert torch.equal(half.rsample((5,)), several[:, rows])
