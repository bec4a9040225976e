"""`limedb serve`: one node in the foreground.

Tested in tests/scenarios/test_names.py.
"""

import os
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import click

from limedb.aio.grpc_poller import choose_poller
from limedb.cli.codes import code_of
from limedb.cli.output import error_line
from limedb.config import SETTINGS, Setting, load
from limedb.errors import LimeDBError
from limedb.tls.version import allow_only_tls_1_3


def _option(setting: Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a setting as an option, with its long name and that of the Go LimeDB."""
    names = [setting.flag, *([setting.go_flag] if setting.go_flag else []), setting.field]
    text = " ".join(setting.help.split())
    if setting.default:
        text += f" Default: {setting.default}."
    bare: dict[str, Any] = (
        {} if setting.value_of_flag is None else {"is_flag": False, "flag_value": setting.value_of_flag}
    )
    return click.option(*names, default=None, metavar="VALUE", help=f"{text}  [{setting.name}]", **bare)


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    for setting in reversed(SETTINGS):
        command = _option(setting)(command)
    return command


class _Serve(click.Command):
    """The command, which takes options of the Go LimeDB's form: a dash, and words with dots."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, which would take a misspelled one for the option of its first letter."""
        known = [name for parameter in self.params for name in parameter.opts]
        for argument in args:
            name = argument.partition("=")[0]
            if re.fullmatch(r"-[a-z][a-z-]*\.[a-z.-]*", name) and name not in known:
                raise click.NoSuchOption(name, possibilities=get_close_matches(name, known), ctx=ctx)
        return super().parse_args(ctx, args)


@click.command(cls=_Serve)
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
    allow_only_tls_1_3()
    from limedb.node import run
    from limedb.observability.log_queue import LogQueue

    try:
        config = load(os.environ, flags)
        if config.join_token_file is not None:
            from limedb.operator.joining import obtain

            obtain(config)
        run(config)
    except LimeDBError as error:
        lines = LogQueue(sys.stderr)  # an unread pipe must not keep the process from exiting
        lines.put(error_line(str(error)))
        lines.close()
        sys.exit(code_of(error))
