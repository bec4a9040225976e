"""How the process of a command ends: at once when it is done, its output written or an error in words.

Tests limedb/__main__.py.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

pytestmark = pytest.mark.process

STUCK = """
import gc, sys, threading

gc.disable()  # so that only the interpreter's end collects

class Call:
    '''As a call of gRPC whose lock is held by a thread that no longer runs; only a collection frees it.'''

    def __init__(self):
        self.itself, self.lock = self, threading.Lock()
        self.lock.acquire()

    def __del__(self):
        with self.lock:
            pass

Call()
sys.argv = ["limedb", *sys.argv[1:]]
from limedb.__main__ import main
main()
"""


def run(*command: str, stdout: int | IO[str] = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "code", "output"),
    [("--version", 0, "limedb, version"), ("get k --target 127.0.0.1:1", 1, ""), ("gett", 2, "")],
)
def test_what_the_interpreter_leaves_behind_keeps_no_command_from_its_end(
    command: str, code: int, output: str
) -> None:
    done = run("-c", STUCK, *command.split())
    assert (done.returncode, output in done.stdout, "Error" in done.stderr) == (code, True, code != 0)


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["completion", "bash"]])
def test_output_that_has_no_room_fails_the_command_in_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run("-m", "limedb", *command, stdout=full)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: the output can't be written: No space left on device\n",
    )


def test_a_command_without_a_stdout_or_a_stderr_runs() -> None:
    shell = f'"{sys.executable}" -m limedb --version'
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(f"{shell} {closed}", shell=True, timeout=60, check=False, capture_output=True)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), closed


def test_a_bug_leaves_its_traceback_and_the_exit_code_1() -> None:
    script = "import limedb.__main__ as m; m.cli = lambda: 1 / 0; m.main()"
    done = run("-c", script)
    assert (done.returncode, "ZeroDivisionError" in done.stderr) == (1, True)


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = run("-m", "limedb", "--help", stdout=write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
