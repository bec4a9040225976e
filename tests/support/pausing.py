"""Nodes that stand still for a while, and go on by themselves.

It owns that a node that was stopped goes on, also where its test fails.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.children import LIMIT


@contextmanager
def stopped(pid: int, seconds: float) -> Iterator[None]:
    """Stop a process now (SIGSTOP), and let it go on after that time, by the machine's `sleep`, before the
    block ends.
    """
    os.kill(pid, signal.SIGSTOP)
    waker = subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {pid}"])
    try:
        yield
    finally:
        waker.wait(seconds + LIMIT)
