"""`limedb get|set|del|health`: one request to a node or to Envoy."""

import sys

import click

from limedb.core.quorum import Level
from limedb.errors import LimeDBError, RemoteError
from limedb.rpc.calls import node_client

target_option = click.option(
    "--target",
    default="localhost:8484",
    show_default=True,
    metavar="HOST:PORT",
    envvar="LIMEDB_TARGET",
    help="The node, or Envoy, to ask.",
)
timeout_option = click.option(
    "--timeout", default=5.0, show_default=True, metavar="SECONDS", help="How long to wait for the answer."
)
consistency_option = click.option(
    "--consistency",
    "level",
    type=click.Choice([level.value for level in Level], case_sensitive=False),
    callback=lambda _context, _option, value: Level(value) if value else None,
    help="How many replicas must agree. Default: the node's.",
)


@click.command()
@click.argument("key")
@consistency_option
@target_option
@timeout_option
def get(key: str, level: Level | None, target: str, timeout: float) -> None:
    """Print the value of KEY; exit with 3 when it has none."""
    try:
        with node_client(target, timeout) as node:
            value = node.get(key, level).value
    except RemoteError as error:
        if error.kind != "KeyNotFoundError":
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(3)
    if isinstance(value, bytes):
        sys.stdout.buffer.write(value)
    else:
        click.echo(value)


@click.command("set")
@click.argument("key")
@click.argument("value")
@click.option("--ttl-ms", default=0, metavar="MS", help="Milliseconds to live. Default: for ever.")
@consistency_option
@target_option
@timeout_option
def set_(key: str, value: str, ttl_ms: int, level: Level | None, target: str, timeout: float) -> None:
    """Store VALUE under KEY, and print OK."""
    with node_client(target, timeout) as node:
        node.set(key, value, ttl_ms, level)
    click.echo("OK")


@click.command("del")
@click.argument("key")
@consistency_option
@target_option
@timeout_option
def del_(key: str, level: Level | None, target: str, timeout: float) -> None:
    """Delete KEY, and print 1, or 0 when it had no value."""
    with node_client(target, timeout) as node:
        click.echo(node.delete(key, level))


@click.command()
@target_option
@timeout_option
def health(target: str, timeout: float) -> None:
    """Ask a node whether it takes requests; exit with 0 when it does, else with 1."""
    try:
        with node_client(target, timeout) as node:
            serving = node.is_serving()
    except LimeDBError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo("SERVING" if serving else "NOT_SERVING")
    sys.exit(0 if serving else 1)
