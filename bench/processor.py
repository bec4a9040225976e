"""Processor time of running processes, which is steadier than a rate on a busy machine.

Tested in tests/benchmarks/test_processor.py.
"""

from collections.abc import Iterable

import psutil


def used_seconds(pids: Iterable[int]) -> float:
    """Return the seconds that the processes have had a processor, in their own code and in the kernel."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


def warm_up_seconds(seconds: float) -> float:
    """Return how long a measurement of that many seconds calls before it counts."""
    return min(1.0, seconds / 4)


def micros_of_one(used: float, rate: float, seconds: float) -> float:
    """Return the microseconds of one operation. used: seconds, of the warm-up too. rate: operations/s."""
    return 1e6 * used / (rate * (seconds + warm_up_seconds(seconds)))
