"""`limedb cluster`: arguments and screens only.

Tested in tests/launch/test_cluster.py.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from limedb.cli.access_options import access_options
from limedb.cli.numbers import Whole
from limedb.cli.options import SECONDS, Command, Group, ready_option
from limedb.config import DEFAULT_PORT
from limedb.errors import ConfigError
from limedb.launch import cluster as launcher
from limedb.launch import foreground
from limedb.launch.plan import MAX_NODES, LaunchPlan
from limedb.launch.records import Folder, Launch
from limedb.observability.log_queue import LogQueue

_in_folder = click.option(
    "--data-dir",
    "folder",
    default="data/cluster",
    show_default=True,
    metavar="DIR",
    callback=lambda _context, _option, value: Folder(Path(value)),
    help="The cluster's folder: data, logs, and cluster.json.",
)
_node = click.argument("node", metavar="NODE")


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
@click.option("--nodes", default=4, show_default=True, type=Whole(1, MAX_NODES))
@click.option(
    "--base-port",
    default=7001,
    show_default=True,
    type=Whole(1, 65535),
    help="The first node's port; the others have the ports after it.",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=Whole(1, 65535),
    help="Envoy's port: REST, gRPC, gRPC-Web, Connect.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where Envoy listens; 0.0.0.0: everywhere."
)
@click.option(
    "--envoy/--no-envoy", "with_envoy", default=True, help="Whether to run Envoy too.  [default: envoy]"
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
@click.option("--detach", is_flag=True, help="Return once the cluster is ready, and let it run.")
@ready_option
@_in_folder
def start(folder: Folder, detach: bool, seconds: float, **options: Any) -> None:  # noqa: ANN401 (LaunchPlan checks them)
    """Start nodes, and Envoy in front of them; they are ready when all nodes see each other.

    If that takes longer than --timeout, or a node stops, the command says why for each node, and exits with
    1. If a node serves by then, all keep running; otherwise it stops them, and says so.

    \b
    Example: four nodes that keep nothing on disk
      limedb cluster start --nodes 4 -e STORE=memory
    """  # noqa: D301 (click looks for the character, not for its escape)
    try:
        with foreground.interruptible():
            launch = launcher.start(LaunchPlan(folder, **options), seconds)
    except KeyboardInterrupt:
        click.echo("interrupted; all started processes are stopped", err=True)
        sys.exit(130)
    if launch.warning:
        click.echo(f"warning: {launch.warning}", err=True)
    if detach:
        click.echo(f"{len(launch.nodes)} nodes are ready; {folder.cluster_file} says where")
        return
    # The reader of this output may stop reading: the cluster must then neither freeze nor be left behind.
    out, err = LogQueue(sys.stdout), LogQueue(sys.stderr)
    try:
        _show(launch, out.put)
        foreground.stay(folder, err.put)
    finally:
        out.close()
        err.close()


def _show(launch: Launch, say: Callable[[str], None]) -> None:
    """Print where everything is, and what to try."""
    target = launch.envoy or launch.nodes[0]
    if launch.envoy:
        say(f"Dashboard  {launch.envoy.url}/")
        say(f"REST       {launch.envoy.url}/api/v1/")
    say(f"gRPC       {target.address}")
    if launch.envoy and launch.access.operators and str(launch.access.operators) != launch.envoy.address:
        say(f"Operators  {launch.access.operators}")
    for node in launch.nodes:
        say(f"{node.name:<10} {node.url}  {node.log}")
    say("Try:")
    if root := target.settings.get("ROOT_TOKEN_FILE") or launch.nodes[0].settings.get("ROOT_TOKEN_FILE"):
        say(f"  export LIMEDB_TOKEN_FILE={root}; limedb whoami --target {target.address}")
    tls = target.target.tls
    if tls is not None:
        say(f"  export LIMEDB_CA={tls.ca}; limedb status --target {target.address}")
    if launch.envoy:
        cacert = f"--cacert {tls.ca} " if tls else ""
        say(f"""  curl {cacert}-d '{{"key":"lime","value":"green"}}' {launch.envoy.url}/api/v1/set""")
    how = f"-cacert {tls.ca}" if tls else "-plaintext"
    say(f"""  grpcurl {how} -d '{{"key":"lime"}}' {launch.nodes[0].address} limedb.v1.KVService/Get""")
    say("Ctrl-C stops the cluster.")


@cluster.command(
    cls=Command,
    examples="""
    limedb cluster status || echo "not all run"
    """,
)
@_in_folder
def status(folder: Folder) -> None:
    """Show the processes; exit with 0 if all run, else with 1."""
    services = [(service, service.state) for service in folder.read().services]
    for service, state in services:
        click.echo(
            f"{service.name:<10} {state:<8} {service.pid.number if service.pid else '-':<8} {service.url}"
        )
    sys.exit(any(state != "running" for _, state in services))


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
@_in_folder
def stop(folder: Folder, seconds: float | None) -> None:
    """Stop all processes; the nodes finish their requests first."""
    launcher.stop(folder, lambda line: click.echo(line, err=True), seconds)


@cluster.command(
    cls=Command,
    examples="""
    limedb cluster add && limedb status
    """,
)
@_in_folder
def add(folder: Folder) -> None:
    """Start another node, which joins the cluster and fetches its share of the keys. Envoy sends it requests
    as soon as it serves.
    """
    node = launcher.add(folder)
    click.echo(f"{node.name} starts at {node.url}; see it join: limedb admin status --target {node.address}")


def _node_command(name: str, action: Callable[[Folder, str], None], text: str) -> None:
    @cluster.command(name, cls=Command, help=text, examples=f"limedb cluster {name} node2")
    @_node
    @_in_folder
    def run(node: str, folder: Folder) -> None:
        action(folder, node)


_node_command("kill", launcher.kill, "Kill NODE (node1..) at once, as a crash would.")
_node_command("pause", launcher.pause, "Freeze NODE, with its connections open.")
_node_command("resume", launcher.resume, "Let a paused NODE continue.")


@cluster.command(
    cls=Command,
    examples="""
    limedb cluster restart node2
    limedb cluster restart --all
    """,
)
@click.argument("node", metavar="[NODE]", required=False)
@click.option("--all", "is_all", is_flag=True, help="All nodes, one after another.")
@ready_option
@_in_folder
def restart(folder: Folder, node: str | None, is_all: bool, seconds: float) -> None:
    """Start NODE again, stopping it first if it runs; return once it is ready.

    It stops a running node only once all others count for watches, so that watching clients miss nothing. For
    that, and for each node to be ready, it waits as long as --timeout says; then it reports why the node is
    not ready. At the end it prints the node's warnings, such as that data was set aside.
    """
    if (node is not None) == is_all:
        raise click.UsageError("give a node (node1..) or --all")
    if node is None:
        launcher.restart_all(folder, seconds, click.echo)
    else:
        launcher.restart(folder, node, seconds, click.echo)
