"""`limedb lock` on real nodes: its command runs with the lock, and not without it.

Tests limedb/cli/lock.py.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from limedb.client import connect_sync
from tests.support.children import child
from tests.support.clusters import limedb
from tests.support.keys import new_key
from tests.support.waiting import wait_for


@contextmanager
def locking(
    target: str, name: str, *options: str, command: str = "echo began; exec cat"
) -> Iterator["subprocess.Popen[str]"]:
    """A command that runs with the lock, for the time of the block."""
    words = [sys.executable, "-m", "limedb", "lock", name, "--target", target, *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child([*words, "--", "sh", "-c", command], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        yield process


def test_the_command_runs_with_a_token_that_grows(node: str) -> None:
    name, tokens = new_key(), list[int]()
    for _ in range(2):
        done = limedb("lock", name, "--target", node, "--", "sh", "-c", "echo $LIMEDB_LOCK_TOKEN")
        assert (done.returncode, done.stderr) == (0, "")
        tokens.append(int(done.stdout))
    assert 0 < tokens[0] < tokens[1]


@pytest.mark.parametrize("code", [0, 1, 6, 75, 255])
def test_it_exits_as_the_command_does(node: str, code: int) -> None:
    assert limedb("lock", new_key(), "--target", node, "--", "sh", "-c", f"exit {code}").returncode == code


def test_a_command_that_a_signal_ends_exits_as_in_shells(node: str) -> None:
    done = limedb("lock", new_key(), "--target", node, "--", "sh", "-c", "kill -KILL $$")
    assert done.returncode == 128 + signal.SIGKILL


def test_what_cannot_be_run_is_one_line_and_leaves_no_lock(node: str, tmp_path: Path) -> None:
    name, file = new_key(), tmp_path / "plain.txt"
    file.write_text("no program")
    for word, code, said in (("no-such-command", 127, "not found"), (str(file), 126, "Permission denied")):
        done = limedb("lock", name, "--target", node, "--", word)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1)
        assert said in done.stderr
    with connect_sync(node) as db:
        assert db.get(name) is None


def test_others_wait_or_give_up(node: str) -> None:
    name = new_key()
    with locking(node, name, "--holder", "the first") as first:
        for option in (("--no-wait",), ("--wait", "200ms")):
            done = limedb("lock", name, "--target", node, *option, "--", "echo", "ran")
            assert (done.returncode, done.stdout) == (75, "")
            waits = r"" if option == ("--no-wait",) else r"waiting for 0.2 s at most for lock .*\n"
            assert re.fullmatch(waits + r"Error: lock '.*' is taken by 'the first'\n", done.stderr)
        with child(
            [sys.executable, "-m", "limedb", "lock", name, "--target", node, "--", "echo", "ran"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as second:
            assert second.stderr is not None
            assert second.stderr.readline() == f"waiting for lock {name!r}, which the first has\n"
            assert first.stdin is not None
            first.stdin.close()  # which ends its command
            assert second.communicate()[0] == "ran\n"
            assert second.returncode == 0


def test_the_command_ends_when_the_lock_is_lost(node: str) -> None:
    name = new_key()
    command = "trap 'echo ended; exit 0' TERM; echo began; while :; do sleep 0.1; done"
    with locking(node, name, "--ttl", "1s", command=command) as process:
        with connect_sync(node) as db:
            db.delete(name)
        said, error = process.communicate()
        assert (process.returncode, said) == (75, "ended\n")
        assert re.search(r"Error: lock '.*' is lost: it expired, or was deleted\n", error)  # and sh's words


def test_what_the_command_has_started_ends_with_it(node: str) -> None:
    name = new_key()
    command = "sh -c 'echo began; echo $$; exec sleep 600'; echo it went on"
    with locking(node, name, "--ttl", "1s", command=command) as process:
        assert process.stdout is not None
        started = int(process.stdout.readline())
        with connect_sync(node) as db:
            db.delete(name)
        process.communicate()
        assert process.returncode == 75
        wait_for("it ended", lambda: not psutil.pid_exists(started))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(node: str, number: signal.Signals) -> None:
    name = new_key()
    with locking(node, name) as process:
        process.send_signal(number)
        assert process.wait() == 128 + number
        with connect_sync(node) as db:
            assert db.get(name) is None


def test_options_that_make_no_sense_are_usage_errors(node: str) -> None:
    for options in (("--ttl", "0.5s"), ("--ttl", "nan"), ("--no-wait", "--wait", "1s"), ("--holder", "")):
        done = limedb("lock", "name", "--target", node, *options, "--", "echo", "ran")
        assert (done.returncode, done.stdout) == (2, "")
    assert limedb("lock", "name", "--target", node).returncode == 2
