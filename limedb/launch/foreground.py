"""A local cluster in the foreground: it stays until Ctrl-C, SIGTERM or `limedb cluster stop`.

It owns the signals of the command and the news of processes that ended. It must never end one that merely
saw another end: a `limedb cluster restart` may follow. It must never end and leave processes behind.
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


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """For the time of the block SIGTERM and SIGINT set the event instead of ending the process."""
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
    """For the time of the block SIGTERM raises KeyboardInterrupt, as SIGINT does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stay(folder: Folder, tell: Callable[[str], None]) -> None:
    """Tell of each process that ends, until a signal or the end of the cluster; then end all of it, whatever
    this command itself fails with. tell: takes a line, and must neither wait nor raise.
    """
    told: set[Pid] = set()
    with stop_signals() as asked:
        try:
            while not asked.wait(LOOK_SECONDS):
                if not folder.launch_file.exists():  # `limedb cluster stop` has ended it
                    return
                _look(folder, told, tell)
        finally:
            if folder.launch_file.exists():
                tell("stopping")
                cluster.stop(folder, tell)


def _look(folder: Folder, told: set[Pid], tell: Callable[[str], None]) -> None:
    try:
        for line in _news(folder.read(), told):
            tell(line)
    except (LaunchError, psutil.Error, OSError) as error:  # the next look may see more
        if not folder.launch_file.exists():
            return
        tell(f"the cluster's processes can't be looked at now: {error}")


def _news(launch: Launch, told: set[Pid]) -> Iterator[str]:
    """A line for each process that ended since the last time."""
    for service in launch.services:
        if service.pid and service.pid not in told and service.state == "dead":
            told.add(service.pid)
            yield f"{service.name} ended by itself or was killed; see {service.log}"
