"""Messages of GossipService to values and back.

It owns the meaning of each field. It must never decide which values are valid: `cluster/gossip/bounds.py`
does.

Tested in tests/wire/test_kv.py and tests/rpc/server/test_cluster.py.
"""

from collections.abc import Sequence

from limedb.cluster.gossip.bounds import MAX_ENTRIES
from limedb.core.membership import Ack, Digest, NodeState
from limedb.wire.load import load_from, load_message
from limedb.wire.topology import cluster_id_from, cluster_number
from limedbpb.v1 import gossip_pb2


def syn_payload(digests: Sequence[Digest]) -> gossip_pb2.GossipPayload:
    """The content of a SYN."""
    return gossip_pb2.GossipPayload(digests=[_digest(d) for d in digests])


def ack2_payload(updates: Sequence[NodeState]) -> gossip_pb2.GossipPayload:
    """The content of an ACK2."""
    return gossip_pb2.GossipPayload(digests_update=[_state(s) for s in updates])


def ack_response(ack: Ack) -> gossip_pb2.ExchangeResponse:
    """An ACK as the answer to a peer."""
    return gossip_pb2.ExchangeResponse(
        digests_update=[_state(s) for s in ack.updates],
        digests_request=[_digest(d) for d in ack.requests],
        now_ms=ack.now_ms,
        time_ms=ack.time_ms,
        node_url=ack.name,
    )


def ack_from(response: gossip_pb2.ExchangeResponse) -> Ack:
    """The ACK in a peer's answer."""
    return Ack(
        updates=tuple(state_from(s) for s in response.digests_update[:MAX_ENTRIES]),
        requests=tuple(digest_from(d) for d in response.digests_request[:MAX_ENTRIES]),
        now_ms=response.now_ms,
        time_ms=response.time_ms,
        name=response.node_url,
    )


def digest_from(message: gossip_pb2.Digest) -> Digest:
    """A digest as a peer sent it."""
    return Digest(message.node_url, message.generation, message.heartbeat)


def state_from(message: gossip_pb2.NodeState) -> NodeState:
    """A node's state as a peer sent it."""
    return NodeState(
        url=message.node_url,
        generation=message.generation,
        heartbeat=message.heartbeat,
        address=message.address,
        zone=message.zone,
        version=message.version,
        keys=message.keys,
        node_id=message.node_id,
        cluster_id=cluster_id_from(message.cluster_id),
        epoch=message.epoch,
        virtual_nodes=message.virtual_nodes,
        has_data=message.has_data,
        has_left=message.has_left,
        replication_factor=message.replication_factor,
        load=load_from(message.load) if message.HasField("load") else None,
        rejoins=cluster_id_from(message.rejoins),
    )


def _digest(digest: Digest) -> gossip_pb2.Digest:
    return gossip_pb2.Digest(node_url=digest.url, generation=digest.generation, heartbeat=digest.heartbeat)


def _state(state: NodeState) -> gossip_pb2.NodeState:
    return gossip_pb2.NodeState(
        node_url=state.url,
        generation=state.generation,
        heartbeat=state.heartbeat,
        address=state.address,
        zone=state.zone,
        version=state.version,
        keys=state.keys,
        node_id=state.node_id,
        cluster_id=cluster_number(state.cluster_id),
        epoch=state.epoch,
        virtual_nodes=state.virtual_nodes,
        has_data=state.has_data,
        has_left=state.has_left,
        replication_factor=state.replication_factor,
        load=load_message(state.load) if state.load else None,
        rejoins=cluster_number(state.rejoins),
    )
