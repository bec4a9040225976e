"""`limedb serve`: one node in the foreground.

Tested in tests/scenarios/test_names.py.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from limedb.aio.grpc_poller import choose_poller
from limedb.cli.codes import code_of
from limedb.cli.output import error_line
from limedb.config import SETTINGS, Setting, load
from limedb.errors import LimeDBError


def _option(setting: Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a setting as an option, with its long name and that of the Go LimeDB."""
    names = [setting.flag, *([setting.go_flag] if setting.go_flag else []), setting.field]
    text = " ".join(setting.help.split())
    if setting.default:
        text += f" Default: {setting.default}."
    return click.option(*names, default=None, metavar="VALUE", help=f"{text}  [{setting.name}]")


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    for setting in reversed(SETTINGS):
        command = _option(setting)(command)
    return command


@click.command()
@_with_settings
def serve(**flags: Any) -> None:  # noqa: ANN401 (one text or None a setting)
    """Run a node in the foreground until SIGTERM or SIGINT; it then finishes its requests and stops.

    Each setting is an option and an environment variable, whose name is in brackets; the option wins.

    \b
    Example: three nodes on one machine; the second and third know the first
      limedb serve --server-port 7001
      limedb serve --server-port 7002 --node-peers http://localhost:7001
      limedb serve --server-port 7003 --node-peers http://localhost:7001
    """  # noqa: D301 (click reads the \b)
    choose_poller()
    from limedb.node import run
    from limedb.observability.log_queue import LogQueue

    try:
        run(load(os.environ, flags))
    except LimeDBError as error:
        lines = LogQueue(sys.stderr)  # a pipe that nobody reads must not keep the process from exiting
        lines.put(error_line(str(error)))
        lines.close()
        sys.exit(code_of(error))
