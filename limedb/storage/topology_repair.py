"""Builds a new topology from the files of stopped nodes, for a cluster that can't continue by itself.

It owns the choice of what to take over from damaged node files. It must never touch records, nor run while a
node does (the lock of its data prevents that). Nodes don't vote on the result, so a person vouches for it.

It takes over nothing that may be poisoned: not the epoch, the votes, nor any knowledge of a running change.
The members are the nodes with the given folders, in a steady topology under a new cluster id, so that no
other node, and no message of the old cluster, can mix with them. The id follows from the members: the same
folders give the same topology, on any machine, in any order.

A node whose data was set aside because of damage has no data that counts, and waits for its old cluster. It
must not become a member, for reads would then ask it as if it had everything: it waits for the new cluster
instead, which lets it join and fetch.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from limedb.core.bounds import MAX_REPLICATION_FACTOR, MAX_VIRTUAL_NODES, flaw, is_zone
from limedb.core.topology import Member, Topology, initial_topology
from limedb.errors import InvalidRequestError, StoreError
from limedb.ports import Saved
from limedb.storage.files import FileLock, replace_durably, store_error
from limedb.storage.node_file import JsonNodeFile

_ENDINGS = (".lmdb", ".node.json")


@dataclass(frozen=True, slots=True)
class FoundTopology:
    """A node's file as it is, sound or not."""

    path: Path
    url: str
    fields: Mapping[str, Any]
    """The readable content."""
    wrong: str
    """Why the file isn't sound; empty: it is."""
    joins_as: str = ""
    """The node_id for joining, since the node's data was set aside; empty: the node becomes a member."""


def read(path: Path) -> FoundTopology:
    """Read a node's file. path: its folder (DATA_DIR/<NODE_URL>.lmdb), or <NODE_URL>.node.json of the
    filesystem store. InvalidRequestError: it is neither.
    """
    name = path.name
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    if ending is None or not path.exists():
        raise InvalidRequestError(
            f"{path} isn't a node's data: give folders such as DATA_DIR/http:%2F%2Fnode1:8484.lmdb"
        )
    file = path / "node.json" if ending == ".lmdb" else path
    wrong, saved = "", None
    try:
        saved = JsonNodeFile(file).load()
    except StoreError as error:
        wrong = str(error)
    joins_as = saved.node_id if saved and saved.topology.is_fresh and saved.rejoins else ""
    return FoundTopology(file, name.removesuffix(ending).replace("%2F", "/"), _fields(file), wrong, joins_as)


def plan(nodes: Sequence[FoundTopology], replication_factor: int | None, virtual_nodes: int) -> Topology:
    """The new topology of these nodes. replication_factor: None: the most frequent in the files.
    virtual_nodes: for nodes whose number is in no file.

    InvalidRequestError: the files lack the replication factor, or the nodes can't form one cluster.
    """
    if len({node.url for node in nodes}) != len(nodes):
        raise InvalidRequestError("one node was given twice")
    if all(node.joins_as for node in nodes):
        raise InvalidRequestError(
            "none of these nodes has its data, which was damaged and is set aside: give the folder of one"
            " that has, or rename such a .lmdb.damaged-... back to .lmdb"
        )
    found = [_number(_topology(node).get("replication_factor")) for node in nodes]
    factor = replication_factor or _most(n for n in found if n and n <= MAX_REPLICATION_FACTOR)
    if not factor:
        raise InvalidRequestError(
            f"no replication factor of 1 to {MAX_REPLICATION_FACTOR} is in these files: give the one"
            " with which the cluster was formed, by --replication-factor"
        )
    members = [_member(node, nodes, virtual_nodes) for node in nodes if not node.joins_as]
    topology = initial_topology(_cluster_id(members, factor), factor, members)
    if wrong := flaw(topology):
        raise InvalidRequestError(f"these nodes can't be a cluster: {wrong}")
    return topology


def write(nodes: Sequence[FoundTopology], topology: Topology) -> None:
    """Write that topology to the nodes' files; the old files stay beside the new ones (*.before-repair; of a
    repair after the first one with its UTC time behind that).

    StoreError: a node runs, or a file can't be written.
    """
    with ExitStack() as locks:
        for node in nodes:
            lock = FileLock(_lock_path(node), node.path.parent)
            locks.callback(lock.release)
        for node in nodes:
            if node.path.exists():
                _keep(node.path)
        for node in nodes:
            asyncio.run(JsonNodeFile(node.path).save(_saved(node, topology)))


def _keep(file: Path) -> None:
    """Keep a copy of a file under a name of its own: a second repair must not take the first file's place."""
    kept = file.with_name(file.name + ".before-repair")
    if kept.exists():
        kept = kept.with_name(f"{kept.name}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        replace_durably(kept, file.read_bytes())
    except OSError as error:
        raise store_error(f"{kept} can't be written", error) from error


def _saved(node: FoundTopology, topology: Topology) -> Saved:
    if node.joins_as:
        return Saved(node.joins_as, rejoins=topology.cluster_id)
    member = next(m for m in topology.members if m.url == node.url)
    return replace(Saved(member.node_id), topology=topology)


def _lock_path(node: FoundTopology) -> Path:
    """The lock of the node's store."""
    if node.path.name == "node.json":
        return node.path.with_name("limedb.lock")
    return node.path.with_name(node.path.name.removesuffix(".node.json") + ".json.lock")


def _fields(file: Path) -> Mapping[str, Any]:
    try:
        fields = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _topology(node: FoundTopology) -> Mapping[str, Any]:
    topology = node.fields.get("topology")
    return topology if isinstance(topology, dict) else {}


def _member(node: FoundTopology, nodes: Sequence[FoundTopology], virtual_nodes: int) -> Member:
    """The member for a node, with the number of points and the zone that most files have, within their
    bounds.
    """
    known = [member for other in nodes for member in _members(other) if member.get("url") == node.url]
    points = [_number(member.get("virtual_nodes")) for member in known]
    sound = [number for number in points if number is not None and number <= MAX_VIRTUAL_NODES]
    zones = [zone for member in known if isinstance(zone := member.get("zone"), str) and is_zone(zone)]
    node_id = node.fields.get("node_id")
    chosen = _most(sound)
    return Member(
        node_id if isinstance(node_id, str) and node_id else str(uuid5(NAMESPACE_URL, node.url)),
        node.url,
        _most(zones) or "",
        virtual_nodes if chosen is None else chosen,
    )


def _members(node: FoundTopology) -> list[Mapping[str, Any]]:
    members = _topology(node).get("members")
    return [m for m in members if isinstance(m, dict)] if isinstance(members, list) else []


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _most(values: Iterable[Any]) -> Any:  # noqa: ANN401 (of what it was given)
    """The most frequent value, except None; of several the smallest. None: there are no values."""
    counts = Counter(value for value in values if value is not None)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def _cluster_id(members: Iterable[Member], factor: int) -> str:
    text = repr((factor, sorted((m.node_id, m.url, m.zone, m.virtual_nodes) for m in members)))
    return blake2b(text.encode(), digest_size=8).hexdigest()
