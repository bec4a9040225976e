"""Messages to values and back.

It owns the meaning of each field; protobuf objects go no further in than here. It must never decide
anything: what is allowed is told by `checks.py`.
"""

from collections.abc import Iterable, Sequence

from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.record import Record, value_size
from limedb.errors import LimeDBError
from limedb.ports import Applied
from limedb.replication.coordinator import Found, Write, Written
from limedb.replication.replica import KeyPage
from limedb.rpc import status
from limedb.storage.codec import from_message, to_message
from limedbpb.v1 import gossip_pb2, kv_pb2, record_pb2, replica_pb2

SetMessage = kv_pb2.SetRequest | kv_pb2.SetDirectRequest


def write_from(request: SetMessage) -> Write:
    """The write that a Set or SetDirect asks for."""
    blob = request.WhichOneof("content") == "blob"
    return Write(request.key, request.blob if blob else request.value, request.ttl_ms)


def delete_from(request: kv_pb2.DeleteRequest) -> Write:
    """The write that a Delete asks for."""
    return Write(request.key, None)


def batch_write_from(item: kv_pb2.BatchWrite) -> Write:
    """The write that an item of a BatchSet asks for."""
    kind = item.WhichOneof("content")
    value = None if kind == "delete" else item.blob if kind == "blob" else item.value
    return Write(item.key, value, item.ttl_ms)


def get_response(found: Found) -> kv_pb2.GetResponse:
    """The answer to a Get."""
    if isinstance(found.value, str):
        return kv_pb2.GetResponse(value=found.value, node_url=found.node_url)
    return kv_pb2.GetResponse(blob=found.value, node_url=found.node_url)


def receipt(written: Written) -> record_pb2.Receipt:
    """The receipt of a write."""
    return record_pb2.Receipt(version=written.version, acked=written.acked, replicas=written.replicas)


def batch_get_result(outcome: Found | LimeDBError | None) -> kv_pb2.BatchGetResult:
    """The outcome for a key of a BatchGet; None: it has no value."""
    if outcome is None:
        return kv_pb2.BatchGetResult()
    if isinstance(outcome, LimeDBError):
        return kv_pb2.BatchGetResult(error=status.message_of(outcome))
    if isinstance(outcome.value, str):
        return kv_pb2.BatchGetResult(found=True, value=outcome.value)
    return kv_pb2.BatchGetResult(found=True, blob=outcome.value)


def batch_set_result(outcome: Written | LimeDBError) -> kv_pb2.BatchSetResult:
    """The outcome of a write of a BatchSet."""
    if isinstance(outcome, LimeDBError):
        return kv_pb2.BatchSetResult(error=status.message_of(outcome))
    return kv_pb2.BatchSetResult(receipt=receipt(outcome), existed=outcome.existed)


def list_keys_response(page: KeyPage) -> kv_pb2.ListKeysResponse:
    """The answer to a ListKeys."""
    return kv_pb2.ListKeysResponse(
        keys=[_key_entry(record) for record in page.records],
        total=page.total,
        page=page.page,
        page_size=page.page_size,
        total_pages=page.total_pages,
    )


def _key_entry(record: Record) -> kv_pb2.KeyEntry:
    if isinstance(record.value, bytes):
        return kv_pb2.KeyEntry(key=record.key, blob=record.value, size=len(record.value))
    value = record.value or ""
    return kv_pb2.KeyEntry(key=record.key, value=value, size=value_size(value))


def apply_request(records: Iterable[Record]) -> replica_pb2.ApplyRequest:
    """Records to merge at a peer."""
    return replica_pb2.ApplyRequest(records=[to_message(record) for record in records])


def apply_response(applied: Iterable[Applied]) -> replica_pb2.ApplyResponse:
    """What became of a peer's records."""
    results = [replica_pb2.ApplyResult(superseded_by=a.superseded_by, existed=a.existed) for a in applied]
    return replica_pb2.ApplyResponse(results=results)


def applied_from(response: replica_pb2.ApplyResponse) -> list[Applied]:
    """What became of the records sent to a peer."""
    return [Applied(result.superseded_by, result.existed) for result in response.results]


def read_response(records: Iterable[Record | None]) -> replica_pb2.ReadResponse:
    """What a replica holds, for a peer."""
    results = [replica_pb2.ReadResult(record=to_message(r) if r else None) for r in records]
    return replica_pb2.ReadResponse(results=results)


def records_from(response: replica_pb2.ReadResponse) -> list[Record | None]:
    """What a peer holds."""
    return [from_message(r.record) if r.HasField("record") else None for r in response.results]


def syn_payload(digests: Sequence[Digest]) -> gossip_pb2.GossipPayload:
    """What a SYN carries."""
    return gossip_pb2.GossipPayload(digests=[_digest(d) for d in digests])


def ack2_payload(updates: Sequence[NodeState]) -> gossip_pb2.GossipPayload:
    """What an ACK2 carries."""
    return gossip_pb2.GossipPayload(digests_update=[_state(s) for s in updates])


def ack_response(ack: Ack) -> gossip_pb2.ExchangeResponse:
    """The ACK as it is answered."""
    return gossip_pb2.ExchangeResponse(
        digests_update=[_state(s) for s in ack.updates], digests_request=[_digest(d) for d in ack.requests]
    )


def ack_from(response: gossip_pb2.ExchangeResponse) -> Ack:
    """The ACK as a peer answered it."""
    return Ack(
        updates=tuple(state_from(s) for s in response.digests_update),
        requests=tuple(digest_from(d) for d in response.digests_request),
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
    )
