"""Messages of ReplicaService to values and back.

It owns the meaning of each field; an answer's `newer` becomes StaleEpochError here. It must never decide
anything else.

Tested in tests/wire/test_kv.py.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from limedb.core.idempotency import AgreedVersion, Proposal, State, WriteId
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Record, value_size
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence
from limedb.encoding.record import encode, from_message, received, to_message
from limedb.errors import InvalidRequestError, RecordDamagedError, StaleEpochError, StoreCorruptError
from limedb.ports import Applied, ChangeBatch, Held, IndexEntry, KeyPromises, Promised, RangePage
from limedb.wire.frames import AT_PEER
from limedb.wire.topology import fence_message, topology_from
from limedbpb.v1 import replica_pb2, topology_pb2


class Fenced(Protocol):
    """An answer that may report that the caller's topology is too old."""

    @property
    def newer(self) -> topology_pb2.Topology:
        """The newer topology."""


def check_epoch(response: Fenced) -> None:
    """StaleEpochError: the replica did nothing, since it knows a newer topology, which the error carries."""
    if response.newer.epoch:  # a sub-message that isn't set reads as empty
        raise StaleEpochError(topology_from(response.newer))


def read_request(keys: Sequence[str], fence: Fence, most: int | None = None) -> replica_pb2.ReadRequest:
    """Keys to read at a peer. most: bytes of values."""
    return replica_pb2.ReadRequest(
        keys=keys, fence=fence_message(fence), marks_damaged=True, most_bytes=most or 0
    )


def read_response(held: Iterable[Held], marks_damaged: bool) -> replica_pb2.ReadResponse:
    """The records of a replica, for a peer. marks_damaged: the peer understands damaged records; otherwise
    they are raised (RecordDamagedError), so that it doesn't take them to be absent.
    """
    return replica_pb2.ReadResponse(results=[_read_result(each, marks_damaged) for each in held])


def _read_result(held: Held, marks_damaged: bool) -> replica_pb2.ReadResult:
    if isinstance(held, RecordDamagedError):
        if not marks_damaged:
            raise held
        return replica_pb2.ReadResult(is_damaged=True)
    return replica_pb2.ReadResult(record=to_message(held) if held else None)


def records_from(keys: Sequence[str], response: replica_pb2.ReadResponse) -> list[Held]:
    """The records that a peer holds of keys. StaleEpochError; StoreCorruptError: the number of answers
    differs.
    """
    check_epoch(response)
    if len(keys) != len(response.results):
        raise StoreCorruptError(f"{len(response.results)} answers to {len(keys)} keys")
    return [_held(key, result) for key, result in zip(keys, response.results, strict=True)]


def _held(key: str, result: replica_pb2.ReadResult) -> Held:
    if result.is_damaged:
        return RecordDamagedError((key,), AT_PEER)
    return from_message(result.record) if result.HasField("record") else None


def apply_request(records: Iterable[Record], fence: Fence, copied: bool) -> replica_pb2.ApplyRequest:
    """Records to merge at a peer."""
    return replica_pb2.ApplyRequest(
        records=[to_message(record) for record in records], fence=fence_message(fence), copied=copied
    )


def apply_response(applied: Iterable[Applied]) -> replica_pb2.ApplyResponse:
    """The outcomes of a peer's records."""
    return replica_pb2.ApplyResponse(
        results=[
            replica_pb2.ApplyResult(superseded_by=a.superseded_by, existed=a.existed, previous=a.previous)
            for a in applied
        ]
    )


def applied_from(response: replica_pb2.ApplyResponse) -> list[Applied]:
    """The outcomes of the records sent to a peer. StaleEpochError."""
    check_epoch(response)
    return [Applied(r.superseded_by, r.existed, r.previous) for r in response.results]


def scan_request(span: Span, limit: int, fence: Fence) -> replica_pb2.ScanTokensRequest:
    """A page of a range to read at a peer."""
    return replica_pb2.ScanTokensRequest(span=_span(span), limit=limit, fence=fence_message(fence))


def page_from(response: replica_pb2.ScanTokensResponse) -> list[Record]:
    """A page of a peer's range. StaleEpochError, StoreCorruptError."""
    check_epoch(response)
    return [*map(received, response.records)]


def range_request(keys: KeyRange, limit: int, fence: Fence, keys_only: bool) -> replica_pb2.ScanKeysRequest:
    """A page of a range of keys to read at a peer."""
    return replica_pb2.ScanKeysRequest(
        start=keys.start, end=keys.end, limit=limit, fence=fence_message(fence), keys_only=keys_only
    )


def range_from(request: replica_pb2.ScanKeysRequest) -> KeyRange:
    """The range that a peer asks for."""
    return KeyRange(request.start, request.end if request.HasField("end") else None)


def range_response(page: RangePage, keys_only: bool) -> replica_pb2.ScanKeysResponse:
    """A page of a range of keys, for a peer."""
    records = [_of_size(record, 0) for record in page.records] if keys_only else page.records
    response = replica_pb2.ScanKeysResponse(records=map(to_message, records), is_end=page.is_end)
    if keys_only:
        response.sizes.extend(value_size(record.value or "") for record in page.records)
    return response


def range_page_from(response: replica_pb2.ScanKeysResponse) -> RangePage:
    """A page of a peer's range of keys; zeros of the same size stand for a value left out.
    StaleEpochError.
    """
    check_epoch(response)
    records = [from_message(message) for message in response.records]
    if response.sizes:
        records = [_of_size(*sized) for sized in zip(records, response.sizes, strict=True)]
    return RangePage(records, response.is_end)


def watch_request(what: WatchFilter, since_ms: int | None, fence: Fence) -> replica_pb2.WatchChangesRequest:
    """The request for a peer's changes."""
    return replica_pb2.WatchChangesRequest(
        key=what.key, prefix=what.prefix, since_ms=since_ms, fence=fence_message(fence)
    )


def change_batch(batch: ChangeBatch) -> replica_pb2.WatchChangesResponse:
    """Changes, for a peer."""
    return replica_pb2.WatchChangesResponse(
        records=[to_message(record) for record in batch.records],
        until_ms=batch.until_ms,
        floor_ms=batch.complete_since_ms,
        has_gap=batch.has_gap,
        late=batch.late,
        started_ms=batch.started_ms,
    )


def change_batch_from(response: replica_pb2.WatchChangesResponse) -> ChangeBatch:
    """The changes of a peer. StaleEpochError."""
    check_epoch(response)
    records = [from_message(message) for message in response.records]
    return ChangeBatch(
        records,
        response.until_ms,
        response.floor_ms,
        response.has_gap,
        frozenset(response.late),
        response.started_ms,
    )


def digest_request(spans: Iterable[Span], cutoff_ms: int, fence: Fence) -> replica_pb2.DigestRequest:
    """Ranges of which to ask a peer's digests."""
    return replica_pb2.DigestRequest(
        spans=[_span(s) for s in spans], cutoff_ms=cutoff_ms, fence=fence_message(fence)
    )


def digests_from(response: replica_pb2.DigestResponse) -> list[int]:
    """A peer's digests. StaleEpochError."""
    check_epoch(response)
    return list(response.digests)


def entries_request(spans: Iterable[Span], fence: Fence) -> replica_pb2.ListEntriesRequest:
    """Ranges of which to ask a peer's entries."""
    return replica_pb2.ListEntriesRequest(spans=[_span(s) for s in spans], fence=fence_message(fence))


def entries_response(entries: Iterable[IndexEntry]) -> replica_pb2.ListEntriesResponse:
    """The entries of some ranges, for a peer."""
    return replica_pb2.ListEntriesResponse(entries=[_entry(e) for e in entries])


def entries_from(response: replica_pb2.ListEntriesResponse) -> list[IndexEntry]:
    """A peer's entries. StaleEpochError."""
    check_epoch(response)
    return [IndexEntry(e.key, e.version, e.checksum, e.ends_at_ms) for e in response.entries]


def agree_request(proposals: Iterable[Proposal], fence: Fence) -> replica_pb2.AgreeRequest:
    """Steps of agreements for a peer."""
    return replica_pb2.AgreeRequest(
        proposals=[
            replica_pb2.Proposal(
                operation=operation.id,
                token=operation.token,
                began_at_ms=operation.began_ms,
                ballot=_ballot(ballot),
                terms=_value(value),
            )
            for operation, ballot, value in proposals
        ],
        fence=fence_message(fence),
    )


def proposals_from(request: replica_pb2.AgreeRequest) -> list[Proposal]:
    """The steps that a peer asks for. InvalidRequestError: one makes no sense."""
    proposals = [
        Proposal(WriteId(p.operation, p.token, p.began_at_ms), _ballot_from(p.ballot), _value_from(p))
        for p in request.proposals
    ]
    for operation, ballot, _ in proposals:
        if len(operation.id) != 16 or not ballot.round or not 0 < len(ballot.proposer.encode()) <= 16:
            raise InvalidRequestError(f"operation {operation.id!r}, ballot {ballot}: not a proposal")
    return proposals


def agree_response(states: Iterable[State | None]) -> replica_pb2.AgreeResponse:
    """The state that a replica remembers, for a peer."""
    return replica_pb2.AgreeResponse(
        results=[
            replica_pb2.AgreeResult()
            if state is None
            else replica_pb2.AgreeResult(
                can_tell=True,
                promised=_ballot(state.promised),
                accepted=_ballot(state.accepted),
                terms=_value(state.value),
            )
            for state in states
        ]
    )


def states_from(response: replica_pb2.AgreeResponse) -> list[State | None]:
    """The state that a peer remembers. StaleEpochError."""
    check_epoch(response)
    return [
        Acceptor(_ballot_from(r.promised), _ballot_from(r.accepted), _value_from(r)) if r.can_tell else None
        for r in response.results
    ]


def promise_request(key: str, ballot: int, fence: Fence) -> replica_pb2.PromiseRequest:
    """A ballot for a peer to promise."""
    return replica_pb2.PromiseRequest(key=key, ballot=ballot, fence=fence_message(fence))


def promise_response(promised: Promised) -> replica_pb2.PromiseResponse:
    """The answer to a ballot, for a peer."""
    is_promised, highest, record = promised
    data = b"" if record is None else encode(record)
    return replica_pb2.PromiseResponse(is_promised=is_promised, highest=highest, record=data)


def promised_from(response: replica_pb2.PromiseResponse) -> Promised:
    """A peer's answer to a ballot. StaleEpochError, StoreCorruptError."""
    check_epoch(response)
    record = received(response.record) if response.record else None
    return Promised(response.is_promised, response.highest, record)


def release_request(key: str, ballot: int, fence: Fence) -> replica_pb2.ReleaseRequest:
    """A promise for a peer to take back."""
    return replica_pb2.ReleaseRequest(key=key, ballot=ballot, fence=fence_message(fence))


def promises_request(spans: Iterable[Span], fence: Fence) -> replica_pb2.ListPromisesRequest:
    """Ranges of which to ask a peer's promises."""
    return replica_pb2.ListPromisesRequest(spans=[_span(s) for s in spans], fence=fence_message(fence))


def promises_response(promises: Iterable[KeyPromises]) -> replica_pb2.ListPromisesResponse:
    """The promises of some ranges, for a peer."""
    found = [replica_pb2.KeyPromises(key=key, ballots=ballots) for key, ballots in promises]
    return replica_pb2.ListPromisesResponse(promises=found)


def promises_from(response: replica_pb2.ListPromisesResponse) -> list[KeyPromises]:
    """A peer's promises. StaleEpochError."""
    check_epoch(response)
    return [KeyPromises(each.key, tuple(each.ballots)) for each in response.promises]


def span_from(message: replica_pb2.Span) -> Span:
    """A range as a peer sent it. InvalidRequestError: it ends before it starts."""
    if message.last < message.first:
        raise InvalidRequestError(f"span of {message.first} to {message.last}: it must not run backwards")
    return Span(message.first, message.last)


def _span(span: Span) -> replica_pb2.Span:
    return replica_pb2.Span(first=span.first, last=span.last)


def _of_size(record: Record, size: int) -> Record:
    """A record with another value, of that size; a tombstone unchanged."""
    if record.value is None:
        return record
    return Record(record.key, bytes(size), record.version, record.expires_at)


def _entry(entry: IndexEntry) -> replica_pb2.Entry:
    return replica_pb2.Entry(
        key=entry.key, version=entry.version, checksum=entry.checksum, ends_at_ms=entry.ends_at
    )


def _ballot(ballot: Ballot) -> replica_pb2.OperationBallot:
    return replica_pb2.OperationBallot(round=ballot.round, proposer=ballot.proposer)


def _ballot_from(message: replica_pb2.OperationBallot) -> Ballot:
    return Ballot(message.round, message.proposer)


def _value(value: AgreedVersion | None) -> replica_pb2.Terms | None:
    if value is None:
        return None
    return replica_pb2.Terms(version=value.version, expires_at_ms=value.expires_at, existed=value.existed)


def _value_from(message: replica_pb2.Proposal | replica_pb2.AgreeResult) -> AgreedVersion | None:
    if not message.HasField("terms"):
        return None
    terms = message.terms
    return AgreedVersion(terms.version, terms.expires_at_ms, terms.existed)
