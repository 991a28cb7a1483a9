"""What all tests share."""

from pathlib import Path

import pytest
import torch

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
