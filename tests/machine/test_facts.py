"""What the system says about the machine, where it says it, and where it does not."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.machine import arithmetic, facts, memory

CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model name\t: AMD EPYC: a name with a colon

processor\t: 1
vendor_id\t: GenuineIntel
cpu family\t: 6
"""


def files(texts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the system's files hold these texts, and no other file exist."""

    def read(path: Path) -> str:
        if str(path) not in texts:
            raise FileNotFoundError(path)
        return texts[str(path)]

    monkeypatch.setattr(Path, "read_text", read)


def test_the_first_processor_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(facts.VARIABLE, raising=False)
    files({"/proc/cpuinfo": CPUINFO}, monkeypatch)
    assert facts.processor_name() == "AMD EPYC: a name with a colon"
    assert facts.maker_and_family() == ("AuthenticAMD", 26)


@pytest.mark.parametrize("text", [None, "", "processor : 0\n", "cpu family : x\n"])
def test_a_system_that_says_little_is_no_error(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS, Windows, or Linux on Arm."""
    monkeypatch.delenv(facts.VARIABLE, raising=False)
    files({} if text is None else {"/proc/cpuinfo": text}, monkeypatch)
    assert facts.maker_and_family() == ("", 0)
    assert facts.processor_name() == (platform.processor() or platform.machine())
    assert memory.group_limit() == memory.ENDLESS
    assert memory.free_addresses() > 0
    monkeypatch.setattr(facts, "physical_memory", lambda: 2**33)
    assert memory.free_memory() == 2**33
    monkeypatch.setattr(facts, "physical_memory", lambda: None)
    assert memory.free_memory() == memory.UNKNOWN


def test_bf16_is_absent_where_an_arm_processor_has_no_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(facts.VARIABLE, raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert facts.has_bf16() is False


def test_hidden_facts_are_hidden_from_all_of_ganvas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(facts.VARIABLE, "unknown")
    assert facts.processor_name() == "unknown"
    assert facts.maker_and_family() == ("", 0)
    assert facts.vector_instructions() == "DEFAULT"
    assert facts.glibc() is None
    assert not facts.has_bf16()
    assert not arithmetic.helps.__wrapped__()
    assert memory.free_memory() == memory.UNKNOWN
    assert memory.group_limit() == memory.ENDLESS


READERS = (
    "/proc/",
    "/sys/",
    "get_cpu_capability",
    "_is_avx512",
    "_is_amx",
    "platform.processor",
    "ctypes.CDLL",
    "sysconf",
)


def test_only_one_module_asks_the_system() -> None:
    package = Path(facts.__file__).parents[1]
    for path in package.rglob("*.py"):
        if path != Path(facts.__file__):
            text = path.read_text().replace('system_file("/', "")
            assert not [word for word in READERS if word in text], (
                f"{path} asks the system itself: use machine/facts.py"
            )


@pytest.mark.trains
def test_tests_and_their_subprocesses_have_the_threads_that_were_asked_for() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import os, torch; print(os.environ['OMP_NUM_THREADS'], torch.get_num_threads())"],
        capture_output=True,
        text=True,
        check=True,
    )
    threads = str(torch.get_num_threads())
    assert told.stdout.split() == [threads, threads]
