"""`limedb tui` as a command.

Tests limedb/cli/tui.py.
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.support.clusters import RunningCluster, limedb


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.process
def test_other_commands_do_not_load_textual() -> None:
    code = "import sys; from limedb.cli.app import cli; cli(['get', '--help'], standalone_mode=False);"
    done = python(code + "sys.exit('textual' in sys.modules)")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
def test_without_textual_it_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['textual'] = None; from limedb.cli.app import cli;"
    code += "sys.stdin.isatty = sys.stdout.isatty = sys.stderr.isatty = lambda: True;"
    done = python(code + "cli(['tui'])")
    assert done.returncode == 1
    assert "the terminal UI needs Textual: pip install 'limedb[tui]'\n" in done.stderr


@pytest.mark.process
def test_in_a_pipe_it_says_that_it_needs_a_terminal() -> None:
    done = limedb("tui")
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs a terminal" in done.stderr


@pytest.mark.process
def test_help_has_an_example() -> None:
    assert "limedb tui --target localhost:7001" in limedb("tui", "--help").stdout


def test_it_runs_in_a_terminal_until_q(cluster: RunningCluster) -> None:
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "limedb", "tui", "--target", cluster.nodes[0].address]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    try:
        _read_until(screen, b"3/3 nodes")
        os.write(screen, b"q")
        _read_until(screen, b"")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(30)
        os.close(screen)


def _read_until(screen: int, what: bytes) -> None:
    """Read what a terminal is sent until something comes; empty: until nobody uses it any more."""
    shown, end = b"", time.monotonic() + 30
    while not what or what not in shown:
        assert time.monotonic() < end, shown
        assert select.select([screen], [], [], 30)[0], shown
        try:
            shown += os.read(screen, 65536)
        except OSError:  # the last process that used it has ended
            assert not what, shown
            return
