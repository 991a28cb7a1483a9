"""The rows of `make test-machines` really run the tests as they say, and a row that fails fails the whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import machines

SEES = """
import importlib.util, os
import pytest, torch
from ganvas.machine import facts

def test_facts():
    with pytest.raises(ModuleNotFoundError):
        import onnx
    assert importlib.util.find_spec("huggingface_hub") is None
    assert torch.get_num_threads() == 4
    assert facts.processor_name() == "unknown"

def test_kernels():
    assert torch.backends.cpu.get_cpu_capability() == "DEFAULT"
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "SSE41" and os.environ["MKL_ENABLE_INSTRUCTIONS"] == "SSE4_2"
"""


def run(folder: Path, row: str, test: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A row over one test, in a copy of the conftest beside it."""
    conftest = (machines.ROOT / "tests" / "conftest.py").read_text()
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests" / "conftest.py").write_text(conftest)
    (folder / "tests" / "test_here.py").write_text(SEES)
    (folder / "pyproject.toml").write_text((machines.ROOT / "pyproject.toml").read_text())
    command = [sys.executable, str(machines.ROOT / "tests" / "machines.py"), row, "--", "-n", "0"]
    command += ["-p", "no:cacheprovider", "--rootdir", str(folder), str(folder / "tests" / "test_here.py"), "-k", test]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.slow
def test_a_row_sets_what_it_says_whatever_was_set_before(tmp_path: Path) -> None:
    done = run(tmp_path, "bare", "facts", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed  bare" in done.stdout


@pytest.mark.slow
def test_a_row_that_fails_fails_the_whole(tmp_path: Path) -> None:
    """Its first test passes: the instructions are the row's. Its second, of facts, threads and packages, fails here."""
    done = run(tmp_path, "oldest", "kernels or facts", ATEN_CPU_CAPABILITY="avx2")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout and "test_facts" in done.stdout
    assert "FAILED  oldest" in done.stdout


def test_a_row_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert machines.main(["oldest", "newest"]) == 2
    assert "no row newest" in capsys.readouterr().err


def test_each_setting_of_a_machine_has_a_row_of_its_own() -> None:
    alone = [row for row in machines.ROWS.values() if len(row.environment) + len(row.options) == 1]
    settings = {pair for row in alone for pair in row.environment.items()}
    both = {name: {value for n, value in settings if n == name} for name, _ in settings}
    assert both[machines.ATEN] == {"default", "avx2"}
    assert both[machines.ONEDNN] == {"SSE41", "AVX2"}
    assert both[machines.MKL] == {"SSE4_2", "AVX2"}
    assert both[machines.THREADS] == {"1", "4"}
