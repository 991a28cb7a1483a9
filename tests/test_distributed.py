"""Two processes train what one trains: the same images, the same noise, the same weights up to rounding."""

import os
import subprocess
import sys
from pathlib import Path

import torch

import ganvas
from ganvas import checkpoint, rng
from ganvas.distributions import DiagonalNormal

OPTIONS = ["vae", "--network", "mlp", "--width", "16", "--data", "digits", "--batch-size", "32", "--quiet"]


def train(out: Path, processes: int, images: int = 3_200) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    subprocess.run(
        [sys.executable, *launch, "-m", "ganvas", "train", *OPTIONS, "--images", str(images), "--out", str(out)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=300,
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])[1]


def test_two_processes_agree_with_one_after_100_steps(tmp_path: Path) -> None:
    train(tmp_path / "two", processes=2)
    ganvas.train(
        "vae", network="mlp", width=16, data="digits", batch_size=32, images=3_200, out=tmp_path / "one", quiet=True
    )
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(
            two[name], tensor, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


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
