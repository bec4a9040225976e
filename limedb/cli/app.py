"""The command line's root: which commands there are, and how an error looks.

It owns the lazy loading, so that `limedb --help` needs none of what the commands need.
"""

import importlib
import sys
from typing import Any

import click

from limedb.errors import ConfigError, LimeDBError

_COMMANDS = {
    "serve": ("limedb.cli.serve:serve", "Run a node in the foreground."),
    "cluster": ("limedb.cli.cluster:cluster", "Run a cluster on this machine, with Envoy in front."),
    "envoy-config": (
        "limedb.cli.envoy_config:envoy_config",
        "Print a configuration of Envoy for some nodes.",
    ),
    "get": ("limedb.cli.kv:get", "Print the value of a key."),
    "set": ("limedb.cli.kv:set_", "Store a value under a key."),
    "del": ("limedb.cli.kv:del_", "Delete a key."),
    "admin": ("limedb.cli.admin:admin", "See and change who belongs to the cluster; repair it."),
    "tui": ("limedb.cli.tui:tui", "Watch and use a cluster in the terminal."),
    "health": ("limedb.cli.kv:health", "Ask a node whether it takes requests."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is run, and turns LimeDBError into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which people need them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (click's own type)
        """Run the command. Exit code 2: what was asked can't be done as it was put; 1: it failed."""
        try:
            return super().invoke(ctx)
        except LimeDBError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2 if isinstance(error, ConfigError) else 1)


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="limedb", prog_name="limedb")
def cli() -> None:
    """Run and use LimeDB, a distributed key-value store."""
