"""`limedb cluster add|remove|kill|pause|resume|restart|logs`: single nodes of a cluster, and Envoy; arguments
only.

Tested in tests/launch/test_changes.py.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click

from limedb.cli import admin_screen
from limedb.cli.asking import agrees
from limedb.cli.cluster_screen import show_deed, show_deeds, tool
from limedb.cli.numbers import Whole
from limedb.cli.options import Command, ready_option
from limedb.cli.output import JSON, TABLE, echo_json, output_option, put
from limedb.core.report import ChangePlan
from limedb.launch import cluster as launcher
from limedb.launch.logs import LogTail, find_logs, follow
from limedb.launch.records import Folder, Service
from limedb.launch.removal import find_removal, finish_removal
from limedb.operator.admin import AdminClient, admin_client

in_folder = click.option(
    "--data-dir",
    "folder",
    default="data/cluster",
    show_default=True,
    metavar="DIR",
    callback=lambda _context, _option, value: Folder(Path(value)),
    help="The cluster's folder: data, logs, and cluster.json.",
)
shape_option = output_option(TABLE, TABLE, JSON)
_nodes = click.argument("nodes", metavar="NODE...", nargs=-1, required=True)


def _complain(line: str) -> None:
    click.echo(line, err=True)


@click.command(cls=Command, examples="limedb cluster add && limedb status")
@shape_option
@in_folder
def add(shape: str, folder: Folder) -> None:
    """Start another node, which joins the cluster and fetches its share of the keys. Envoy sends it requests
    as soon as it serves.
    """
    node = launcher.add(folder)
    look = f"starts at {node.url}; see it join: {tool()} admin status --target {node.address}"
    show_deed(shape, node, "added", look)


@click.command(
    cls=Command,
    examples="""
    limedb cluster remove node4 --dry-run
    limedb cluster remove node4
    """,
)
@click.argument("node", metavar="NODE")
@click.option("--dry-run", is_flag=True, help="Only show what would move.")
@click.option("--yes", is_flag=True, help="Don't ask. On a terminal, the command asks first.")
@ready_option
@shape_option
@in_folder
def remove(node: str, dry_run: bool, yes: bool, seconds: float, shape: str, folder: Folder) -> None:
    """Let NODE leave the cluster, and stop it once the others have its keys.

    First it shows what will move. If the node doesn't run, the others remove it, and fetch its keys from the
    other replicas. The folder of its data stays, under another name. After Ctrl-C, run the same command again
    to continue.
    """
    removal = find_removal(folder, node)
    with admin_client(removal.target, seconds) as operator:
        if operator.status().member(removal.node.url) is not None:
            if not _leave(operator, removal.node, removal.is_dead, dry_run, yes, seconds, shape):
                return
        elif dry_run:
            click.echo(f"{removal.node.name} is no longer a member; nothing would move")
            return
    aside = finish_removal(folder, removal.node.name, _complain)
    left = f"; its data is in {aside}, and nothing needs it" if aside.exists() else ""
    show_deed(shape, removal.node, "removed", f"is removed{left}", dataDir=str(aside))


def _leave(
    operator: AdminClient, node: Service, is_dead: bool, dry_run: bool, yes: bool, seconds: float, shape: str
) -> bool:
    """Let a member leave, and return once it is out; False: it stays."""
    ask: Callable[[str, bool], ChangePlan] = operator.remove if is_dead else operator.decommission
    with redirect_stdout(sys.stderr if shape == JSON else sys.stdout):
        if is_dead:
            admin_screen.wait_dead(operator, node.url, seconds)
        admin_screen.show_plan(ask(node.url, True))
        if dry_run or not (yes or agrees(f"Remove {node.name}?")):
            return False
        plan = admin_screen.remove_dead(operator, node.url, seconds) if is_dead else ask(node.url, False)
        admin_screen.wait_gone(operator, node.url, plan.epoch, seconds)
    return True


def _signals(
    name: str, action: Callable[[Folder, Sequence[str]], list[Service]], did: str, text: str
) -> None:
    @click.command(name, cls=Command, help=text, examples=f"limedb cluster {name} node2 node3")
    @_nodes
    @shape_option
    @in_folder
    def run(nodes: tuple[str, ...], shape: str, folder: Folder) -> None:
        show_deeds(shape, action(folder, nodes), did)

    COMMANDS.append(run)


@click.command(
    cls=Command,
    examples="""
    limedb cluster restart node2
    limedb cluster restart envoy
    limedb cluster restart --all
    """,
)
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All nodes, one after another.")
@ready_option
@shape_option
@in_folder
def restart(nodes: tuple[str, ...], is_all: bool, seconds: float, shape: str, folder: Folder) -> None:
    """Start each NODE, or Envoy, again, stopping it first if it runs; return once it is ready.

    It stops a running node only once watches can count on all others, so that watching clients miss nothing.
    For that, and for each node to be ready, it waits up to --timeout; then it reports why the node is not
    ready. It also prints a node's warnings, such as about data that was set aside.
    """
    if bool(nodes) == is_all:
        raise click.UsageError("give some nodes (node1.., or envoy) or --all")
    launch = folder.read()
    services = launch.nodes if is_all else [launch.service(name) for name in nodes]
    for name in dict.fromkeys(service.name for service in services):
        problems = launcher.restart(folder, name, seconds, _complain)
        service = folder.read().service(name)
        show_deed(shape, service, "restarted", "is ready again", problems=list(problems))
        for problem in problems if shape != JSON else ():
            click.echo(f"! {problem}")


@click.command(
    cls=Command,
    examples="""
    limedb cluster logs node2
    limedb cluster logs -f node2 envoy
    """,
)
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("-f", "--follow", "follows", is_flag=True, help="Print further lines as they come.")
@click.option(
    "-n", "--lines", default=20, show_default=True, type=Whole(0, 1_000_000), help="How many first."
)
@shape_option
@in_folder
def logs(nodes: tuple[str, ...], follows: bool, lines: int, shape: str, folder: Folder) -> None:
    """Print the last lines of the logs of each NODE, or envoy; of all of them by default."""
    tails = {name: LogTail(path, lines) for name, path in find_logs(folder, nodes).items()}
    width = max(map(len, tails)) if len(tails) > 1 else 0
    for name, tail in tails.items():
        for line in tail.read() if follows else tail.rest():
            _show_line(name, line, shape, width)
    sys.stdout.flush()
    for name, line in follow(tails) if follows else ():
        _show_line(name, line, shape, width)
        sys.stdout.flush()


def _show_line(name: str, line: str, shape: str, width: int) -> None:
    if shape == JSON:
        echo_json({"name": name, "line": line}, None)
    else:
        put(f"{name:<{width}}  {line}" if width else line)


COMMANDS = [add, remove, restart, logs]
"""The commands, in the order in which they stand in the help."""

_signals("kill", launcher.kill, "killed", "Kill each NODE (node1.., or envoy) at once, as a crash would.")
_signals("pause", launcher.pause, "paused", "Freeze each NODE, with its connections open.")
_signals("resume", launcher.resume, "running again", "Let each paused NODE continue.")
