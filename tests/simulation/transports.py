"""The ports of a node that reach other nodes, over the simulated network.

It owns what the network's failures are called in the words of the ports. It must never know more of a peer
than an answer told.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Record
from limedb.core.report import Progress
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Topology
from limedb.encoding.batch import all_received
from limedb.errors import (
    OutcomeUnknownError,
    ReplicaUnreachableError,
    RequestTimeoutError,
    UnavailableError,
)
from limedb.ports import (
    Account,
    Applied,
    ChangeBatch,
    Held,
    IndexEntry,
    KeyPromises,
    Promised,
    RangePage,
    Replica,
)
from limedb.wire import frames
from limedb.wire import replica as convert
from limedbpb.v1 import replica_pb2
from tests.simulation.network import Host, SimNetwork, UnansweredError, UnsentError
from tests.simulation.streams import stream

T = TypeVar("T")

NO_DEADLINE = 60.0  # seconds that a call lives at most, whatever was asked


class SimReplica:
    """`ports.Replica` of a peer."""

    def __init__(self, network: SimNetwork, source: Host, url: str) -> None:
        self._network, self._source, self._url = network, source, url

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        keys = tuple(keys)
        return await self._ask(
            f"read {','.join(keys)}",
            lambda r: r.read(keys, fence, self._there(deadline), most),
            deadline,
        )

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        keys = tuple(keys)
        return await self._ask(
            f"compare {','.join(keys)}",
            lambda r: r.compare(keys, sums, fence, self._there(deadline)),
            deadline,
        )

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        return await self._ask("scan", lambda r: r.scan(span, limit, fence, self._there(deadline)), deadline)

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        return await self._ask(
            "range", lambda r: r.scan_range(keys, limit, fence, self._there(deadline), keys_only), deadline
        )

    async def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        told = stream(
            self._network,
            self._source,
            self._url,
            f"watch {since_ms}",
            lambda program: _meant(program, self._url).replica.watch(what, since_ms, fence),
        )
        try:
            async with aclosing(told):
                async for batch in told:
                    yield batch
        except (UnsentError, UnansweredError) as error:
            raise ReplicaUnreachableError(self._url, str(error)) from None

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        asked = tuple(spans)
        return await self._ask(
            "digests", lambda r: r.digests(asked, cutoff_ms, fence, self._there(deadline)), deadline
        )

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        asked = tuple(spans)
        return await self._ask("entries", lambda r: r.entries(asked, fence, self._there(deadline)), deadline)

    async def agree(
        self, proposals: Sequence[Proposal], fence: Fence, deadline: float
    ) -> "list[State | None]":
        sent = tuple(proposals)
        return await self._ask("agree", lambda r: r.agree(sent, fence, self._there(deadline)), deadline)

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        async def promise(replica: Replica) -> bytes:
            promised = await replica.promise(key, ballot, fence, self._there(deadline))
            return convert.promise_response(promised).SerializeToString()

        answer = await self._ask(f"promise {key}@{ballot}", promise, deadline)
        return convert.promised_from(replica_pb2.PromiseResponse.FromString(answer))

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        await self._ask(
            f"release {key}@{ballot}",
            lambda r: r.release(key, ballot, fence, self._there(deadline)),
            deadline,
        )

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        asked = tuple(spans)
        return await self._ask(
            "promises", lambda r: r.promises(asked, fence, self._there(deadline)), deadline
        )

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        """As over the wire: records and outcomes in the form of frames."""
        body = frames.apply_body(records, fence, copied)
        sent = replica_pb2.Question.FromString(body).records

        async def apply(replica: Replica) -> bytes:
            applied = await replica.apply(all_received(sent), fence, self._there(deadline), copied)
            return frames.columns_answer(applied)

        what = "apply " + ",".join(f"{r.key}@{r.version}" for r in records)
        try:
            answer = await self._call(what, apply, deadline)
        except UnansweredError as error:
            raise OutcomeUnknownError(records[0].key, 1, 0, {self._url: str(error)}) from None
        return frames.applied_of(replica_pb2.Answer.FromString(answer))

    def _there(self, deadline: float) -> float:
        """A deadline by the clock of the peer."""
        return deadline + self._source.clock.lost - self._network.hosts[self._url].clock.lost

    async def _ask(self, what: str, handle: Callable[[Replica], Awaitable[T]], deadline: float) -> T:
        try:
            return await self._call(what, handle, deadline)
        except UnansweredError as error:
            raise ReplicaUnreachableError(self._url, str(error)) from None

    async def _call(self, what: str, handle: Callable[[Replica], Awaitable[T]], deadline: float) -> T:
        left = min(deadline - self._source.clock.monotonic(), NO_DEADLINE)
        try:
            return await self._network.call(
                self._source,
                self._url,
                what,
                lambda program: handle(_meant(program, self._url).replica),
                left,
            )
        except UnsentError as error:
            raise ReplicaUnreachableError(self._url, str(error)) from None
        except TimeoutError:
            raise RequestTimeoutError(left, self._url) from None


class SimReplicas:
    """`ports.Replicas`: the own replica is asked without a network, and is always reachable."""

    def __init__(
        self, network: SimNetwork, source: Host, own: Replica, is_alive: Callable[[str], bool]
    ) -> None:
        self._network, self._source, self._own, self._is_alive = network, source, own, is_alive

    def at(self, node_url: str) -> Replica:
        if node_url == self._source.url:
            return self._own
        return SimReplica(self._network, self._source, node_url)

    def is_reachable(self, node_url: str) -> bool:
        if node_url == self._source.url:
            return True
        return self._network.is_reachable(self._source.url, node_url) and self._is_alive(node_url)

    def absence(self, node_url: str) -> str:
        return "it is known to be down"


class _Caller:
    """Calls of which the caller learns only that they failed."""

    def __init__(self, network: SimNetwork, source: Host) -> None:
        self._network, self._source = network, source

    async def _call(self, url: str, what: str, handle: Callable[[Any], Awaitable[T]], timeout: float) -> T:
        try:
            return await self._network.call(self._source, url, what, handle, timeout)
        except (UnsentError, UnansweredError) as error:
            raise UnavailableError(f"{url}: {error}") from None
        except TimeoutError:
            raise RequestTimeoutError(timeout, url) from None


def _meant(program: Any, url: str) -> Any:
    """The program that a call reached, if it is the one that was meant. WrongNodeError."""
    program.check_meant(url)
    return program


class SimTopologyTransport(_Caller):
    """`ports.TopologyTransport`. The answering side is `program.topology`, a TopologyKeeper."""

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> Acceptor[Topology] | Topology:
        what = f"prepare {before.epoch + 1} {ballot.round}"
        return await self._call(
            node_url, what, lambda p: _meant(p, node_url).topology.prepare(before, ballot), timeout
        )

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> Acceptor[Topology] | Topology:
        what = f"accept {after.epoch} {ballot.round} {after.phase}"
        return await self._call(
            node_url, what, lambda p: _meant(p, node_url).topology.accept(before, ballot, after), timeout
        )

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        return await self._call(
            node_url, "pledge", lambda p: _meant(p, node_url).topology.pledge(founder), timeout
        )

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        what = f"learn {topology.epoch}"
        return await self._call(
            node_url, what, lambda p: _meant(p, node_url).topology.learn(topology), timeout
        )

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        async def account(program: Any) -> Account:
            found: Account = _meant(program, node_url).topology.account(after)
            return found

        return await self._call(node_url, f"account {after}", account, timeout)

    async def progress(self, node_url: str, timeout: float) -> Progress:
        async def progress(program: Any) -> Progress:
            found: Progress = _meant(program, node_url).topology.progress()
            return found

        return await self._call(node_url, "progress", progress, timeout)


class SimGossip(_Caller):
    """`ports.GossipTransport`. The answering side is `program.on_syn` and `program.on_ack2`."""

    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        told = tuple(digests)
        return await self._call(node_url, "syn", lambda p: _answer(p.on_syn, told), timeout)

    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        return await self.syn(f"http://{address}", digests, timeout)

    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        told = tuple(updates)
        await self._call(node_url, "ack2", lambda p: _answer(p.on_ack2, told), timeout)


async def _answer(answer: Callable[[Any], T], told: Any) -> T:
    return answer(told)
