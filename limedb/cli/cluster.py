"""`limedb cluster`: arguments and screens only.

Tested in tests/launch/test_cluster.py.
"""

import sys
from typing import Any

import click

from limedb.cli.access_options import access_options, host_of_option
from limedb.cli.cluster_nodes import COMMANDS, in_folder, shape_option
from limedb.cli.cluster_screen import show_places, show_started, show_states, show_stopped
from limedb.cli.numbers import Whole
from limedb.cli.options import SECONDS, Command, Group, ready_option
from limedb.config import DEFAULT_PORT
from limedb.errors import ConfigError
from limedb.launch import cluster as launcher
from limedb.launch import foreground
from limedb.launch.addresses import LOOPBACK
from limedb.launch.last_start import BASE_PORT, NODES
from limedb.launch.plan import MAX_NODES
from limedb.launch.records import Folder
from limedb.observability.log_queue import LogQueue


@click.group(
    cls=Group,
    examples="""
    limedb cluster start --nodes 4 --detach
    limedb cluster status
    limedb cluster stop
    """,
)
def cluster() -> None:
    """Run a cluster on this machine, with Envoy in front."""


def _settings(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, equals, value in pairs:
        if not name or not equals:
            raise ConfigError("-e", f"{name}{value}", "NAME=VALUE")
    return {name: value for name, _, value in pairs}


@cluster.command()
@click.option("--nodes", type=Whole(1, MAX_NODES), help=f"How many nodes.  [default: {NODES}]")
@click.option(
    "--base-port",
    type=Whole(1, 65535),
    help=f"The first node's port; the others have the ports after it.  [default: {BASE_PORT}]",
)
@click.option(
    "--port",
    type=Whole(1, 65535),
    help=f"Envoy's port: REST, gRPC, gRPC-Web, Connect.  [default: {DEFAULT_PORT}]",
)
@click.option(
    "--host",
    callback=host_of_option,
    help=f"Where Envoy listens; 0.0.0.0: everywhere.  [default: {LOOPBACK}]",
)
@click.option(
    "--envoy/--no-envoy", "with_envoy", default=None, help="Whether to run Envoy too.  [default: envoy]"
)
@click.option("--access-log", is_flag=True, help="Make Envoy log each request.")
@click.option("--tls", is_flag=True, help="Speak TLS everywhere, with certificates made in --data-dir.")
@access_options(
    "Where Envoy publishes operators' services (limedb admin), which each node has, too. Default: where all"
    " others are if only this machine reaches --host, otherwise nowhere."
)
@click.option("--auth", is_flag=True, help="Ask for tokens; DIR/root.token has one that may do everything.")
@click.option(
    "--insecure",
    is_flag=True,
    help="Let Envoy listen beyond loopback without --tls and --auth, open to anyone who reaches it.",
)
@click.option(
    "-e", "settings", multiple=True, metavar="NAME=VALUE", callback=_settings, help="A setting of all nodes."
)
@click.option(
    "--empty",
    is_flag=True,
    help="Found a new, empty cluster where the data of all nodes was and is gone.  [default: refuse]",
)
@click.option(
    "--forget",
    is_flag=True,
    help="Take no option from the last start, except the nodes whose data exists.",
)
@click.option("--detach", is_flag=True, help="Return once the cluster is ready, and let it run.")
@ready_option
@shape_option
@in_folder
def start(folder: Folder, detach: bool, seconds: float, shape: str, **options: Any) -> None:  # noqa: ANN401 (LaunchPlan checks them)
    """Start nodes, and Envoy in front of them; they are ready when all nodes see each other.

    Without options it starts the same cluster as the last start in --data-dir, including nodes that were
    added: options that you leave out are those of the last start, and -e adds to its settings. The defaults
    below apply to the first start. Nodes that have data keep their number and ports.

    If that takes longer than --timeout, or a node stops, the command prints the reason for each node, and
    exits with 1. If a node serves by then, all keep running; otherwise it stops them, and reports that.

    \b
    Example: four nodes that keep nothing on disk
      limedb cluster start --nodes 4 -e STORE=memory
    """  # noqa: D301 (click looks for the character, not for its escape)
    try:
        with foreground.interruptible():
            launch = launcher.start(launcher.plan_start(folder, **options), seconds)
    except KeyboardInterrupt:
        click.echo("interrupted; all started processes are stopped", err=True)
        sys.exit(130)
    if launch.warning:
        click.echo(f"warning: {launch.warning}", err=True)
    if detach:
        show_started(shape, folder, launch)
        return
    # The reader of this output may stop reading: the cluster must then neither freeze nor be left behind.
    out, err = LogQueue(sys.stdout), LogQueue(sys.stderr)
    try:
        show_places(launch, out.put)
        out.put("Ctrl-C stops the cluster.")
        foreground.stay(folder, err.put)
    finally:
        out.close()
        err.close()


@cluster.command(
    cls=Command,
    examples="""
    limedb cluster status || echo "not all run"
    """,
)
@shape_option
@in_folder
def status(shape: str, folder: Folder) -> None:
    """Show the processes; exit with 0 if all run, else with 1."""
    launch = folder.read()
    show_states(launch, shape)
    sys.exit(any(service.state != "running" for service in launch.services))


@cluster.command(
    cls=Command,
    examples="""
    limedb cluster stop --data-dir data/cluster
    """,
)
@click.option(
    "--timeout",
    "seconds",
    type=SECONDS,
    metavar="DURATION",
    help="How long nodes may take to stop; those still running are then killed."
    " Default: what their settings allow.",
)
@shape_option
@in_folder
def stop(folder: Folder, shape: str, seconds: float | None) -> None:
    """Stop all processes; the nodes finish their requests first. `limedb cluster start` starts them again."""
    show_stopped(shape, folder, launcher.stop(folder, lambda line: click.echo(line, err=True), seconds))


for command in COMMANDS:
    cluster.add_command(command)
