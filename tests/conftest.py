"""What all tests share."""

import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import browser
from tests.support.started import StartedProcesses

_started = StartedProcesses()
hypothesis.settings.register_profile("limedb", deadline=None)  # a busy machine is no counterexample
hypothesis.settings.load_profile("limedb")


def pytest_configure() -> None:
    """Keep bytecode, although the environment may forbid it: tests start thousands of processes, and each
    would compile the whole package anew, which is half of a node's start.

    Hear signals although whoever started the tests did not (`nohup make test &` ignores SIGINT): what is
    ignored here would be ignored by all processes that tests start.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test fails the run: what is not run there is run nowhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        os.environ.get("CI")
        and reporter
        and reporter.stats.get("skipped")
        and exitstatus == pytest.ExitCode.OK
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Of the long tests, which load the whole machine, one runs at a time, whatever the number of workers.
    The time of waiting isn't the test's.
    """
    if item.get_closest_marker("long") is None:
        return (yield)
    with Path(__file__).open() as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip by name what needs a right that the user lacks. A test whose fixtures start a process says so."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        item.add_marker(pytest.mark.skip(reason="needs root"))
    if item.get_closest_marker("browser") and (lacking := browser.lacking()):
        item.add_marker(pytest.mark.skip(reason=lacking))
    with _started.are_announced(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that starts a process says so."""
    with _started.are_announced(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[pytest.TestReport]:
    """Escape what no UTF-8 can say (tests log such texts): workers send their reports as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
