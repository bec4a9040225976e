"""ReplicaService: peers' calls to this node's replica. It must never coordinate: one hop, no loops.

Tested in tests/rpc/peer/test_remote_replica.py and tests/rpc/peer/test_stream.py.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

from limedb.core.layout import Span
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence
from limedb.encoding.record import encode, from_message
from limedb.errors import InvalidRequestError, StaleEpochError
from limedb.ports import Clock, Replica
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.memory import Share
from limedb.rpc.server.peer_requests import Own, StreamResponder
from limedb.wire import replica as convert
from limedb.wire.topology import fence_from, topology_message
from limedbpb.v1 import replica_pb2, replica_pb2_grpc


class OwnReplica(Replica, Own, Protocol):
    """The node's own replica; see `replication.replica.LocalReplica`."""

    async def scan_stored(self, span: Span, limit: int, fence: Fence) -> list[bytes] | None:
        """As `scan`, in stored form; None: the store has none."""


class ReplicaServicer(replica_pb2_grpc.ReplicaServiceServicer):
    """Serves the node's own replica to its peers; a peer whose topology is too old gets the newer one."""

    service = replica_pb2.DESCRIPTOR.services_by_name["ReplicaService"]

    def __init__(self, own: OwnReplica, deadlines: Deadlines, clock: Clock, memory: Share) -> None:
        self._memory = memory
        self._own, self._deadlines, self._clock = own, deadlines, clock

    def Carry(
        self, requests: AsyncIterator[replica_pb2.CarryRequest], context: Context
    ) -> AsyncGenerator[Any, None]:  # of bytes: they are encoded already
        return StreamResponder(self._own, self._clock, self._memory, context.peer()).answer(requests)

    async def Read(self, request: replica_pb2.ReadRequest, context: Context) -> replica_pb2.ReadResponse:
        fence = fence_from(request.fence)
        try:
            records = await self._own.read(
                request.keys, fence, self._deadlines.of(context), request.most_bytes or None
            )
        except StaleEpochError as stale:
            return replica_pb2.ReadResponse(newer=topology_message(stale.topology))
        return convert.read_response(records, request.marks_damaged)

    async def Apply(self, request: replica_pb2.ApplyRequest, context: Context) -> replica_pb2.ApplyResponse:
        fence = fence_from(request.fence)
        records = [from_message(message) for message in request.records]
        try:
            deadline = self._deadlines.of(context)
            applied = await self._own.apply(records, fence, deadline, request.copied)
        except StaleEpochError as stale:
            return replica_pb2.ApplyResponse(newer=topology_message(stale.topology))
        return convert.apply_response(applied)

    async def ScanTokens(
        self, request: replica_pb2.ScanTokensRequest, context: Context
    ) -> replica_pb2.ScanTokensResponse:
        fence = fence_from(request.fence)
        if not request.HasField("span") or not request.limit:
            raise InvalidRequestError("a scan needs a span, and a limit from 1 on")
        span = convert.span_from(request.span)
        try:
            page = await self._own.scan_stored(span, request.limit, fence)
            if page is None:
                found = await self._own.scan(span, request.limit, fence, self._deadlines.of(context))
                page = [encode(record) for record in found]
        except StaleEpochError as stale:
            return replica_pb2.ScanTokensResponse(newer=topology_message(stale.topology))
        return replica_pb2.ScanTokensResponse(records=page)

    async def ScanKeys(
        self, request: replica_pb2.ScanKeysRequest, context: Context
    ) -> replica_pb2.ScanKeysResponse:
        fence = fence_from(request.fence)
        if not request.limit:
            raise InvalidRequestError("a scan needs a limit from 1 on")
        keys = convert.range_from(request)
        try:
            deadline = self._deadlines.of(context)
            page = await self._own.scan_range(keys, request.limit, fence, deadline, request.keys_only)
        except StaleEpochError as stale:
            return replica_pb2.ScanKeysResponse(newer=topology_message(stale.topology))
        return convert.range_response(page, request.keys_only)

    async def WatchChanges(
        self, request: replica_pb2.WatchChangesRequest, context: Context
    ) -> AsyncGenerator[replica_pb2.WatchChangesResponse, None]:
        fence = fence_from(request.fence)
        since_ms = request.since_ms if request.HasField("since_ms") else None
        batches = self._own.watch(WatchFilter(request.key, request.prefix), since_ms, fence)
        try:
            async with aclosing(batches):
                async for batch in batches:
                    yield convert.change_batch(batch)
        except StaleEpochError as stale:
            yield replica_pb2.WatchChangesResponse(newer=topology_message(stale.topology))

    async def Digest(
        self, request: replica_pb2.DigestRequest, context: Context
    ) -> replica_pb2.DigestResponse:
        fence = fence_from(request.fence)
        spans = [convert.span_from(span) for span in request.spans]
        try:
            digests = await self._own.digests(spans, request.cutoff_ms, fence, self._deadlines.of(context))
        except StaleEpochError as stale:
            return replica_pb2.DigestResponse(newer=topology_message(stale.topology))
        return replica_pb2.DigestResponse(digests=digests)

    async def ListEntries(
        self, request: replica_pb2.ListEntriesRequest, context: Context
    ) -> replica_pb2.ListEntriesResponse:
        fence = fence_from(request.fence)
        spans = [convert.span_from(span) for span in request.spans]
        try:
            entries = await self._own.entries(spans, fence, self._deadlines.of(context))
        except StaleEpochError as stale:
            return replica_pb2.ListEntriesResponse(newer=topology_message(stale.topology))
        return convert.entries_response(entries)

    async def Agree(self, request: replica_pb2.AgreeRequest, context: Context) -> replica_pb2.AgreeResponse:
        fence = fence_from(request.fence)
        proposals = convert.proposals_from(request)
        try:
            states = await self._own.agree(proposals, fence, self._deadlines.of(context))
        except StaleEpochError as stale:
            return replica_pb2.AgreeResponse(newer=topology_message(stale.topology))
        return convert.agree_response(states)

    async def Promise(
        self, request: replica_pb2.PromiseRequest, context: Context
    ) -> replica_pb2.PromiseResponse:
        fence = fence_from(request.fence)
        try:
            promised = await self._own.promise(
                request.key, request.ballot, fence, self._deadlines.of(context)
            )
        except StaleEpochError as stale:
            return replica_pb2.PromiseResponse(newer=topology_message(stale.topology))
        return convert.promise_response(promised)

    async def Release(
        self, request: replica_pb2.ReleaseRequest, context: Context
    ) -> replica_pb2.ReleaseResponse:
        fence = fence_from(request.fence)
        await self._own.release(request.key, request.ballot, fence, self._deadlines.of(context))
        return replica_pb2.ReleaseResponse()

    async def ListPromises(
        self, request: replica_pb2.ListPromisesRequest, context: Context
    ) -> replica_pb2.ListPromisesResponse:
        fence = fence_from(request.fence)
        spans = [convert.span_from(span) for span in request.spans]
        try:
            promises = await self._own.promises(spans, fence, self._deadlines.of(context))
        except StaleEpochError as stale:
            return replica_pb2.ListPromisesResponse(newer=topology_message(stale.topology))
        return convert.promises_response(promises)
