"""Free ports for tests.

It owns their choice: below the range from which the kernel takes ports for outgoing connections, and each
under a lock that lasts as long as the test, so that test runs side by side don't meet.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LOWEST = 10_000
KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
TRIES = 1_000


@contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """That many consecutive ports, for the time of the block."""
    highest = _ephemeral_start() - count
    for _ in range(TRIES):
        first = random.randint(LOWEST, highest)
        with ExitStack() as locks, suppress(OSError):
            ports = list(range(first, first + count))
            for port in ports:
                _hold(port, locks)
            held = locks.pop_all()
            break
    else:
        raise RuntimeError(f"no {count} free ports in a row between {LOWEST} and {highest}")
    with held:
        yield ports


@contextmanager
def free_port() -> Iterator[int]:
    """A port, for the time of the block."""
    with free_ports(1) as (port,):
        yield port


def _hold(port: int, locks: ExitStack) -> None:
    """Lock a port that nothing listens at. OSError: it is taken."""
    folder = Path(tempfile.gettempdir()) / f"limedb-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = locks.enter_context((folder / str(port)).open("w"))
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("", port))


def _ephemeral_start() -> int:
    return int(KERNEL_RANGE.read_text().split()[0]) if KERNEL_RANGE.exists() else 32_768
