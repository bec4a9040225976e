"""The memory of the machine and of this process.

It owns what is read of the kernel for it. It must never decide what is too much.
"""

import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

import psutil

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int:
    """The bytes that this process may use at most: the machine's, or its container's where that has fewer."""
    whole: int = psutil.virtual_memory().total
    limits = (_number(Path(path)) for path in _LIMITS)
    return min([whole, *(limit for limit in limits if limit)])


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # there is no such group, or it has no limit ("max")
        return None


def own_memory_reader() -> Callable[[], int]:
    """What reads the bytes that this process holds for itself; what it maps of files is not among them.

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
    """Free what only refers to itself, as calls do that were refused, and let the C library return what it
    keeps of freed memory to the kernel, where it can (glibc).

    The first takes some ten milliseconds, the second some hundred, without the interpreter's lock: call it in
    a thread.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
