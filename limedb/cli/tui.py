"""`limedb tui`: arguments only. The screen: limedb/tui.

Tested in tests/tui/test_command.py.
"""

import sys

import click

from limedb.cli.options import timeout_option, with_tls
from limedb.errors import UnsupportedError
from limedb.tls.target import Target


@click.command()
@click.option(
    "--target",
    default="localhost:8484",
    show_default=True,
    metavar="HOST:PORT,..",
    envvar="LIMEDB_TARGET",
    help="Where to begin: a node, several, or Envoy. It finds the others.",
)
@with_tls
@timeout_option
@click.option("--light", is_flag=True, help="Begin with the light theme; the key t changes it.")
def tui(target: Target, timeout: float, light: bool) -> None:
    """Watch and use a cluster in the terminal. The last line shows the keys; press ? for more.

    If a node is silent for longer than --timeout, the screen continues with another one.

    \b
    Example: a cluster of `make run`, through its first node, and through others if that dies
      limedb tui --target localhost:7001
    """  # noqa: D301 (click reads the \b)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UnsupportedError("tui", "the terminal UI needs a terminal; in a pipe use `limedb status`")
    try:
        from limedb.tui.app import LimeApp
    except ModuleNotFoundError as missing:
        if missing.name not in ("textual", "rich"):
            raise
        raise UnsupportedError("tui", "the terminal UI needs Textual: pip install 'limedb[tui]'") from None
    LimeApp(target, timeout, light=light).run()
