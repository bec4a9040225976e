"""`limedb shell`: many commands over one connection.

It owns the terminal of the shell. In a pipe it reads lines, and prints no prompt.

Tested in tests/cli/test_shell.py.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from limedb.cli.app import LazyGroup
from limedb.cli.options import command, target_option
from limedb.cli.sessions import Session
from limedb.cli.shell_lines import Shell
from limedb.core.quorum import Level
from limedb.errors import UnsupportedError
from limedb.operator.connections import sharing
from limedb.tls.target import Target


@command(
    "shell",
    examples="""
    limedb shell
    limedb shell --level linearizable --target localhost:7001
    echo 'set greeting hello' | limedb shell
    """,
)
@click.option(
    "--level",
    "--consistency",
    "level",
    type=click.Choice([level.value for level in Level], case_sensitive=False),
    help="The consistency of all commands that name none. Default: the node's.",
)
@target_option
@click.pass_context
def shell(context: click.Context, level: str | None, target: Target) -> None:
    """Type commands without `limedb` and --target, over one connection.

    The Tab key completes commands, options and keys; help lists the commands, and exit or Ctrl-D closes the
    shell; Ctrl-C stops only the running command. `level quorum` sets the consistency of all further commands.

    From a pipe it reads one command on each line, prints no prompt, continues after a failure, and exits with
    the code of the last command that failed. Lines that begin with # are comments.
    """
    root = context.find_root().command
    if not isinstance(root, LazyGroup):
        raise click.UsageError("the shell has no commands")
    runner = Shell(root, Session(target.first, Level(level) if level else None), root.short_help_of)
    with sharing():
        sys.exit(runner.run_all(_typed(runner) if sys.stdin.isatty() else _piped()))


def history_file() -> Path:
    """The file of the typed lines, which only their owner may read."""
    home = Path(os.environ.get("HOME") or "~").expanduser()
    path = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "limedb" / "shell_history"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path


def _piped() -> Iterator[str]:
    while line := sys.stdin.readline():
        yield line


def _typed(runner: Shell) -> Iterator[str]:
    try:
        from limedb.cli.shell_terminal import typed
    except ModuleNotFoundError as missing:
        if missing.name != "prompt_toolkit":
            raise
        raise UnsupportedError(
            "shell", "on a terminal the shell needs prompt_toolkit: pip install 'limedb[shell]'"
        ) from None
    return typed(runner.root, runner.session.target, history_file())
