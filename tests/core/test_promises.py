"""The rules of promises, for every order of events.

A model of a replica keeps what its promises allow; whatever happens, nothing is stored below a promise that
still counts.
"""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.core.promises import FLOOR_MS, KEPT_MS, MAX_BALLOTS, Promises, floor_at
from limedb.core.record import Record
from limedb.encoding.batch import all_received
from limedb.encoding.record import encode

KEY = "k"


def ballot(ms: int) -> int:
    return version_at(ms, FIRST_BALLOT)


class Step(NamedTuple):
    kind: str
    at: int


steps = st.lists(
    st.builds(Step, st.sampled_from(["promise", "write", "release"]), st.integers(1, 12)), max_size=40
)


@given(steps)
def test_nothing_is_stored_below_a_promise_whose_write_may_still_come(events: list[Step]) -> None:
    promises, stored, outstanding = Promises(), 0, dict[int, int]()
    for kind, at in events:
        version = ballot(at)
        if kind == "promise":
            known = max(promises.top(KEY), stored)
            assert promises.add(KEY, version, stored) is (version > known)
            if version > known:
                outstanding[version] = stored  # what it saw
        elif kind == "release":
            promises.release(KEY, version)
            outstanding.pop(version, None)
        elif not promises.refused([Record(KEY, "v", version)], 0, copied=False):
            stored = max(stored, version)
        for promised, seen in outstanding.items():
            assert stored >= promised or stored == seen, "a record came between"


@given(steps)
def test_the_highest_promise_stays_in_force_after_it_was_reached(events: list[Step]) -> None:
    """Rule G: what arrives below it later is known to be overtaken."""
    promises, kept = Promises(), set[int]()
    for kind, at in events:
        version = ballot(at)
        if kind == "promise" and promises.add(KEY, version, 0):
            kept.add(version)
        elif kind == "release" and version in kept:
            promises.release(KEY, version)
            kept.discard(version)
        if kept:
            assert promises.top(KEY) == max(kept)
            assert promises.blocks(KEY, max(kept) - 1)
            assert not promises.blocks(KEY, max(kept))


@given(st.lists(st.integers(1, 50), unique=True, max_size=20), st.lists(st.integers(1, 50), max_size=20))
def test_promises_of_another_replica_are_added(own: list[int], others: list[int]) -> None:
    promises = Promises({KEY: tuple(sorted(own))} if own else {})
    promises.take_over(KEY, others)
    assert promises.of(KEY) == tuple(sorted({*own, *others}))
    assert not promises.take_over(KEY, others)


def test_other_keys_are_not_refused_in_either_form_of_records() -> None:
    promises = Promises({KEY: (ballot(9),)})
    records = [Record(KEY, "a", ballot(8)), Record("other", "b", ballot(1)), Record(KEY, "c", ballot(9))]
    batch = all_received([encode(record) for record in records])
    assert not isinstance(batch, list)
    assert promises.refused(records, 0, copied=False) == promises.refused(batch, 0, copied=True)
    assert promises.refused(records, 0, copied=False) == {0: ballot(9)}
    assert promises.refused(batch[1:2], 0, copied=False) == {}


def test_a_replica_that_lost_its_promises_refuses_what_is_older_than_that() -> None:
    promises = Promises(floor=floor_at(1000))
    old, new = Record(KEY, "v", version_at(1000)), Record(KEY, "v", version_at(1002))

    assert promises.refused([old, new], 1000, copied=False) == {0: version_at(1001)}
    assert promises.refused([old, new], 1000, copied=True) == {0: version_at(1001)}
    assert promises.refused([old, new], 1002 + FLOOR_MS, copied=False) == {0: version_at(1001)}
    assert promises.refused([old, new], 1002 + FLOOR_MS, copied=True) == {}
    assert not promises.add(KEY, ballot(1000), 0)
    assert promises.add(KEY, ballot(1001), 0)


def test_what_was_overtaken_long_ago_may_be_forgotten_and_what_nothing_reached_may_not() -> None:
    promises, late = Promises({KEY: (ballot(5),)}), 6 + KEPT_MS

    assert promises.is_over(KEY, ballot(5), late)
    assert not promises.is_over(KEY, ballot(5), late - 2)
    assert not promises.is_over(KEY, ballot(4), late)


def test_of_the_promises_that_were_overtaken_the_last_is_kept() -> None:
    promises = Promises({KEY: (ballot(1), ballot(2), ballot(3))})
    assert promises.add(KEY, ballot(5), ballot(2))
    assert promises.of(KEY) == (ballot(2), ballot(3), ballot(5))


def test_a_key_has_a_bounded_number_of_promises() -> None:
    promises = Promises()
    made = [promises.add(KEY, ballot(i), 0) for i in range(1, MAX_BALLOTS + 3)]
    assert made == [True] * MAX_BALLOTS + [False] * 2
    assert promises.add(KEY, ballot(1000), ballot(500))
