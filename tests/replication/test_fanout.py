"""What is known of a record when its call ends, in whichever order the last answers and the deadline come."""

from collections.abc import Callable

import pytest

from limedb.core.quorum_call import QuorumCall, Verdict
from limedb.core.record import Record
from limedb.errors import LimeDBError, OutcomeUnknownError, ReplicaUnreachableError, RequestTimeoutError
from limedb.ports import Applied
from limedb.replication.fanout import ReplicaAcks

B, C = "http://b:1", "http://c:1"
RECORD = Record("key", "value", 7)
DEADLINE = 2.0
Event = Callable[[QuorumCall[ReplicaAcks], ReplicaAcks], object]


def deadline(call: QuorumCall[ReplicaAcks], acks: ReplicaAcks) -> None:
    call.on_timer(DEADLINE)


def fails(node_url: str, error: LimeDBError) -> Event:
    return lambda call, acks: call.on_error(node_url, [acks], error)


def stores(node_url: str) -> Event:
    return lambda call, acks: call.on_answer(
        node_url, [acks], [Applied(superseded_by=0, previous=0, existed=False)]
    )


UNSENT = ReplicaUnreachableError(B, "not sent")
LATE = RequestTimeoutError(2, f"node {C}")
UNKNOWN = OutcomeUnknownError("key", 1, 0, {C: "the connection broke"})


@pytest.mark.parametrize(
    ("last", "may_be_stored"),
    [
        (fails(C, LATE), True),
        (fails(C, UNKNOWN), True),
        (stores(C), True),
        (fails(C, ReplicaUnreachableError(C, "not sent")), False),
    ],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_the_order_of_the_last_answer_and_the_deadline_changes_nothing(
    last: Event, may_be_stored: bool, is_late: bool
) -> None:
    acks = ReplicaAcks(RECORD, 2, [B, C])
    call = QuorumCall([acks], DEADLINE)
    call.start(0.0)
    fails(B, UNSENT)(call, acks)
    assert acks.may_be_stored  # nobody knows yet what C does
    for event in (deadline, last) if is_late else (last, deadline):
        event(call, acks)
    assert call.verdict is (Verdict.EXPIRED if is_late else Verdict.SETTLED)
    assert acks.may_be_stored is may_be_stored
