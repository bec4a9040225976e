"""Signals that ask a process to stop are heard while its main thread is busy."""

import signal
import subprocess
import sys

import pytest

from tests.support.children import child

_BUSY = """
import threading
from limedb.aio.last_resort import LastResort
from limedb.aio.stop_signals import StopSignals
signals, heard = StopSignals(LastResort(30)), threading.Event()
signals.subscribe(heard.set)
print("ready", signals.is_asked, flush=True)
heard.wait()
late = threading.Event()
signals.subscribe(late.set)
print("heard", signals.is_asked, late.is_set(), flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_is_heard_and_also_by_a_subscriber_that_comes_after_it(number: signal.Signals) -> None:
    with child([sys.executable, "-c", _BUSY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready False\n"
        process.send_signal(number)
        assert process.stdout.readline() == "heard True True\n"
        assert process.wait(60) == 0


@pytest.mark.process
def test_a_process_that_hears_a_signal_and_does_not_stop_is_ended() -> None:
    hangs = _BUSY.replace("LastResort(30)", "LastResort(0.2)").replace("heard.wait()", "late = input()")
    with child(
        [sys.executable, "-c", hangs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready False\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 1
