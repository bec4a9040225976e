"""`limedb tui` as a command."""

import subprocess
import sys

from tests.support.clusters import limedb


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_other_commands_do_not_load_textual() -> None:
    code = "import sys; from limedb.cli.app import cli; cli(['get', '--help'], standalone_mode=False);"
    done = python(code + "sys.exit('textual' in sys.modules or 'rich' in sys.modules)")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_textual_it_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['textual'] = None; sys.stdin.isatty = sys.stdout.isatty = lambda: True;"
    done = python(code + "from limedb.cli.app import cli; cli(['tui'])")
    assert done.returncode == 1
    assert done.stderr == "Error: the terminal UI needs Textual: pip install 'limedb[tui]'\n"


def test_in_a_pipe_it_says_that_it_needs_a_terminal() -> None:
    done = limedb("tui")
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs a terminal" in done.stderr


def test_help_has_an_example() -> None:
    assert "limedb tui --target localhost:7001" in limedb("tui", "--help").stdout
