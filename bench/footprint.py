"""The footprint of keys: bytes on disk, and memory of the processes.

Each system starts empty, is filled through its batch client, and is looked at before and after: so what it
takes without keys (an interpreter) doesn't count. The disk is looked at when it has stopped, with nothing
under way or made ready. Memory is what belongs to the
processes alone (USS): pages of a mapped file are the kernel's, which takes them back when it wants.
"""

from pathlib import Path

import psutil

from bench import names
from bench.clients.loops import fill
from bench.data import VALUE_SIZE, dataset
from bench.results import Results
from bench.subjects import Subject

_BLOCK = 512  # what st_blocks counts in


def measure(subject: Subject, count: int, results: Results) -> None:
    """Add both figures of a running, empty system."""
    assert subject.batches
    system = subject.system
    system.stop()
    disk = disk_of(system.folder)
    system.start()
    memory = memory_of(system.pids)
    fill(subject.batches, system.address, dataset(count))
    taken = memory_of(system.pids) - memory
    system.stop()  # all that is in memory or in a log under way is on disk then
    name = names.with_keys(system.name, count)
    results.add(
        names.DISK, name, f"bytes, of values of {VALUE_SIZE}", (disk_of(system.folder) - disk) / count
    )
    results.add(names.MEMORY, name, "MB", taken / count)


def disk_of(folder: Path) -> int:
    """Return the bytes that a folder's files take up on the disk."""
    return sum(path.stat().st_blocks * _BLOCK for path in folder.rglob("*") if path.is_file())


def memory_of(pids: list[int]) -> int:
    """Return the bytes that would be free without the processes."""
    return sum(int(psutil.Process(pid).memory_full_info().uss) for pid in pids)
