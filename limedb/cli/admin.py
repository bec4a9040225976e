"""`limedb admin`: the members of the cluster, and changes of it; arguments only. Screens: admin_screen.py."""

import click

from limedb.cli import admin_screen as screen
from limedb.cli.numbers import Whole
from limedb.cli.options import SECONDS, Command, Group, target_option
from limedb.cli.targets import as_url
from limedb.cli.users import new_secret, token, user
from limedb.operator.admin import admin_client
from limedb.tls.target import Target

_timeout = click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=SECONDS,
    metavar="DURATION",
    help="How long to wait for an answer.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Only show what would move.")
_no_wait = click.option("--no-wait", is_flag=True, help="Return once the change has begun.")
_url = click.argument("url", metavar="URL")
_node = click.argument("node_name", metavar="NODE")


@click.group(
    cls=Group,
    examples="""
    limedb admin status
    limedb admin decommission http://node4:8484 --dry-run
    """,
)
def admin() -> None:
    """Show and change the members and users of the cluster; repair it."""


admin.add_command(user)
admin.add_command(token)
admin.add_command(new_secret)


@admin.command(
    cls=Command,
    examples="""
    limedb admin status
    limedb admin status -o json --target localhost:7001
    """,
)
@click.option(
    "-o", "--output", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@target_option
@_timeout
def status(shape: str, target: Target, timeout: float) -> None:
    """Show the members, the change under way, and any problems."""
    with admin_client(target, timeout) as node:
        state = node.status()
    if shape == "json":
        click.echo(state.as_json)
    else:
        screen.show_status(state)


@admin.command(
    "join-plan",
    cls=Command,
    examples="""
    limedb admin join-plan http://node5:8484 --zone rack2
    """,
)
@_url
@click.option("--zone", default="", help="The host or rack that the node would stand on.")
@click.option("--virtual-nodes", type=Whole(0, 4096), help="Points on the ring. Default: 256.")
@target_option
@_timeout
def join_plan(url: str, zone: str, virtual_nodes: int | None, target: Target, timeout: float) -> None:
    """Show what would move if a node at URL joined. To make a node join, start it with NODE_PEERS."""
    with admin_client(target, timeout) as node:
        screen.show_plan(node.plan_join(as_url(url), zone, virtual_nodes))


@admin.command(
    cls=Command,
    examples="""
    limedb admin decommission http://node4:8484 --dry-run
    limedb admin decommission http://node4:8484
    """,
)
@_node
@_dry_run
@_no_wait
@target_option
@_timeout
def decommission(node_name: str, dry_run: bool, no_wait: bool, target: Target, timeout: float) -> None:
    """Make NODE (URL, host:port or host) leave, and wait until others have its keys. Ctrl-C stops only the
    waiting.
    """
    with admin_client(target, timeout) as node:
        url = node.status().url_of(node_name)
        plan = node.decommission(url, dry_run)
        screen.show_plan(plan)
        if not (dry_run or no_wait):
            screen.wait_gone(node, url, plan.epoch, timeout)


@admin.command(
    cls=Command,
    examples="""
    limedb admin remove http://node4:8484
    """,
)
@_node
@_dry_run
@_no_wait
@target_option
@_timeout
def remove(node_name: str, dry_run: bool, no_wait: bool, target: Target, timeout: float) -> None:
    """Remove the dead NODE (URL, host:port or host), and wait until others have its keys. Ctrl-C stops only
    the waiting.
    """
    with admin_client(target, timeout) as node:
        url = node.status().url_of(node_name)
        plan = node.remove(url, dry_run) if dry_run else screen.remove_dead(node, url, timeout)
        screen.show_plan(plan)
        if not (dry_run or no_wait):
            screen.wait_gone(node, url, plan.epoch, timeout)


@admin.command(
    cls=Command,
    examples="""
    limedb admin cancel --dry-run
    """,
)
@_dry_run
@target_option
@_timeout
def cancel(dry_run: bool, target: Target, timeout: float) -> None:
    """Cancel the change under way: a joining node stays out, a leaving one stays in."""
    with admin_client(target, timeout) as node:
        screen.show_plan(node.cancel(dry_run))


@admin.command(
    cls=Command,
    examples="""
    limedb admin repair --target localhost:7001
    """,
)
@target_option
@_timeout
def repair(target: Target, timeout: float) -> None:
    """Make all ranges of the node at --target equal to those of their other owners. Ctrl-C stops it."""
    with admin_client(target, timeout) as node:
        screen.show_repair(node.repair())


@admin.command(
    cls=Command,
    examples="""
    limedb admin scrub --target localhost:7001
    """,
)
@target_option
@_timeout
def scrub(target: Target, timeout: float) -> None:
    """Read all records of the node at --target, and mend damaged ones from the other replicas. Ctrl-C stops
    it.
    """
    with admin_client(target, timeout) as node:
        screen.show_scrub(node.scrub())
