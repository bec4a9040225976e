"""A process that a signal ends at once says so, and is not held up by it."""

import signal
import subprocess
import sys

import pytest

_DIES = """
import os, sys
from limedb.aio.last_words import leave_last_words
leave_last_words()
os.set_blocking(2, False)
filled = 0
while sys.argv[2] == "full":
    try:
        filled += os.write(2, b"x" * 4096)
    except BlockingIOError:
        break
os.set_blocking(2, True)
os.kill(os.getpid(), int(sys.argv[1]))
"""


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGBUS, signal.SIGSEGV, signal.SIGABRT])
def test_a_signal_that_ends_the_process_is_named(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(number.value), ""],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -number
    assert "Fatal Python error" in done.stderr


@pytest.mark.process
def test_a_pipe_that_nobody_reads_does_not_keep_it_alive() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _DIES, str(signal.SIGBUS.value), "full"], stderr=subprocess.PIPE
    )
    assert process.wait(30) == -signal.SIGBUS
    process.communicate(timeout=60)
