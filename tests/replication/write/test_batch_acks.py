"""Records that share a count have the outcomes that each of them would have alone.

Tests limedb/ports/applied_columns.py, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limedb.core.quorum import Side
from limedb.core.quorum_call import QuorumCall
from limedb.core.record import Record
from limedb.core.topology import Topology
from limedb.errors import (
    ClockSkewError,
    LimeDBError,
    OutcomeUnknownError,
    ReplicaUnreachableError,
    StaleEpochError,
    StoreFullError,
)
from limedb.ports import Applied
from limedb.ports.applied_columns import columns_of
from limedb.replication.fanout import Acks, ReplicaAcks
from limedb.replication.write.batch_acks import BatchAcks

NODES = ["a", "b", "c", "d"]
OWN, NEWER, FAR = 100, 200, 1 << 63
DEADLINE = 10.0
ERRORS: list[LimeDBError] = [
    ReplicaUnreachableError("a", "gone"),
    OutcomeUnknownError("k", 1, 0, {"a": "no answer"}),
    StaleEpochError(Topology()),
    StoreFullError("no room"),
]
TOO_FAR = ClockSkewError("the version of a record", FAR, 500)
KNOWN_DOWN = ReplicaUnreachableError("a", "it is known to be down")
STORED = st.builds(Applied, st.just(0), st.booleans(), st.sampled_from([0, 7, 8, OWN]))
OVERTAKEN = st.sampled_from([NEWER, NEWER + 1, FAR]).map(lambda version: Applied(version, True, version))
APPLIED = st.one_of(STORED, STORED, OVERTAKEN)

Event = tuple[str, Sequence[Applied] | LimeDBError]
"""A node, and what it answers to each record, or its error; or the deadline."""


Play = tuple[int, int, list[str], list[Event]]
"""How many records, the acknowledgements that each needs, the nodes known to be down, and the events."""


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """Where the owners change, `need` is of either side."""
    records, need = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    down = draw(st.lists(st.sampled_from(NODES), unique=True, max_size=4 - need))
    answers = st.lists(APPLIED, min_size=records, max_size=records)
    outcomes: st.SearchStrategy[Any] = st.one_of(answers, answers, st.sampled_from(ERRORS))
    order = draw(st.permutations([*(url for url in NODES if url not in down), "deadline"]))
    return records, need, down, [(url, draw(outcomes)) for url in order]


def believable(version: int) -> None:
    if version == FAR:
        raise TOO_FAR


class Way:
    """Records on their way: together, or each by itself."""

    def __init__(self, all_acks: Sequence[Acks[Any]], down: Sequence[str]) -> None:
        self.all_acks, self.reported = all_acks, set[str]()
        for url in down:
            for acks in all_acks:
                acks.skip(url, KNOWN_DOWN)
        self.call = QuorumCall(all_acks, DEADLINE, stale_ends_all=False)
        self.asked = self.call.start(0.0)
        self.hinted: list[tuple[str, str]] = []

    def hear(self, url: str, outcome: Sequence[Applied] | LimeDBError) -> None:
        more: Mapping[str, list[Any]] = {}
        if not self.asked:
            return  # too few are there for a side
        if url == "deadline":
            more = self.call.on_timer(DEADLINE)
        elif isinstance(outcome, LimeDBError):
            more = self.call.on_error(url, self.asked[url], outcome)
        else:
            share, start, answers = self.asked[url], 0, list[object]()
            for acks in share:
                answers.append(acks.answer_in(columns_of(outcome), start))
                start += len(acks.records)
            more = self.call.on_answer(url, share, answers)
        assert not more
        for acks in self.all_acks:
            self.hinted += [(node, record.key) for node, records in acks.hints() for record in records]


def shown(one: ReplicaAcks) -> dict[str, object]:
    names = (
        "needed total acks failures waiting missed needs_hint stale is_held is_unsure superseded_by previous"
        " existed is_enough is_decided may_be_stored"
    )
    sides = [(members, quorum.acks, quorum.failures, quorum.need) for members, quorum in one.sides]
    return {name: getattr(one, name) for name in names.split()} | {"sides": sides}


def both(
    records: int, need: int, down: Sequence[str], *, judges: bool, changes: bool
) -> tuple[Way, BatchAcks, Way, list[ReplicaAcks]]:
    targets = [url for url in NODES if url not in down]
    judge = believable if judges else None
    sides = [Side(tuple(NODES[:3]), min(need, 2)), Side(tuple(NODES[1:]), min(need, 2))] if changes else []
    all_records = [Record(f"k{i}", "v", OWN) for i in range(records)]
    batch = BatchAcks(all_records, need, targets, judge, sides)
    together = Way([batch], down)
    batch.on_quorum = lambda: together.reported.update(
        record.key for i, record in enumerate(all_records) if i not in batch.apart
    )
    batch.on_apart = lambda i: together.reported.add(all_records[i].key)
    singles = [ReplicaAcks(record, need, targets, (), judge, sides) for record in all_records]
    alone = Way(singles, down)
    for one in singles:
        one.on_quorum = lambda key=one.record.key: alone.reported.add(key)
    return together, batch, alone, singles


@given(plays(), st.booleans(), st.booleans())
@example(
    (2, 2, [], [("a", [Applied(0, True, 7), Applied(NEWER, True, NEWER)]), ("b", ERRORS[0])]), True, False
)
@example(
    (1, 2, [], [("a", [Applied(FAR, True, FAR)]), ("b", [Applied(0, False)]), ("c", [Applied(0, True, 7)])]),
    True,
    False,
)
@example(
    (
        2,
        2,
        [],
        [
            ("a", [Applied(0, False), Applied(FAR, True, FAR)]),
            ("b", [Applied(0, False), Applied(FAR, True, FAR)]),
            ("c", [Applied(NEWER, True, NEWER), Applied(0, False)]),
            ("d", ERRORS[0]),
        ],
    ),
    True,
    False,
)  # the first is settled while the second is not, and overtaken after that
def test_each_record_has_the_outcome_that_it_has_alone(play: Play, judges: bool, changes: bool) -> None:
    records, need, down, events = play
    together, batch, alone, singles = both(records, need, down, judges=judges, changes=changes)
    for url, outcome in events:
        together.hear(url, outcome)
        alone.hear(url, outcome)
        assert together.reported == alone.reported
        assert together.call.verdict == alone.call.verdict
        assert sorted(together.hinted) == sorted(alone.hinted)
    if batch.is_enough:
        previous, existed = batch.before()
        for i, one in enumerate(singles):
            if i not in batch.apart:
                assert (previous[i], bool(existed[i])) == (one.previous, one.existed)
                assert (batch.acks, one.superseded_by) == (one.acks, 0)
    for i, one in enumerate(singles):
        assert shown(batch.of(i)) == shown(one)


def test_one_that_is_overtaken_holds_up_nobody_and_is_not_counted_with_the_others() -> None:
    batch = BatchAcks([Record(f"k{i}", "v", OWN) for i in range(3)], 2, NODES[:3], believable)
    done: list[str] = []
    batch.on_quorum = lambda: done.append("the others")
    call = QuorumCall([batch], DEADLINE, stale_ends_all=False)
    asked = call.start(0.0)
    stored, far = Applied(0, False), Applied(FAR, True, FAR)
    call.on_answer("a", asked["a"], [columns_of([stored, far, stored])])
    call.on_answer("b", asked["b"], [columns_of([stored, stored, stored])])
    assert done == ["the others"]
    assert call.verdict is None  # the second has one acknowledgement, and may get another
    call.on_answer("c", asked["c"], [columns_of([stored, stored, stored])])
    assert batch.apart[1].is_enough
    assert call.verdict is not None


@pytest.mark.parametrize(
    "applied",
    [[], [Applied(0, False)], [Applied(0, True, 5), Applied(9, True, 9), Applied(0, False)]],
    ids=["nothing", "one", "three"],
)
def test_columns_hold_what_they_were_made_of(applied: list[Applied]) -> None:
    in_columns = columns_of(applied)
    assert [*in_columns] == applied
    assert columns_of(in_columns) is in_columns
    for start in range(len(applied)):
        assert [*in_columns[start:]] == applied[start:]
        assert in_columns[start - len(applied)] == applied[start]
