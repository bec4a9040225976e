"""A local cluster in the foreground: it stays until Ctrl-C, SIGTERM or `limedb cluster stop`.

It owns the command's signals and its reports of processes that exited. It must never stop the others because
one process exited: a `limedb cluster restart` may follow. It must never exit and leave processes behind.

Tested in tests/launch/test_cluster.py.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from limedb.errors import LaunchError
from limedb.launch import cluster
from limedb.launch.processes import Pid
from limedb.launch.records import Folder, Launch

LOOK_SECONDS = 0.2
"""The time between two looks at the processes."""


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """During the block SIGTERM and SIGINT set the event instead of stopping this process."""
    asked = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: asked.set()) for number in signals]
    try:
        yield asked
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """During the block SIGTERM raises KeyboardInterrupt, as SIGINT does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stay(folder: Folder, say: Callable[[str], None]) -> None:
    """Report each process that exits, until a signal comes or the cluster is stopped; then stop all
    processes, even if this command itself fails. say: takes a line, and must neither wait nor raise.
    """
    reported: set[Pid] = set()
    with stop_signals() as asked:
        try:
            while not asked.wait(LOOK_SECONDS):
                if not folder.launch_file.exists():  # `limedb cluster stop` has stopped it
                    return
                _look(folder, reported, say)
        finally:
            if folder.launch_file.exists():
                say("stopping")
                cluster.stop(folder, say)


def _look(folder: Folder, reported: set[Pid], say: Callable[[str], None]) -> None:
    try:
        for line in _news(folder.read(), reported):
            say(line)
    except (LaunchError, psutil.Error, OSError) as error:  # the next look may see more
        if not folder.launch_file.exists():
            return
        say(f"the cluster's processes can't be checked now: {error}")


def _news(launch: Launch, reported: set[Pid]) -> Iterator[str]:
    """Yield a line for each process that has exited since the last time."""
    for service in launch.services:
        if service.pid and service.pid not in reported and service.state == "dead":
            reported.add(service.pid)
            yield f"{service.name} ended by itself or was killed; see {service.log}"
