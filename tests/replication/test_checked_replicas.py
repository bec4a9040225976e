"""What peers answer is looked at: what was not asked for, and what can't be, fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from limedb.core.hlc import version_at
from limedb.core.idempotency import AgreedVersion, Proposal, WriteId
from limedb.core.key_range import KeyRange
from limedb.core.layout import EVERYTHING, Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.promises import MAX_BALLOTS
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.core.selection import WatchFilter
from limedb.core.topology import Topology, initial_topology, leave
from limedb.errors import (
    OutcomeUnknownError,
    RemoteError,
    StaleEpochError,
)
from limedb.ports import Applied, ChangeBatch, IndexEntry, KeyPromises, Promised, RangePage
from limedb.replication.checked_replicas import CheckedReplicas
from tests.cluster.virtual import START_MS, run_virtual
from tests.replication.nodes import A, B, Place, member

TWO = initial_topology("c1", 3, [member(A), member(B)])
NOW, FAR = version_at(START_MS), 2**64 - 1
DEADLINE = 1e12


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
    ("compare", (["a", "b"], bytes(32)), [[2], [0, 7]]),
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
    (
        "promise",
        ("a", NOW),
        [
            Promised(False, NOW - 1),
            Promised(True, FAR),
            Promised(True, NOW, Record("b", "v", 1)),
            Promised(True, NOW, Record("a", "v", NOW)),
        ],
    ),
    (
        "promises",
        ([FEW],),
        [
            [KeyPromises("b", (1,))],
            [KeyPromises("a", (FAR,))],
            [KeyPromises("a", (2, 1))],
            [KeyPromises("a", tuple(range(MAX_BALLOTS + 1)))],
        ],
    ),
]


@pytest.mark.parametrize(("method", "asked", "answer"), [(m, a, w) for m, a, all_ in WRONG for w in all_])
def test_an_answer_that_was_not_asked_for_fails_the_replica(
    method: str, asked: Sequence[Any], answer: Any
) -> None:
    async def scenario() -> None:
        with pytest.raises(RemoteError, match=f"node {B}"):
            await getattr(ask(Peer(answer), Place(TWO)), method)(*asked, FENCE, DEADLINE)

    run_virtual(scenario())


@pytest.mark.parametrize("applied", [[], [Applied(0, False)] * 2, [Applied(0, True, FAR)]])
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
        for promised in Promised(False, NOW), Promised(True, NOW), Promised(True, NOW, Record("a", "v", 1)):
            assert await ask(Peer(promised), place).promise("a", NOW, FENCE, DEADLINE) == promised
        listed = [KeyPromises("a", (1, 2))]
        assert await ask(Peer(listed), place).promises([FEW], FENCE, DEADLINE) == listed
        assert await ask(Peer([Applied(NOW, True, NOW)]), place).apply([a], FENCE, DEADLINE)

    run_virtual(scenario())


@pytest.mark.parametrize("refused", [Applied(FAR, False), Applied(FAR, True, FAR)], ids=["promise", "record"])
def test_a_write_that_is_refused_for_a_time_that_cannot_be_leaves_no_other_in_doubt(refused: Applied) -> None:
    async def scenario() -> None:
        records = [Record("a", "v", NOW), Record("b", "v", NOW)]
        answers = await ask(Peer([refused, Applied(0, False)]), Place(TWO)).apply(records, FENCE, DEADLINE)
        assert [*answers] == [refused, Applied(0, False)]

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
