"""What all tests share."""

import os
from pathlib import Path

# Two workers share two cores, and what a process with another number of threads computes is not the same to the last bit.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

torch.set_num_threads(1)  # where torch was imported before
SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def mnist() -> str:
    """The source name of the real MNIST, where it is."""
    if not (SHARED / "mnist").is_dir():
        pytest.skip("needs MNIST in ../shared/data/mnist")
    return f"idx:{SHARED / 'mnist'}"
