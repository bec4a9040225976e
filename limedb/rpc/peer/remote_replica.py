"""Peers behind the ports: a replica, the directory of them, and a gossip partner over gRPC.

It owns the mapping from the methods of a port to calls. It must never retry: the callers know what is safe.

Reads and applies share the link's stream. Two kinds are separate calls: those over BIG_BYTES, so that the
others don't wait behind them on the wire; and those of a request that has a span, since each of its calls has
one, and a stream is one call from its start to its end.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import grpc
from typing_extensions import override

from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence
from limedb.encoding.record import stored_form
from limedb.encoding.sums import differing
from limedb.errors import (
    OutcomeUnknownError,
    RemoteError,
    ReplicaUnreachableError,
    RequestTimeoutError,
    StoreCorruptError,
)
from limedb.ports import (
    Applied,
    ChangeBatch,
    Clock,
    GossipTransport,
    Held,
    IndexEntry,
    KeyPromises,
    Promised,
    RangePage,
    Replica,
    Replicas,
)
from limedb.rpc.peer.call import ask
from limedb.rpc.peer.change_stream import changes_of
from limedb.rpc.peer.links import PeerLink, PeerLinks
from limedb.rpc.peer.stream import PendingCall
from limedb.wire import frames
from limedb.wire import gossip as convert_gossip
from limedb.wire import replica as convert_replica
from limedb.wire.status import refusal_error
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, replica_pb2, replica_pb2_grpc

T = TypeVar("T")
Stub: TypeAlias = "replica_pb2_grpc.ReplicaServiceAsyncStub"

MARGIN_SECONDS = 0.05
"""Seconds of a deadline reserved for the node's own answer, so that the client learns which node was slow."""


BIG_BYTES = 1 << 20
"""Bytes above which a request is a separate call."""


class RemoteReplica(Replica):
    """The replica of a peer."""

    def __init__(self, link: PeerLink, clock: Clock) -> None:
        self._link, self._clock = link, clock

    @override
    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        body = frames.read_body(keys, fence, most)
        if self._stands_alone(body):
            request = convert_replica.read_request(keys, fence, most)
            response = await self._ask(lambda stub, timeout: stub.Read(request, timeout=timeout), deadline)
            return convert_replica.records_from(keys, response)
        asked = await self._carry(body, deadline)
        return self._checked(keys, self._answer_of(await asked.answer))

    @override
    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        """A peer that doesn't compare answers with its records, which are compared here."""
        body = frames.compare_body(keys, sums, fence)
        if self._stands_alone(body):
            return differing([*map(stored_form, await self.read(keys, fence, deadline))], sums)
        asked = await self._carry(body, deadline)
        answer = self._answer_of(await asked.answer)
        if answer.is_compared:
            return answer.differing
        if len(answer.records) != len(keys):
            raise self._corrupt(f"{len(answer.records)} answers to {len(keys)} keys")
        return differing(answer.records, sums)

    @override
    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        """Once sent, a write without an answer may have taken effect."""
        if not records:
            return []
        body = frames.apply_body(records, fence, copied)
        if self._stands_alone(body):
            return await self._apply_alone(records, fence, deadline, copied)
        asked = await self._carry(body, deadline)
        try:
            answer = await asked.answer
        except ReplicaUnreachableError as lost:
            if asked.is_sent:
                raise self._unknown(records, lost.why) from None
            raise
        except RequestTimeoutError as lost:
            raise self._unknown(records, str(lost)) from None
        try:
            applied = frames.applied_of(self._answer_of(answer))
        except StoreCorruptError as error:
            raise self._unknown(records, str(error)) from None
        if len(applied) != len(records):
            raise self._unknown(records, f"{len(applied)} answers to {len(records)} records")
        return applied

    async def _apply_alone(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        request = convert_replica.apply_request(records, fence, copied)
        await self._link.wait_ready(self._remaining(deadline))
        timeout = self._remaining(deadline)
        try:
            response = await ask(
                self._link, lambda: self._link.stub(_stub).Apply(request, timeout=timeout), timeout
            )
        except ReplicaUnreachableError as lost:
            raise self._unknown(records, lost.why) from None
        except RequestTimeoutError as lost:
            raise self._unknown(records, str(lost)) from None
        return convert_replica.applied_from(response)

    @override
    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        request = convert_replica.scan_request(span, limit, fence)
        response = await self._ask(lambda stub, timeout: stub.ScanTokens(request, timeout=timeout), deadline)
        return convert_replica.page_from(response)

    @override
    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        request = convert_replica.range_request(keys, limit, fence, keys_only)
        response = await self._ask(lambda stub, timeout: stub.ScanKeys(request, timeout=timeout), deadline)
        return convert_replica.range_page_from(response)

    @override
    def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        return changes_of(self._link, what, since_ms, fence)

    @override
    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        request = convert_replica.digest_request(spans, cutoff_ms, fence)
        response = await self._ask(lambda stub, timeout: stub.Digest(request, timeout=timeout), deadline)
        return convert_replica.digests_from(response)

    @override
    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        request = convert_replica.entries_request(spans, fence)
        response = await self._ask(lambda stub, timeout: stub.ListEntries(request, timeout=timeout), deadline)
        return convert_replica.entries_from(response)

    @override
    async def agree(self, proposals: Sequence[Proposal], fence: Fence, deadline: float) -> list[State | None]:
        request = convert_replica.agree_request(proposals, fence)
        response = await self._ask(lambda stub, timeout: stub.Agree(request, timeout=timeout), deadline)
        return convert_replica.states_from(response)

    @override
    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        """A peer that is too old to answer in a frame is asked by a call."""
        if not self._link.is_traced:
            body = frames.promise_body(replica_pb2.PromiseRequest(key=key, ballot=ballot), fence)
            answer = self._answer_of(await (await self._carry(body, deadline)).answer)
            if answer.HasField("promised"):
                return self._promised(answer.promised)
        request = convert_replica.promise_request(key, ballot, fence)
        response = await self._ask(lambda stub, timeout: stub.Promise(request, timeout=timeout), deadline)
        return self._promised(response)

    def _promised(self, response: replica_pb2.PromiseResponse) -> Promised:
        try:
            return convert_replica.promised_from(response)
        except StoreCorruptError as error:
            raise self._corrupt(str(error)) from None

    @override
    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        """See ports.Replica. As `promise`."""
        if not self._link.is_traced:
            body = frames.release_body(replica_pb2.ReleaseRequest(key=key, ballot=ballot), fence)
            if self._answer_of(await (await self._carry(body, deadline)).answer).is_released:
                return
        request = convert_replica.release_request(key, ballot, fence)
        await self._ask(lambda stub, timeout: stub.Release(request, timeout=timeout), deadline)

    @override
    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        request = convert_replica.promises_request(spans, fence)
        response = await self._ask(
            lambda stub, timeout: stub.ListPromises(request, timeout=timeout), deadline
        )
        return convert_replica.promises_from(response)

    async def _ask(
        self, send: "Callable[[Stub, float], grpc.aio.UnaryUnaryCall[Any, T]]", deadline: float
    ) -> T:
        await self._link.wait_ready(self._remaining(deadline))
        timeout = self._remaining(deadline)
        return await ask(self._link, lambda: send(self._link.stub(_stub), timeout), timeout)

    def _stands_alone(self, body: bytes) -> bool:
        return self._link.is_traced or len(body) > BIG_BYTES

    async def _carry(self, body: bytes, deadline: float) -> PendingCall:
        stream = await self._link.stream(self._remaining(deadline))
        return stream.ask(body, self._remaining(deadline))

    def _answer_of(self, answer: replica_pb2.Answer) -> replica_pb2.Answer:
        """An answer that isn't one of the two errors. StaleEpochError, or the peer's error."""
        if answer.HasField("refusal"):
            raise refusal_error(self._link.node_url, answer.refusal)
        convert_replica.check_epoch(answer)
        return answer

    def _checked(self, keys: Sequence[str], answer: replica_pb2.Answer) -> list[Held]:
        """The records of keys. The peer sends stored bytes without reading them, so their flaws are found
        here, and are its error.
        """
        try:
            records = frames.records_of(keys, answer)
        except StoreCorruptError as error:
            raise self._corrupt(str(error)) from None
        if len(records) != len(keys) or any(
            isinstance(r, Record) and r.key != k for r, k in zip(records, keys, strict=True)
        ):
            raise self._corrupt("it answered with records of other keys")
        return records

    def _corrupt(self, text: str) -> RemoteError:
        return RemoteError(self._link.node_url, StoreCorruptError.reason, "DATA_LOSS", text)

    def _unknown(self, records: Sequence[Record], reason: str) -> OutcomeUnknownError:
        return OutcomeUnknownError(records[0].key, 1, 0, {self._link.node_url: reason})

    def _remaining(self, deadline: float) -> float:
        remaining = deadline - self._clock.monotonic()
        return max(0.001, remaining - min(MARGIN_SECONDS, remaining / 10))


def _stub(channel: grpc.aio.Channel) -> Stub:
    return replica_pb2_grpc.ReplicaServiceStub(channel)


class ReplicaDirectory(Replicas):
    """The replicas of all nodes: the own store for the own URL, a link for every other.

    is_alive: whether gossip takes a node to be alive, by its URL. silence: the seconds since gossip heard of
    a node.
    """

    def __init__(
        self,
        own_url: str,
        own: Replica,
        links: PeerLinks,
        clock: Clock,
        is_alive: Callable[[str], bool] = lambda _: True,
        silence: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self._own_url, self._own, self._links, self._clock = own_url, own, links, clock
        self._is_alive, self._silence = is_alive, silence
        self._remote: dict[str, tuple[PeerLink, RemoteReplica]] = {}

    @override
    def at(self, node_url: str) -> Replica:
        if node_url == self._own_url:
            return self._own
        link = self._links.to(node_url)
        kept = self._remote.get(node_url)
        if kept is None or kept[0] is not link:
            kept = self._remote[node_url] = (link, RemoteReplica(link, self._clock))
        return kept[1]

    @override
    def is_reachable(self, node_url: str) -> bool:
        """False if gossip takes the node to be dead, or its link is in trouble."""
        if node_url == self._own_url:
            return True
        return self._is_alive(node_url) and self._links.to(node_url).is_reachable

    @override
    def absence(self, node_url: str) -> str:
        if trouble := self._links.to(node_url).trouble:
            return f"it is known to be down: {trouble}"
        return f"it is known to be down: nobody has heard of it for {self._silence(node_url):.1f} s"


class RemoteGossip(GossipTransport):
    """Gossip over the same links."""

    def __init__(self, links: PeerLinks) -> None:
        self._links = links

    @override
    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        payload = convert_gossip.syn_payload(digests)
        request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_SYN, payload=payload)
        return convert_gossip.ack_from(await self._exchange(node_url, request, timeout))

    @override
    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        payload = convert_gossip.syn_payload(digests)
        request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_SYN, payload=payload)
        link = self._links.aside(node_url, address)
        try:
            return convert_gossip.ack_from(await self._exchange_over(link, request, timeout))
        finally:
            await link.close()

    @override
    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        payload = convert_gossip.ack2_payload(updates)
        request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_ACK2, payload=payload)
        await self._exchange(node_url, request, timeout)

    async def _exchange(
        self, node_url: str, request: gossip_pb2.ExchangeRequest, timeout: float
    ) -> gossip_pb2.ExchangeResponse:
        return await self._exchange_over(self._links.to(node_url), request, timeout)

    @staticmethod
    async def _exchange_over(
        link: PeerLink, request: gossip_pb2.ExchangeRequest, timeout: float
    ) -> gossip_pb2.ExchangeResponse:
        await link.wait_ready()
        allowed = link.allow(timeout)
        return await ask(
            link,
            lambda: link.stub(_gossip_stub).Exchange(request, timeout=allowed),
            allowed,
            is_quick=True,
        )


def _gossip_stub(channel: grpc.aio.Channel) -> "gossip_pb2_grpc.GossipServiceAsyncStub":
    return gossip_pb2_grpc.GossipServiceStub(channel)
