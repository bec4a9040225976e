"""Converts answers of nodes to the values of console_values.py. It must never call a node.

Tested in tests/tui/test_console.py.
"""

from limedb.core.node_urls import address_of
from limedb.operator.console_values import (
    ChangeSample,
    Gossip,
    KeyRow,
    NodeRow,
    Owner,
    PeerGossip,
    Sample,
)
from limedb.wire.load import load_from
from limedbpb.v1 import cluster_pb2, kv_pb2


def sample(address: str, answer: cluster_pb2.WatchClusterResponse) -> Sample:
    """Convert the cluster at one moment. address: host:port of the node that sent it."""
    return Sample(
        address=address,
        node_url=answer.node_url,
        nodes=tuple(_node(node) for node in answer.nodes),
        cluster_id=answer.cluster_id,
        epoch=answer.epoch,
        phase=answer.phase,
        replicas=answer.replication_factor,
        status=answer.status,
        problem=answer.problem,
        change=_change(answer.change) if answer.HasField("change") else None,
    )


def gossip(answer: cluster_pb2.GetGossipResponse) -> Gossip:
    """Convert a node's view of the others by gossip."""
    peers = tuple(PeerGossip(p.url, p.status, p.heartbeat, p.lag) for p in answer.peer_details)
    return Gossip(
        answer.node_url,
        answer.cluster_health,
        answer.node_heartbeat,
        answer.average_lag,
        answer.max_lag,
        peers,
    )


def entry(answer: kv_pb2.ScanEntry) -> KeyRow:
    """Convert a scanned key."""
    return KeyRow(answer.key, answer.size, answer.version, answer.expires_at_ms)


def owner(answer: cluster_pb2.KeyOwner) -> Owner:
    """Convert what an owner of a key holds."""
    return Owner(
        answer.url, answer.role, answer.version, answer.tombstone, answer.expires_at_ms, answer.error
    )


def _node(node: cluster_pb2.ClusterNode) -> NodeRow:
    return NodeRow(
        url=node.url,
        standing=node.standing,
        status=node.status,
        zone=node.zone,
        share=node.share,
        reachable=node.reachable,
        keys=node.keys,
        lag=node.lag,
        generation=node.generation,
        heartbeat=node.heartbeat,
        hints=node.hint_bytes,
        virtual_nodes=node.virtual_nodes,
        clock_offset=node.clock_offset_ms if node.HasField("clock_offset_ms") else None,
        load=load_from(node.load) if node.HasField("load") else None,
        address=node.address or address_of(node.url),
    )


def _change(change: cluster_pb2.Change) -> ChangeSample:
    return ChangeSample(
        what=change.what,
        phase=change.phase,
        spans=sum(p.spans for p in change.progress),
        done=sum(p.spans_done for p in change.progress),
        keys=sum(p.keys for p in change.progress),
        rate=sum(p.keys_per_second for p in change.progress),
    )
