"""Outputs that nobody can have: no room, no reader, no character; and no room for what is said besides.

Tests limedb/__main__.py and the commands that print.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import running_node
from tests.support.clusters import RunningCluster, limedb

PRINTING = [
    "get text",
    "get text -o json",
    "set other x",
    "set other x -o json",
    "cas swapped x x",
    "del none",
    "incr number",
    "append added x",
    "keys",
    "keys -o json",
    "scan",
    "scan -o raw",
    "scan -o json",
    "locate text",
    "status",
    "status -o json",
    "ring",
    "gossip",
    "health",
    "top -n 1",
    "export - --format jsonl",
    "export - --format csv",
    "bench -n 10 --keys 5",
    "admin status",
    "admin join-plan http://127.0.0.1:1",
]
NO_ROOM = "Error: the output can't be written: No space left on device"


pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_node(tmp_path_factory.mktemp("small")) as cluster:
        for key in ("text", "swapped", "taken"):
            limedb("set", key, "x" if key == "swapped" else "grün", "--target", cluster.nodes[0].address)
        yield cluster


def run(
    cluster: RunningCluster, command: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "limedb", *command.split()],
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"LIMEDB_TARGET": cluster.nodes[0].address},
    )


@pytest.fixture
def full() -> Iterator[int]:
    opened = os.open("/dev/full", os.O_WRONLY)
    yield opened
    os.close(opened)


@pytest.fixture
def unread() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("command", PRINTING)
def test_output_without_room_fails_the_command_in_one_line(
    small: RunningCluster, command: str, full: int
) -> None:
    done = run(small, command, stdout=full)
    assert (done.returncode, done.stderr.splitlines()) == (1, [NO_ROOM])


@pytest.mark.parametrize("command", PRINTING)
def test_output_without_a_reader_ends_the_command_quietly(
    small: RunningCluster, command: str, unread: int
) -> None:
    done = run(small, command, stdout=unread)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("get none", 3),
        ("get-and-del none", 3),
        ("nope", 2),
        ("set k v --ttl nan", 2),
        ("get text --target 127.0.0.1:1 --timeout 1", 1),
        ("import /nowhere.csv", 2),
        ("export - --format jsonl", 0),
        ("lock held -- true", 0),
        ("bench -n 10 --keys 5", 0),
        ("status", 0),
    ],
)
def test_a_full_stderr_changes_no_exit_code(
    small: RunningCluster, command: str, code: int, full: int, unread: int
) -> None:
    for stderr in (full, unread):
        assert run(small, command, stderr=stderr).returncode == code


@pytest.mark.parametrize("command", ["get-and-set", "get-and-del"])
def test_a_value_that_is_taken_and_cannot_be_printed_is_not_lost(small: RunningCluster, command: str) -> None:
    address = small.nodes[0].address
    limedb("set", "wide", "日本", "--target", address)
    words = (command, "wide", "new") if command == "get-and-set" else (command, "wide")
    done = limedb(*words, "--target", address, env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stdout) == (1, "")
    shown, error = done.stderr.splitlines()
    assert ("\\u65e5\\u672c" in shown, "the output's encoding" in error) == (True, True)


@pytest.mark.parametrize("command", ["get-and-set", "get-and-del"])
def test_a_value_that_is_taken_and_has_no_room_is_not_lost(
    small: RunningCluster, command: str, full: int, tmp_path: Path
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    limedb("set", "bytes", "--file", str(tmp_path / "bytes"), "--target", small.nodes[0].address)
    done = run(small, f"{command} bytes" + " new" * (command == "get-and-set"), stdout=full)
    shown, error = done.stderr.splitlines()
    assert (done.returncode, '{"blob": "/w=="}' in shown, error) == (1, True, NO_ROOM)


def test_an_argument_that_the_locale_cannot_read_is_named_with_it(small: RunningCluster) -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = limedb("set", "k", "grün", "--target", small.nodes[0].address, env=env)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "LC_ALL=C.UTF-8" in line) == (2, True)
