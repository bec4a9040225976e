"""`limedb status|ring|gossip|locate`: the cluster as a node sees it.

Tested in tests/cli/test_commands.py.
"""

import time
from collections.abc import Iterable

import click

from limedb.cli.options import command, target_option, timeout_option
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, show_rows
from limedb.core.conditions import condition, is_known
from limedb.operator.cluster import View, cluster_client
from limedb.operator.silence import no_data
from limedb.tls.target import Target

_WHOLE = 1 << 64


@command(
    "status",
    examples="""
    limedb status
    limedb status -o json | jq -r '.members[].url'
    """,
)
@output_option(TABLE)
@target_option
@timeout_option
def status(shape: str, target: Target, timeout: float) -> None:
    """Show the cluster's members, as the target node sees them."""
    with cluster_client(target, timeout) as node:
        response = node.state()
    if shape == JSON:
        echo_json(response)
        return
    cluster = response["clusterId"] or "none yet"
    head = (
        f"cluster {cluster}, epoch {response['epoch']} ({response['phase']}), {response['activeNodes']} of"
        f" {response['totalNodes']} nodes active, {response['replicationFactor']} replicas of each key"
    )
    columns = ("NODE", "ZONE", "MEMBER", "STATUS", ">KEYS", ">OWNS", ">LAG S", ">REQ/S")
    show_rows(shape, columns, [_member(member) for member in response["members"]], head)
    for member in response["members"]:
        if shape == TABLE and not _is_known(member):
            click.echo(f"! {member['url']}: {no_data(time.time(), member['lag'])}")
    if response["problem"]:
        click.echo(f"! {response['nodeUrl']} takes no requests: {response['problem']}", err=shape == RAW)


def _member(member: View) -> tuple[object, ...]:
    is_heard = _is_known(member)
    return (
        member["url"],
        member["zone"] or "-",
        member["standing"],
        condition(member["status"], member["reachable"]),
        member["keys"] if is_heard else "-",
        f"{member['share']:.1%}",
        member["lag"],
        member["load"]["requestsPerSecond"] if is_heard and "load" in member else "-",
    )


def _is_known(member: View) -> bool:
    return is_known(member["status"], member["reachable"])


@command(
    "ring",
    examples="""
    limedb ring
    limedb ring -o json | jq .virtualNodeDistribution
    """,
)
@output_option(TABLE)
@target_option
@timeout_option
def ring(shape: str, target: Target, timeout: float) -> None:
    """Show the share of the ring of which each node is the first owner; with -o json all ranges."""
    with cluster_client(target, timeout) as node:
        response = node.ring()
    if shape == JSON:
        echo_json(response)
        return
    even = 1 / max(response["totalNodes"], 1)
    rows = [
        (url, response["virtualNodeDistribution"][url], f"{share:.2%}", f"{share / even - 1:+.1%}")
        for url, share in ((url, _share(response["ranges"].get(url, ()))) for url in response["allNodes"])
    ]
    show_rows(shape, ("NODE", ">POINTS", ">FIRST OWNER", ">DEVIATION"), rows)


def _share(ranges: Iterable[View]) -> float:
    return sum(float(owned["size"]) for owned in ranges) / _WHOLE  # 0.2 has it as text


@command(
    "gossip",
    examples="""
    limedb gossip --target localhost:7002
    limedb gossip -o json | jq .cluster_health
    """,
)
@output_option(TABLE)
@target_option
@timeout_option
def gossip(shape: str, target: Target, timeout: float) -> None:
    """Show the target node's view of the others by gossip."""
    with cluster_client(target, timeout) as node:
        response = node.gossip()
    if shape == JSON:
        echo_json(response)
        return
    head = (
        f"{response['node_url']} sees the cluster as {response['cluster_health']}:"
        f" {response['active_peers']} of {response['total_peers']} peers active,"
        f" {response['stale_peers']} stale, {response['dead_peers']} dead"
    )
    rows = [
        (peer["url"], peer["status"], peer["lag"], peer["heartbeat"], peer["generation"])
        for peer in response["peer_details"]
    ]
    show_rows(shape, ("PEER", "STATUS", ">LAG S", ">HEARTBEAT", ">GENERATION"), rows, head)


@command(
    "locate",
    examples="""
    limedb locate greeting
    limedb locate greeting -o json | jq '.owners[].url'
    """,
)
@click.argument("key")
@output_option(TABLE)
@target_option
@timeout_option
def locate(key: str, shape: str, target: Target, timeout: float) -> None:
    """Show which nodes hold KEY, and which version each has."""
    with cluster_client(target, timeout) as node:
        response = node.locate(key)
    if shape == JSON:
        echo_json(response)
        return
    place = f"{int(response['token']) / _WHOLE:.2%}"
    rows = [
        (owner["url"], owner["zone"] or "-", owner["role"], owner["status"], _holds(owner), owner["version"])
        for owner in response["owners"]
    ]
    head = f"token {response['token']} (at {place} of the ring), epoch {response['epoch']}"
    show_rows(shape, ("NODE", "ZONE", "ROLE", "STATUS", "HOLDS", ">VERSION"), rows, head)


def _holds(owner: View) -> str:
    if owner["error"]:
        return str(owner["error"])
    if not owner["hasRecord"]:
        return "nothing"
    return "a tombstone" if owner["tombstone"] else f"{owner['size']} bytes"
