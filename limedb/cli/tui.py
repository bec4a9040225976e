"""`limedb tui`: arguments only. The screen: limedb/tui."""

import sys

import click

from limedb.cli.kv import target_option


@click.command()
@target_option
@click.option("--light", is_flag=True, help="Begin with the light theme; t changes it.")
def tui(target: str, light: bool) -> None:
    """Watch and use a cluster in the terminal. Keys are told at the bottom, and by ?.

    \b
    Example: of a cluster of `make run`, through any of its nodes
      limedb tui --target localhost:7001,localhost:7002
    """  # noqa: D301 (click reads the \b)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo(
            "Error: the terminal UI needs a terminal: limedb admin status tells as much in a pipe", err=True
        )
        sys.exit(1)
    try:
        from limedb.tui.app import LimeApp
    except ModuleNotFoundError as missing:
        if missing.name not in ("textual", "rich"):
            raise
        click.echo("Error: the terminal UI needs Textual: pip install 'limedb[tui]'", err=True)
        sys.exit(1)
    LimeApp(target, light=light).run()
