"""Peers over a real wire: questions arrive, and errors come back as the same errors.

Tests limedb/rpc/peer/call.py, limedb/rpc/peer/change_stream.py, limedb/rpc/server/topology.py and
limedb/rpc/server/replica.py.
"""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from limedb.core.hlc import FIRST_BALLOT
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Past, Record, value_size
from limedb.core.report import Progress
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Member, Topology, initial_topology
from limedb.errors import (
    ClockSkewError,
    InvalidRequestError,
    LimeDBError,
    NotMemberError,
    RemoteError,
    ReplicaUnreachableError,
    RequestTimeoutError,
    StaleEpochError,
    StoreFullError,
    TopologyChangeError,
    WatchGapError,
)
from limedb.ports import Account, Applied, ChangeBatch, IndexEntry, KeyPromises, Promised, RangePage
from limedb.rpc.peer import remote_replica as remote
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.peer.remote_replica import RemoteReplica
from limedb.rpc.peer.remote_topology import RemoteTopology
from limedb.rpc.server.peer_requests import StreamResponder
from limedb.wire import replica as convert_replica
from tests.rpc.peers import URL, FakeReplica, SystemClock, servicers, serving
from tests.support.ports import free_port

FENCE = Fence("00000000000000aa", 3)
BEFORE = initial_topology("00000000000000aa", 3, [Member("a", "http://a:1")])
AFTER = initial_topology("00000000000000bb", 3, [Member("b", "http://b:1")])
RECORDS = [Record("k", "v", 5), Record("gone", None, 6), Record("b", b"\xff", 2**64 - 1, 9)]


class FakeKeeper:
    """A node's part in agreements, with prepared answers."""

    def account(self, after: int) -> Account:
        votes = Acceptor(Ballot(2, "b"), Ballot(1, "a"), AFTER)
        return Account((BEFORE, AFTER) if after else (AFTER,), votes)

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.outcome: Any = None

    async def prepare(self, before: Topology, ballot: Ballot) -> Any:
        return self._take(before, ballot)

    async def accept(self, before: Topology, ballot: Ballot, after: Topology) -> Any:
        return self._take(before, ballot, after)

    async def pledge(self, founder: str) -> Any:
        return self._take(founder)

    async def learn(self, topology: Topology) -> Any:
        return self._take(topology)

    def progress(self) -> Any:
        return self._take()

    def _take(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Peer:
    """A peer, and the ways to it."""

    def __init__(self, links: PeerLinks) -> None:
        self.own, self.keeper = FakeReplica(), FakeKeeper()
        self.replica = RemoteReplica(links.to(URL), SystemClock())
        self.topology = RemoteTopology(links)


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    with free_port() as port:
        links = PeerLinks(lambda _: f"127.0.0.1:{port}", SystemClock())
        peer = Peer(links)
        async with serving(f"127.0.0.1:{port}", *servicers(peer.own, peer.keeper)):
            yield peer
            await links.close()


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


async def test_promises_are_asked_for_taken_back_and_listed(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record("k", "v", 5 | FIRST_BALLOT)
    record.lineage = (Past(record.version, b"o" * 16), Past(0))
    spans, ballot = [Span(0, 5)], 9 << 16 | FIRST_BALLOT
    for answer in Promised(True, ballot, record), Promised(True, ballot, None), Promised(False, ballot + 1):
        peer.own.found = answer
        promised = await peer.replica.promise("k", ballot, FENCE, soon())
        assert promised == answer
        assert promised.record is None or promised.record.lineage == record.lineage
    await peer.replica.release("k", ballot, FENCE, soon())
    peer.own.found = [KeyPromises("k", (1, 2)), KeyPromises("other", (3,))]
    assert await peer.replica.promises(spans, FENCE, soon()) == peer.own.found
    assert peer.own.asked == [
        *[("promise", "k", ballot, FENCE)] * 3,
        ("release", "k", ballot, FENCE),
        ("promises", spans, FENCE),
    ]
    monkeypatch.setattr(StreamResponder, "about_promises", lambda *_: None)  # a peer that is too old
    peer.own.asked.clear()
    peer.own.found = Promised(True, ballot, record)
    assert await peer.replica.promise("k", ballot, FENCE, soon()) == peer.own.found
    await peer.replica.release("k", ballot, FENCE, soon())
    assert [asked for asked in peer.own.asked if asked[0] != "read"] == [
        ("promise", "k", ballot, FENCE),
        ("release", "k", ballot, FENCE),
    ]
    monkeypatch.undo()
    peer.own.error = StaleEpochError(AFTER)
    for asked in (
        peer.replica.promise("k", ballot, FENCE, soon()),
        peer.replica.promises(spans, FENCE, soon()),
    ):
        with pytest.raises(StaleEpochError) as caught:
            await asked
        assert caught.value.topology == AFTER


async def test_everything_that_a_replica_is_asked_arrives_with_its_fence(peer: Peer) -> None:
    spans = [Span(0, 5), Span(7, 2**64 - 1)]
    peer.own.records = {record.key: record for record in RECORDS}
    peer.own.found = [IndexEntry("k", 5, 2**64 - 1, 0), IndexEntry("gone", 6, 1, 77)]
    keys = [*peer.own.records, "absent"]
    assert await peer.replica.read(keys, FENCE, soon()) == [*RECORDS, None]
    assert [*await peer.replica.apply(RECORDS, FENCE, soon())] == [Applied(7, True, 5)] * 3
    assert await peer.replica.scan(spans[0], 9, FENCE, soon()) == RECORDS
    assert await peer.replica.digests(spans, 44, FENCE, soon()) == [2**64 - 1] * 2
    assert await peer.replica.entries(spans, FENCE, soon()) == peer.own.found
    assert peer.own.asked == [
        ("read", keys, FENCE),
        ("apply", RECORDS, FENCE),
        ("scan", spans[0], 9, FENCE),
        ("digests", spans, 44, FENCE),
        ("entries", spans, FENCE),
    ]


async def test_how_much_is_wanted_arrives(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    for big in (remote.BIG_BYTES, 0):  # over the stream, and as a call of its own
        monkeypatch.setattr(remote, "BIG_BYTES", big)
        await peer.replica.read(["k"], FENCE, soon(), 16_000)
    assert peer.own.asked == [("read", ["k"], FENCE, 16_000)] * 2


async def test_a_range_of_keys_and_what_changes_arrive(peer: Peer) -> None:
    peer.own.records = {record.key: record for record in RECORDS}
    some, all_ = KeyRange("a", "z"), KeyRange()
    for keys in (some, all_):
        assert await peer.replica.scan_range(keys, 9, FENCE, soon()) == RangePage(RECORDS, True)
    for what, since_ms in ((WatchFilter(key="k"), 0), (WatchFilter(prefix="p"), None)):
        batches = peer.replica.watch(what, since_ms, FENCE)
        assert await anext(batches) == ChangeBatch(RECORDS, 7, 5, since_ms is not None)
        assert await anext(batches) == ChangeBatch([], 8, 5, False)
        with pytest.raises(ReplicaUnreachableError):  # a watch has no end
            await anext(batches)
    assert peer.own.asked == [
        ("range", some, 9, FENCE),
        ("range", all_, 9, FENCE),
        ("watch", WatchFilter(key="k"), 0, FENCE),
        ("watch", WatchFilter(prefix="p"), None, FENCE),
    ]


@pytest.mark.parametrize("error", [StaleEpochError(AFTER), WatchGapError(77), NotMemberError("no", "")])
async def test_what_ends_the_stream_of_changes_is_what_it_was(peer: Peer, error: LimeDBError) -> None:
    peer.own.error = error
    with pytest.raises(type(error)) as caught:
        await anext(peer.replica.watch(WatchFilter(), None, FENCE))
    assert getattr(caught.value, "topology", None) == getattr(error, "topology", None)
    assert getattr(caught.value, "oldest", 0) == getattr(error, "oldest", 0)


async def test_where_only_keys_are_wanted_sizes_stand_for_values(peer: Peer) -> None:
    records = [
        Record("a", "é" * 5000, 9, 77),
        Record("b", b"\xff" * 3, 8),
        Record("c", None, 7),
        Record("d", "", 6),
    ]
    peer.own.records = {record.key: record for record in records}
    page = await peer.replica.scan_range(KeyRange(), 9, FENCE, soon(), keys_only=True)
    assert [(r.key, r.version, r.expires_at, r.is_tombstone) for r in page.records] == [
        (r.key, r.version, r.expires_at, r.is_tombstone) for r in records
    ]
    assert [value_size(r.value) for r in page.records if r.value is not None] == [10_000, 3, 0]
    assert convert_replica.range_response(page, keys_only=True).ByteSize() < 100


async def every_call(peer: Peer, fence: Fence = FENCE) -> list[BaseException]:
    """What each method of a replica raises."""
    errors = []
    for call in (
        peer.replica.read(["k"], fence, soon()),
        peer.replica.apply(RECORDS, fence, soon()),
        peer.replica.scan(Span(0, 1), 5, fence, soon()),
        peer.replica.scan_range(KeyRange(), 5, fence, soon()),
        peer.replica.digests([Span(0, 1)], 0, fence, soon()),
        peer.replica.entries([Span(0, 1)], fence, soon()),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (the caller looks)
            await call
        errors.append(caught.value)
    return errors


async def test_a_newer_topology_comes_with_the_refusal(peer: Peer) -> None:
    peer.own.error = StaleEpochError(AFTER)
    errors = await every_call(peer)
    assert [(type(e), getattr(e, "topology", None)) for e in errors] == [(StaleEpochError, AFTER)] * 6


async def test_errors_that_callers_act_on_come_back_as_they_were(peer: Peer) -> None:
    peer.own.error = NotMemberError("I belong to no cluster", "")
    errors = await every_call(peer)
    assert {type(e) for e in errors} == {NotMemberError}
    assert URL in str(errors[0])
    assert "I belong to no cluster" in str(errors[0])
    peer.own.error = ClockSkewError("the version", 900, 500)
    errors = await every_call(peer)
    assert [(type(e), e.ahead, e.limit) for e in errors if isinstance(e, ClockSkewError)] == [
        (ClockSkewError, 900, 500)
    ] * 6


async def test_a_replicas_own_error_comes_as_a_remote_one(peer: Peer) -> None:
    peer.own.error = StoreFullError("no room")
    errors = await every_call(peer)
    assert {(type(e), e.reason) for e in errors} == {(RemoteError, "STORE_FULL")}


async def test_a_request_without_a_fence_is_refused(peer: Peer) -> None:
    errors = await every_call(peer, Fence("", 0))
    assert {e.reason for e in errors} == {InvalidRequestError.reason}
    assert peer.own.asked == []


async def test_a_read_that_takes_too_long_says_so(peer: Peer) -> None:
    peer.own.delay = 5.0
    with pytest.raises(RequestTimeoutError, match=URL):
        await peer.replica.read(["k"], FENCE, soon(0.2))


async def test_nothing_is_sent_for_no_records(peer: Peer) -> None:
    assert await peer.replica.apply([], FENCE, soon()) == []
    assert peer.own.asked == []


async def test_everything_about_the_topology_arrives(peer: Peer) -> None:
    ballot, acceptor = Ballot(3, "me"), Acceptor(Ballot(3, "me"), Ballot(2, "you"), AFTER)
    for outcome in (acceptor, AFTER):
        peer.keeper.outcome = outcome
        assert await peer.topology.prepare(URL, BEFORE, ballot, 5) == outcome
        assert await peer.topology.accept(URL, BEFORE, ballot, AFTER, 5) == outcome
    assert peer.keeper.asked == [(BEFORE, ballot), (BEFORE, ballot, AFTER)] * 2
    peer.keeper.outcome = "http://a:1"
    assert await peer.topology.pledge(URL, "http://b:1", 5) == "http://a:1"
    peer.keeper.outcome = AFTER
    assert await peer.topology.learn(URL, BEFORE, 5) == AFTER
    for after in (0, 1):
        assert await peer.topology.account(URL, after, 5) == peer.keeper.account(after)
    peer.keeper.outcome = Progress(epoch=4, dead={"http://c:1": 2.5})
    assert await peer.topology.progress(URL, 5) == peer.keeper.outcome


@pytest.mark.parametrize("error", [TopologyChangeError("no"), NotMemberError("no", "")])
async def test_errors_about_the_topology_come_back_as_they_were(peer: Peer, error: Exception) -> None:
    peer.keeper.outcome = error
    with pytest.raises(type(error), match="no"):
        await peer.topology.learn(URL, BEFORE, 5)


async def test_what_is_malformed_comes_back_as_a_remote_error(peer: Peer) -> None:
    with pytest.raises(RemoteError, match="founder=''") as caught:
        await peer.topology.pledge(URL, "", 5)
    assert caught.value.reason == "INVALID_REQUEST"
