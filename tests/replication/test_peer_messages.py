"""What peers send and answer is looked at: too much, too late and what was not asked for fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from limedb.core.hlc import version_at
from limedb.core.idempotency import AgreedVersion, Proposal, WriteId
from limedb.core.key_range import KeyRange
from limedb.core.layout import EVERYTHING, Span
from limedb.core.limits import MAX_KEY_SIZE, MAX_RECORDS, MAX_SPANS, MAX_STORED_VALUE
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.core.selection import WatchFilter
from limedb.core.topology import Topology, initial_topology, leave
from limedb.errors import (
    ClockSkewError,
    InvalidRequestError,
    LimeDBError,
    OutcomeUnknownError,
    RemoteError,
    StaleEpochError,
)
from limedb.ports import Applied, ChangeBatch, IndexEntry, RangePage
from limedb.replication.checked_replicas import CheckedReplicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.peer_door import PeerDoor
from limedb.replication.replica import LocalReplica
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import START_MS, VirtualClock, run_virtual
from tests.replication.nodes import A, B, Place, member

ALONE = initial_topology("c1", 3, [member(A)])
TWO = initial_topology("c1", 3, [member(A), member(B)])
NOW, FAR = version_at(START_MS), 2**64 - 1
DEADLINE = 1e12


def door() -> tuple[PeerDoor, MemoryStore]:
    """The way in of a node that is alone in its cluster."""
    store, clock = MemoryStore(), VirtualClock()
    skew = ClockSkewGuard(clock, 500)
    return PeerDoor(
        LocalReplica(store, clock, Place(ALONE), InFlight(), 1000, skew, MemoryOperations()), skew
    ), store


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (Record("k", "v", FAR), ClockSkewError),
        (Record("k", "v", version_at(START_MS + 600_000)), ClockSkewError),
        (Record("k", None, 0), InvalidRequestError),
        (Record("k" * (MAX_KEY_SIZE + 1), "v", 1), InvalidRequestError),
        (Record("é" * (MAX_KEY_SIZE // 2 + 1), "v", 1), InvalidRequestError),
        (Record("k", bytes(MAX_STORED_VALUE + 1), 1), InvalidRequestError),
    ],
    ids=["of 2**64-1", "of +10 min", "tombstone of 0", "long key", "long key in UTF-8", "large value"],
)
def test_a_record_that_no_node_would_send_is_refused_alone_or_with_others(
    record: Record, error: type[LimeDBError]
) -> None:
    async def scenario() -> None:
        peers, store = door()
        for records in ([record], [Record("good", "v", NOW), record]):
            with pytest.raises(error):
                await peers.apply(records, ALONE.fence, DEADLINE)
        assert store.high_water() == 0

    run_virtual(scenario())


def test_what_was_stored_before_there_were_versions_and_what_is_as_large_as_can_be_is_taken() -> None:
    async def scenario() -> None:
        peers, store = door()
        records = [
            Record("old", "v", 0),
            Record("k" * MAX_KEY_SIZE, bytes(MAX_STORED_VALUE), NOW),
            Record("ahead a little", None, version_at(START_MS + 400)),
        ]
        await peers.apply(records, ALONE.fence, DEADLINE)
        assert await store.get_many([r.key for r in records]) == records

    run_virtual(scenario())


def test_messages_that_ask_for_too_much_are_refused() -> None:
    async def scenario() -> None:
        peers, _ = door()
        fence, many = ALONE.fence, MAX_RECORDS + 1
        proposal = Proposal(WriteId(b"0" * 16, 1, 1), Ballot(1, "x"), None)
        for asked in (
            peers.read(["k"] * many, fence, DEADLINE),
            peers.apply([Record("k", "v", NOW)] * many, fence, DEADLINE),
            peers.digests([EVERYTHING] * (MAX_SPANS + 1), 0, fence, DEADLINE),
            peers.entries([EVERYTHING] * (MAX_SPANS + 1), fence, DEADLINE),
            peers.agree([proposal] * many, fence, DEADLINE),
        ):
            with pytest.raises(InvalidRequestError, match="at most"):
                await asked
        with pytest.raises(ClockSkewError):
            await peers.agree([proposal._replace(terms=AgreedVersion(FAR, 0, False))], fence, DEADLINE)

    run_virtual(scenario())


@dataclass
class Peer:
    """A replica that answers what it is told to, or raises it."""

    answer: Any = None

    def __getattr__(self, name: str) -> Any:
        async def method(*_: Any) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        async def watch(*_: Any) -> Any:
            yield self.answer

        return watch if name == "watch" else method


class OnePeer:
    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def at(self, node_url: str) -> Any:
        return self.peer

    def is_reachable(self, node_url: str) -> bool:
        return True

    def absence(self, node_url: str) -> str:
        return "it is known to be down"


def ask(peer: Peer, place: Place, follow: Any = None) -> Any:
    async def nothing(claim: Topology) -> None:
        pass

    return CheckedReplicas(A, OnePeer(peer), place, follow or nothing, lambda: START_MS).at(B)


FENCE = TWO.fence
FEW = Span(token_of("a"), token_of("a"))


def state(version: int) -> Acceptor[AgreedVersion]:
    return Acceptor(Ballot(1, "x"), Ballot(1, "x"), AgreedVersion(version, 0, False))


PROPOSAL = Proposal(WriteId(b"0" * 16, 1, 1), Ballot(1, "x"), None)
WRONG: list[tuple[str, Sequence[Any], list[Any]]] = [
    (
        "read",
        (["a", "b"],),
        [[], [None], [None] * 3, [Record("b", "v", 1), None], [Record("a", "v", FAR), None]],
    ),
    ("scan", (FEW, 1), [[Record("b", "v", 1)], [Record("a", "v", FAR)], [Record("a", None, 0)]]),
    (
        "scan_range",
        (KeyRange("a", "c"), 2),
        [
            RangePage([Record("b", "v", 1), Record("a", "v", 1)], True),
            RangePage([Record("a", "v", 1)] * 2, True),
            RangePage([Record("c", "v", 1)], True),
            RangePage([Record("a", "v", 1), Record("aa", "v", 1), Record("b", "v", 1)], True),
            RangePage([Record("a", "v", FAR)], True),
            RangePage([], False),
        ],
    ),
    ("digests", ([EVERYTHING], 0), [[], [1, 2]]),
    ("entries", ([FEW],), [[IndexEntry("b", 1, 1, 0)], [IndexEntry("a", FAR, 1, 0)]]),
    ("agree", ([PROPOSAL],), [[], [None, None], [state(FAR)]]),
]


@pytest.mark.parametrize(("method", "asked", "answer"), [(m, a, w) for m, a, all_ in WRONG for w in all_])
def test_an_answer_that_was_not_asked_for_fails_the_replica(
    method: str, asked: Sequence[Any], answer: Any
) -> None:
    async def scenario() -> None:
        with pytest.raises(RemoteError, match=f"node {B}"):
            await getattr(ask(Peer(answer), Place(TWO)), method)(*asked, FENCE, DEADLINE)

    run_virtual(scenario())


@pytest.mark.parametrize(
    "applied", [[], [Applied(0, False)] * 2, [Applied(FAR, False)], [Applied(0, True, FAR)]]
)
def test_a_write_with_an_answer_that_cannot_be_is_in_doubt(applied: list[Applied]) -> None:
    async def scenario() -> None:
        with pytest.raises(OutcomeUnknownError):
            await ask(Peer(applied), Place(TWO)).apply([Record("a", "v", NOW)], FENCE, DEADLINE)

    run_virtual(scenario())


@pytest.mark.parametrize(
    "batch",
    [
        ChangeBatch([], FAR, 0, False),
        ChangeBatch([], 0, FAR, False),
        ChangeBatch([Record("other", "v", 1)], 0, 0, False),
        ChangeBatch([Record("a", "v", FAR)], 0, 0, False),
    ],
)
def test_changes_that_cannot_be_end_a_watch_of_that_node(batch: ChangeBatch) -> None:
    async def scenario() -> None:
        batches = ask(Peer(batch), Place(TWO)).watch(WatchFilter(key="a"), None, FENCE)
        with pytest.raises(RemoteError):
            await anext(batches)

    run_virtual(scenario())


def test_answers_as_asked_pass() -> None:
    async def scenario() -> None:
        a, place = Record("a", "v", version_at(START_MS + 600_000)), Place(TWO)  # clocks may be that far off
        assert await ask(Peer([a, None]), place).read(["a", "b"], FENCE, DEADLINE) == [a, None]
        assert await ask(Peer([a]), place).scan(FEW, 1, FENCE, DEADLINE) == [a]
        page = RangePage([a], False)
        assert await ask(Peer(page), place).scan_range(KeyRange("a"), 1, FENCE, DEADLINE) == page
        assert await ask(Peer([IndexEntry("a", 1, 1, 0)]), place).entries([FEW], FENCE, DEADLINE)
        assert await ask(Peer([None]), place).agree([PROPOSAL], FENCE, DEADLINE) == [None]
        assert await ask(Peer([Applied(NOW, True, NOW)]), place).apply([a], FENCE, DEADLINE)

    run_virtual(scenario())


def test_a_claim_of_a_newer_topology_is_passed_on_only_once_it_is_proven() -> None:
    async def scenario() -> None:
        place, claim = Place(TWO), leave(TWO, TWO.members[0].node_id)
        peer, seen = Peer(StaleEpochError(claim)), []

        async def follow(topology: Topology) -> None:
            seen.append(topology)

        async def prove(topology: Topology) -> None:
            place.adopt(topology)

        with pytest.raises(RemoteError, match="claims epoch 2, which isn't proven"):
            await ask(peer, place, follow).read(["a"], FENCE, DEADLINE)
        assert seen == [claim]
        with pytest.raises(StaleEpochError):
            await ask(peer, place, prove).read(["a"], FENCE, DEADLINE)

    run_virtual(scenario())
