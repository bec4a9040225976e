"""The bounds of a topology, wherever it comes from: a peer, a file, a person.

It owns the bounds of its numbers and names. It must never judge whether a topology is the cluster's:
`cluster/topology/verifier.py` finds that out.
"""

import re
from collections.abc import Iterator

from limedb.core.topology import Member, MemberState, Phase, Topology

MAX_EPOCH = 1 << 48
"""Changes can't reach an epoch above this one."""
MAX_REPLICATION_FACTOR = 16
MAX_MEMBERS = 1000
MAX_VIRTUAL_NODES = 4096
MAX_POINTS = 1 << 18
"""Points of all members together: a node builds a ring with this many points in about a second."""
MAX_URL = 256
"""Bytes of a node's URL."""
MAX_ZONE = 128
"""Characters of a zone."""
MAX_ID = 64
"""Characters of a node's id; a UUID has 36."""

_URL = re.compile(r"http://[A-Za-z0-9._:\[\]-]+:[0-9]{1,5}")
_CLUSTER_ID = re.compile(r"[0-9a-f]{16}")


def flaw(topology: Topology) -> str:
    """Why a document can't be a topology, with the value found; empty: it can be one.

    A fresh node's (epoch 0) is empty.
    """
    if topology.is_fresh:
        return "" if topology == Topology() else "it has epoch 0, which no cluster has, and isn't empty"
    return next(_flaws(topology), "")


def _flaws(topology: Topology) -> Iterator[str]:
    members = topology.members
    if not _CLUSTER_ID.fullmatch(topology.cluster_id):
        yield f"its cluster is {topology.cluster_id[:32]!r}: it must be 16 hex digits"
    if not 0 < topology.epoch <= MAX_EPOCH:
        yield f"its epoch is {topology.epoch}: it must be 1 to {MAX_EPOCH}"
    if not 1 <= topology.replication_factor <= MAX_REPLICATION_FACTOR:
        yield (
            f"its replication factor is {topology.replication_factor}: it must be 1 to"
            f" {MAX_REPLICATION_FACTOR}"
        )
    if not 1 <= len(members) <= MAX_MEMBERS:
        yield f"it has {len(members)} members: it must have 1 to {MAX_MEMBERS}"
        return
    for member in members:
        yield from _member_flaws(member)
    if (points := sum(max(1, member.virtual_nodes) for member in members)) > MAX_POINTS:
        yield f"its members have {points} virtual nodes together: {MAX_POINTS} at most"
    yield from _flaws_of_all(topology)


def _member_flaws(member: Member) -> Iterator[str]:
    if not 1 <= len(member.node_id) <= MAX_ID or not _is_plain(member.node_id):
        yield f"a member's id is {member.node_id[:80]!r}: it must be 1 to {MAX_ID} printable characters"
    if len(member.url) > MAX_URL or not is_url(member.url):
        yield f"a member's url is {member.url[:80]!r}: it must be http://HOST:PORT of at most {MAX_URL} bytes"
    if not is_zone(member.zone):
        yield f"the zone of {member.url} is {member.zone[:80]!r}: {MAX_ZONE} printable characters at most"
    if not 0 <= member.virtual_nodes <= MAX_VIRTUAL_NODES:
        yield f"{member.url} has {member.virtual_nodes} virtual nodes: it must have 0 to {MAX_VIRTUAL_NODES}"


def _flaws_of_all(topology: Topology) -> Iterator[str]:
    ids = [member.node_id for member in topology.members]
    if ids != sorted(set(ids)):
        yield "its members aren't in the order of their ids, each once"
    for places in (
        [m.url for m in topology.members if m.standing is not MemberState.REMOVING],
        [m.url for m in topology.members if m.standing is MemberState.REMOVING],
    ):
        if len(places) != len(set(places)):
            yield "two of its members have one URL"
    if (topology.phase is Phase.STEADY) is bool(topology.changing):
        yield f"its phase is {topology.phase}, and {len(topology.changing)} of its members are changing"
    if not topology.voters or not topology.new_owners:
        yield "nobody is left to own the ring"
    if topology.writes_suspended and topology.phase is not Phase.STEADY:
        yield "it gives way while a change runs"


def is_url(url: str) -> bool:
    """Whether it has the form of a node's URL."""
    found = _URL.fullmatch(url)
    return found is not None and 0 < int(url.rpartition(":")[2]) < 1 << 16


def is_zone(zone: str) -> bool:
    """Whether it can be the name of a zone."""
    return len(zone) <= MAX_ZONE and _is_plain(zone)


def _is_plain(text: str) -> bool:
    return text.isprintable()
