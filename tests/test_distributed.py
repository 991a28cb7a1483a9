"""Two processes train what one trains: the same images, the same noise, the same weights up to rounding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas import checkpoint, rng
from ganvas.cli import main
from ganvas.distributions import DiagonalNormal

VAE = ["vae", "--network", "mlp", "--width", "16", "--data", "digits"]
GAN = ["gan", "--network", "dcgan", "--width", "4", "--data", "digits", "--sync-batchnorm"]
CODEBOOK = ["vq-vae", "--network", "dcgan", "--width", "4", "--data", "digits", "--sync-batchnorm"]


def train(out: Path, recipe: list[str], images: int, processes: int = 1) -> dict[str, torch.Tensor]:
    """Trains in so many processes. Returns the tensors of the last checkpoint."""
    command = ["train", *recipe, "--batch-size", "32", "--quiet", "--images", str(images), "--out", str(out)]
    if processes == 1:
        main(command)
        return weights(out)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    subprocess.run(
        [sys.executable, *launch, "-m", "ganvas", *command],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=300,
    )
    return weights(out)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])[1]


@pytest.mark.parametrize(
    ("recipe", "steps", "tolerance"),
    [(VAE, 100, 1e-4), (GAN, 30, 2e-4), (CODEBOOK, 30, 2e-4)],
    ids=["100 steps", "batch normalisation", "codebook"],
)
def test_two_processes_agree_with_one(recipe: list[str], steps: int, tolerance: float, tmp_path: Path) -> None:
    one = train(tmp_path / "one", recipe, 32 * steps)
    two = train(tmp_path / "two", recipe, 32 * steps, processes=2)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(
            two[name], tensor, rtol=1e-3, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
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
