"""What all tests share, and the options by which they run as on another machine (`machines.py`)."""

import os
import sys
import tomllib
from pathlib import Path

# Two workers share two cores, so each has one thread unless the environment says otherwise. Threads that wait must sleep:
# where there are more of them than cores, spinning takes the time of those that work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MKL_DYNAMIC", "FALSE")  # else a process has no more threads than the machine has cores

import pytest
import torch

THREADS = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(THREADS)  # where torch was imported before
ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


def extras() -> list[str]:
    """The modules that the optional dependencies install, those of `dev` left out."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return [
        line.partition(">=")[0].replace("-", "_") for name, lines in groups.items() if name != "dev" for line in lines
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-extras", action="store_true", help="as if no optional dependency were installed")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--without-extras"):
        sys.modules.update(dict.fromkeys(extras()))  # type: ignore[arg-type]  # None: importing it raises ModuleNotFoundError


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def mnist() -> str:
    """The source name of the real MNIST, where it is."""
    if not (SHARED / "mnist").is_dir():
        pytest.skip("needs MNIST in ../shared/data/mnist")
    return f"idx:{SHARED / 'mnist'}"
