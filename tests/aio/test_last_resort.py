"""The end of a process that can't stop by itself."""

import subprocess
import sys

import pytest

_HANGS = """
import sys, threading
from limedb.aio.last_resort import LastResort
last = LastResort(0.2)
last.begin()
last.begin()
if sys.argv[1] == "called off":
    last.call_off()
    last.call_off()
else:
    threading.Event().wait()
"""


def run(what: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _HANGS, what]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.process
def test_a_process_that_hangs_ends_and_shows_where_its_threads_were() -> None:
    done = run("hang")
    assert done.returncode == 1
    assert done.stderr.startswith("the process did not stop within 0.2 s and is being ended")
    assert "threading.py" in done.stderr


@pytest.mark.process
def test_a_countdown_that_is_called_off_ends_nothing() -> None:
    done = run("called off")
    assert (done.returncode, done.stderr) == (0, "")
