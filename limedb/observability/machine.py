"""The memory of the machine and of this process.

It owns the reads from the kernel. It must never decide what is too much.

Tested in tests/observability/test_watchman.py.
"""

import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

import psutil

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int:
    """The most bytes that this process may use: the machine's, or its container's if that has fewer."""
    whole: int = psutil.virtual_memory().total
    limits = (_number(Path(path)) for path in _LIMITS)
    return min([whole, *(limit for limit in limits if limit)])


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # there is no such group, or it has no limit ("max")
        return None


def own_memory_reader() -> Callable[[], int]:
    """A function that reads the bytes that this process holds itself, without its mapped files.

    A call costs some ten microseconds.
    """
    statm, page = Path("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE")
    if not statm.exists():
        process = psutil.Process()
        return lambda: int(process.memory_info().rss)

    def read() -> int:
        _, resident, shared, *_ = statm.read_bytes().split()
        return (int(resident) - int(shared)) * page

    return read


def give_back() -> None:
    """Free objects that refer only to each other, such as refused calls, and let the C library return freed
    memory to the kernel, where it can (glibc).

    The first step takes some ten milliseconds, the second some hundred, without the interpreter's lock: call
    it in a thread.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
