"""`limedb shell`: in a pipe, on a real terminal, and what it offers.

Tests limedb/cli/shell.py, limedb/cli/sessions.py, limedb/cli/shell_terminal.py and
limedb/operator/connections.py as well.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from limedb.cli.app import cli
from limedb.cli.shell_lines import words_of
from limedb.cli.shell_words import candidates, keys_at
from limedb.client import connect_sync
from limedb.operator.calls import node_client
from limedb.operator.connections import sharing
from limedb.tls.target import Target
from tests.support.children import child
from tests.support.clusters import RunningCluster, limedb
from tests.support.waiting import wait_for

LIMIT_SECONDS = 60.0


def piped(lines: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "limedb", "shell", *arguments]
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("get a", ["get", "a"]),
        ("limedb get 'a b'", ["get", "a b"]),
        ("", []),
        ("  # get a", []),
        ("set a '#'", ["set", "a", "#"]),
    ],
)
def test_a_line_is_split_as_a_shell_does(line: str, words: list[str]) -> None:
    assert words_of(line) == words


def test_lines_of_a_pipe_are_carried_out_without_a_prompt(cluster: RunningCluster) -> None:
    lines = "set shell/a '1 2'\n# a comment\n\nget shell/a\nlimedb count --prefix shell/\n"
    done = piped(lines, "--target", cluster.envoy_address)
    assert (done.returncode, done.stdout, done.stderr) == (0, "OK\n1 2\n1\n", "")


def test_a_failure_ends_only_its_line_and_the_last_one_is_the_exit_code(cluster: RunningCluster) -> None:
    lines = "get shell/none\nset shell/x\nget 'open\nnonsense\nset shell/b 1\nget shell/none\nget shell/b\n"
    done = piped(lines, "--target", cluster.envoy_address)
    assert (done.returncode, done.stdout) == (3, "OK\n1\n")
    for complaint in ("key not found", "give either VALUE or --file", "quote", "No such command 'nonsense'"):
        assert complaint in done.stderr


def test_exit_ends_it_and_help_lists_what_there_is(cluster: RunningCluster) -> None:
    done = piped("help\nhelp ttl\nexit\nget shell/none\n", "--target", cluster.envoy_address)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^get +Print the values of keys\.$", done.stdout, re.MULTILINE)
    assert "Usage: limedb ttl" in done.stdout
    assert not re.search(r"^serve ", done.stdout, re.MULTILINE)
    refused = piped("shell\nserve\n", "--target", cluster.envoy_address)
    assert (refused.returncode, refused.stderr.count("is not a command of the shell")) == (2, 2)


def test_the_level_counts_for_all_lines_unless_one_says_otherwise(cluster: RunningCluster) -> None:
    """A scan can't be linearizable, so it shows which level it was sent with."""
    where = ("--target", cluster.envoy_address)
    done = piped("keys shell/none\nkeys shell/none --consistency one\n", "--level", "linearizable", *where)
    assert done.stderr.count("linearizable: a scan") == 1
    done = piped("level\nlevel Linearizable\nkeys\nlevel default\nkeys shell/none\nlevel high\n", *where)
    assert done.stdout.splitlines()[0] == "the node's default"
    assert (done.returncode, done.stderr.count("linearizable: a scan")) == (2, 1)


def test_a_line_may_ask_another_cluster(cluster: RunningCluster) -> None:
    done = piped("health --target 127.0.0.1:1\nhealth\n", "--target", cluster.envoy_address)
    assert (done.returncode, done.stdout) == (1, "SERVING\n")
    assert "nothing answers at 127.0.0.1:1" in done.stderr


def test_all_commands_share_one_channel(cluster: RunningCluster) -> None:
    target = cluster.nodes[0].address
    with sharing():
        with node_client(target) as first, node_client(target) as second:
            assert first._channel is second._channel
        with node_client(Target(target, token="x")) as other:
            assert other._channel is not first._channel
        assert first.is_serving(), "it stays open"
    with node_client(target) as third:
        assert third._channel is not first._channel


def test_commands_options_and_keys_are_offered(cluster: RunningCluster) -> None:
    with connect_sync(cluster.envoy_address) as db:
        db.set_many({"offered/one": "1", "offered/two words": "2", "offered/\x1b": "3"})

    def offered(line: str) -> list[str]:
        target = Target(cluster.envoy_address)
        return [word for word, _ in candidates(cli, line, lambda prefix: keys_at(target, prefix))]

    assert offered("per") == ["persist"]
    assert "help" in offered("")
    assert "serve" not in offered("")
    assert offered("context re") == ["remove"]
    assert offered("ttl --cons") == ["--consistency"]
    keys = ["offered/one", "'offered/two words'"]
    wait_for("keys come in time", lambda: offered("get offered/") == keys)
    wait_for("keys come in time", lambda: offered("get offered/one offered/t") == keys[1:])
    wait_for("keys come in time", lambda: offered("count --prefix offered/o") == keys[:1])
    assert offered("set offered/one o") == []
    assert offered("get 'offered/") == []
    assert offered("nonsense x") == []


def test_where_no_cluster_answers_no_key_is_offered() -> None:
    assert keys_at(Target("127.0.0.1:1"), "a") == []


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, ours: int, process: "subprocess.Popen[str]") -> None:
        self._ours, self.process, self._shown = ours, process, ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def complete(self, word: str) -> None:
        """Press TAB until a word is completed: on a busy machine the keys may come too late at first."""
        end = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < end:
            self.type("\t")
            with suppress(AssertionError):
                self.wait(word, 5.0)
                return
        raise AssertionError(f"{word!r} is not offered")

    def wait(self, text: str, seconds: float = LIMIT_SECONDS) -> str:
        """What it shows up to a text, which is then taken away."""
        end = time.monotonic() + seconds
        while text not in self._shown:
            assert time.monotonic() < end, f"waited in vain for {text!r} in {self._shown!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self._shown += os.read(self._ours, 65536).decode(errors="replace")
                if "\x1b[6n" in self._shown:  # it asks where the cursor is, as terminals answer
                    self._shown = self._shown.replace("\x1b[6n", "")
                    self.type("\x1b[1;1R")
        before, _, self._shown = self._shown.partition(text)
        return before


@contextmanager
def on_terminal(cluster: RunningCluster, home: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "limedb", "shell", "--target", cluster.envoy_address]
    environ = {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(home)}
    with child(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            os.close(ours)


PROMPT = ">\x1b"
"""Its end, as prompt_toolkit draws it."""


def test_on_a_terminal_it_prompts_completes_remembers_and_outlives_ctrl_c(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    with connect_sync(cluster.envoy_address) as db:
        db.set("terminal/key", "found-it")
    with on_terminal(cluster, tmp_path) as terminal:
        terminal.wait(PROMPT)
        terminal.type("get terminal/")
        terminal.complete("key")
        terminal.type("\r")
        terminal.wait("found-it")
        terminal.wait(PROMPT)
        terminal.type("watch --prefix terminal/\r")
        terminal.wait("watching")
        terminal.process.send_signal(signal.SIGINT)
        terminal.wait(PROMPT)
        assert terminal.process.poll() is None
        terminal.type("half a line\x03")
        terminal.wait(PROMPT)
        terminal.type("\x1b[A\x1b[A\r")  # two lines up: the first one again
        terminal.wait("found-it")
        terminal.wait(PROMPT)
        terminal.type("\x04")
        assert terminal.process.wait(LIMIT_SECONDS) == 130, "that of the line that was interrupted"
    history = tmp_path / "limedb" / "shell_history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "+get terminal/key" in history.read_text()


def test_its_help_names_what_it_has(cluster: RunningCluster) -> None:
    assert "Ctrl-C stops only the running command" in limedb("shell", "--help").stdout
