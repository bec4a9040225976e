"""What peers send is looked at: too much, and what no node would send, is refused."""

import pytest

from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.core.idempotency import AgreedVersion, Proposal, WriteId
from limedb.core.layout import EVERYTHING
from limedb.core.limits import MAX_KEY_SIZE, MAX_RECORDS, MAX_SPANS, MAX_STORED_VALUE
from limedb.core.paxos import Ballot
from limedb.core.record import Record
from limedb.core.topology import initial_topology
from limedb.errors import (
    ClockSkewError,
    InvalidRequestError,
    LimeDBError,
)
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.peer_door import PeerDoor
from limedb.replication.replica import LocalReplica
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import START_MS, VirtualClock, run_virtual
from tests.replication.nodes import A, Place, member

ALONE = initial_topology("c1", 3, [member(A)])
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


def test_sums_of_other_keys_than_are_named_are_refused() -> None:
    async def scenario() -> None:
        peers, _ = door()
        await peers.compare(["k"], bytes(16), ALONE.fence, DEADLINE)
        for sums in (b"", bytes(15), bytes(32)):
            with pytest.raises(InvalidRequestError, match="no node would send it"):
                await peers.compare(["k"], sums, ALONE.fence, DEADLINE)
            with pytest.raises(InvalidRequestError, match="no node would send it"):
                peers.compare_stored(["k"], sums, ALONE.fence)

    run_virtual(scenario())


def test_messages_that_ask_for_too_much_are_refused() -> None:
    async def scenario() -> None:
        peers, _ = door()
        fence, many = ALONE.fence, MAX_RECORDS + 1
        proposal = Proposal(WriteId(b"0" * 16, 1, 1), Ballot(1, "x"), None)
        for asked in (
            peers.read(["k"] * many, fence, DEADLINE),
            peers.compare(["k"] * many, bytes(16 * many), fence, DEADLINE),
            peers.apply([Record("k", "v", NOW)] * many, fence, DEADLINE),
            peers.digests([EVERYTHING] * (MAX_SPANS + 1), 0, fence, DEADLINE),
            peers.entries([EVERYTHING] * (MAX_SPANS + 1), fence, DEADLINE),
            peers.agree([proposal] * many, fence, DEADLINE),
            peers.promises([EVERYTHING] * (MAX_SPANS + 1), fence, DEADLINE),
        ):
            with pytest.raises(InvalidRequestError, match="at most"):
                await asked
        with pytest.raises(ClockSkewError):
            await peers.agree([proposal._replace(value=AgreedVersion(FAR, 0, False))], fence, DEADLINE)
        with pytest.raises(ClockSkewError):
            await peers.promise("k", FAR | FIRST_BALLOT, fence, DEADLINE)

    run_virtual(scenario())
