"""A question on a terminal, as a program that has threads asks it."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from limedb.cli.asking import agrees

pytestmark = pytest.mark.process
PROGRAM = """
import signal, threading
from limedb.cli.asking import agrees
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the other thread gets the signal
print(agrees("Go?"))
"""


@contextmanager
def asked() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A program whose question is on its terminal, and our end of that."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        try:
            shown = ""
            while "Go? [y/N]" not in shown:
                shown += os.read(ours, 1024).decode()
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("\x04", False)]
)
def test_only_a_yes_is_one(typed: str, answer: bool) -> None:
    with asked() as (process, ours):
        os.write(ours, typed.encode())
        out, _ = process.communicate(timeout=60)
    assert out.strip() == str(answer)


def test_ctrl_c_is_heard_though_a_thread_received_it() -> None:
    with asked() as (process, _):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT


def test_a_script_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert agrees("Go?")
