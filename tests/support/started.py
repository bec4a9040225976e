"""Holds that a test which starts a process bears a mark that says so, so that `make unit` can leave it out.

It owns the list of those marks. A test without one that starts a process, by itself or by a fixture, fails in
every run.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

MARKS = ("browser", "cluster", "process", "root")
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}


class StartedProcesses:
    """The processes that this one starts, as Python's audit events report them (PEP 578)."""

    def __init__(self) -> None:
        self._started: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, facts: tuple[object, ...]) -> None:
        if event in STARTS:
            self._started.append(f"{event} {facts[:1]}")

    @contextmanager
    def are_announced(self, item: pytest.Item) -> Iterator[None]:
        """Fail the test when it starts a process meanwhile, unless a mark says that it does."""
        self._started.clear()
        yield
        if self._started and not any(item.get_closest_marker(mark) for mark in MARKS):
            pytest.fail(f"it starts a process ({self._started[0]}): mark it with one of {', '.join(MARKS)}")
