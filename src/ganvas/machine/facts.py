"""What the system says about the machine. All of ganvas reads it here.

GANVAS_MACHINE=unknown in the environment hides it, as on a system that says nothing: no name of the processor, no bf16, no
vector instructions, no size of memory, no glibc. Results must not depend on any of these; speed and messages may.
"""

import ctypes
import functools
import os
import platform
from pathlib import Path

import torch

VARIABLE = "GANVAS_MACHINE"


def hidden() -> bool:
    return os.environ.get(VARIABLE) == "unknown"


def system_file(path: str) -> str:
    """The text of a file below /proc or /sys; empty where the system has no such file."""
    try:
        return "" if hidden() else Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def processor() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo: "vendor_id", "cpu family", "model name" and others. Linux only."""
    lines = (line.partition(":") for line in reversed(system_file("/proc/cpuinfo").splitlines()))
    return {name.strip(): value.strip() for name, _, value in lines}


def processor_name() -> str:
    if hidden():
        return "unknown"
    return processor().get("model name") or platform.processor() or platform.machine()


def maker_and_family() -> tuple[str, int]:
    """The processor's vendor and its family, such as ("AuthenticAMD", 26); empty and 0 where the system does not say."""
    found = processor()
    family = found.get("cpu family", "")
    return found.get("vendor_id", ""), int(family) if family.isdecimal() else 0


def vector_instructions() -> str:
    """The instructions that torch's own kernels use: "AVX512", "AVX2", "DEFAULT" or another processor's."""
    return "DEFAULT" if hidden() else torch.backends.cpu.get_cpu_capability()


def has_bf16() -> bool:
    """Whether the processor has instructions for bf16: AVX512_BF16 or AMX of x86, or Arm's."""
    if hidden():
        return False
    if platform.machine() in ("aarch64", "arm64"):
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # absent where torch has no oneDNN
        return supported is not None and bool(supported())
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # pyright: ignore[reportPrivateUsage]


def physical_memory() -> int | None:
    """Bytes of memory that the machine has; None where the system does not say, as on Windows."""
    try:
        return None if hidden() else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    return None if hidden() else _glibc()


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
    except (OSError, TypeError):
        return None
