"""Answers of nodes as the values of console_values.py. It must never ask anything."""

from limedb.config import address_of
from limedb.operator.console_values import (
    ChangeSample,
    Gossip,
    KeyRow,
    Load,
    NodeRow,
    Owner,
    PeerGossip,
    Sample,
)
from limedbpb.v1 import cluster_pb2, gossip_pb2, kv_pb2


def sample(address: str, told: cluster_pb2.WatchClusterResponse) -> Sample:
    """The cluster at one moment. address: host:port that told it."""
    return Sample(
        address=address,
        node_url=told.node_url,
        nodes=tuple(_node(node) for node in told.nodes),
        cluster_id=told.cluster_id,
        epoch=told.epoch,
        phase=told.phase,
        replicas=told.replication_factor,
        status=told.status,
        problem=told.problem,
        change=_change(told.change) if told.HasField("change") else None,
    )


def gossip(told: cluster_pb2.GetGossipResponse) -> Gossip:
    """What a node has heard of the others."""
    peers = tuple(PeerGossip(p.url, p.status, p.heartbeat, p.lag) for p in told.peer_details)
    return Gossip(
        told.node_url, told.cluster_health, told.node_heartbeat, told.average_lag, told.max_lag, peers
    )


def entry(told: kv_pb2.ScanEntry) -> KeyRow:
    """A scanned key."""
    return KeyRow(told.key, told.size, told.version, told.expires_at_ms)


def owner(told: cluster_pb2.KeyOwner) -> Owner:
    """What an owner of a key holds."""
    return Owner(told.url, told.role, told.version, told.tombstone, told.expires_at_ms, told.error)


def _node(node: cluster_pb2.ClusterNode) -> NodeRow:
    return NodeRow(
        url=node.url,
        standing=node.standing,
        status=node.status,
        zone=node.zone,
        share=node.share,
        keys=node.keys,
        lag=node.lag,
        generation=node.generation,
        heartbeat=node.heartbeat,
        hints=node.hint_bytes,
        virtual_nodes=node.virtual_nodes,
        clock_offset=node.clock_offset_ms if node.HasField("clock_offset_ms") else None,
        load=_load(node.load) if node.HasField("load") else None,
        address=node.address or address_of(node.url),
    )


def _load(load: gossip_pb2.NodeLoad) -> Load:
    return Load(
        disk=load.disk_bytes,
        memory=load.memory_bytes,
        cpu=load.cpu_percent,
        requests=load.requests_per_second,
        gets=load.gets_per_second,
        sets=load.sets_per_second,
        dels=load.dels_per_second,
        latency=load.average_latency_ms,
        errors=load.error_rate,
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
