"""Batches in columns: the short way of a merge gives what the merge of each item gives.

Tests limedb/storage/lmdb/lookup.py, too.
"""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.encoding.batch import all_received
from limedb.encoding.record import encode
from limedb.errors import LimeDBError
from limedb.ports.applied_columns import AppliedColumns, columns_of
from limedb.storage.lmdb.layout import PREFIX_SIZE
from limedb.storage.lmdb.plan import EncodedBatch, EncodedRecord, gone, items_of, plan, plan_each
from limedb.storage.lmdb.sound import CHECKSUM, UnsoundError

NOW = 1_000
KEYS = ["a", "bb", "é", "k" * (PREFIX_SIZE + 1)]


def records(keys: Sequence[str], least: int) -> st.SearchStrategy[Record]:
    return st.builds(
        Record,
        st.sampled_from(keys),
        st.sampled_from(["a", "b", "", b"\xff", None]),
        st.integers(least, 4),
        st.sampled_from([0, 0, NOW - 1, NOW + 1]),
    )


BATCHES = st.lists(records(KEYS, 0), max_size=5)
PLAIN = st.lists(
    st.builds(Record, st.sampled_from(KEYS[:3]), st.sampled_from(["a", "é"]), st.integers(1, 4), st.just(0)),
    max_size=5,
)
"""As most batches are: values of short keys that don't expire."""
STORED = st.lists(records(KEYS, 0), max_size=4)
SOME = st.sets(st.sampled_from(KEYS[:3]))


class Held:
    """`plan.Lookup` of records in a dict; some are purged, and some damaged."""

    def __init__(
        self, stored: Sequence[Record], purged: Sequence[str] = (), damaged: Sequence[str] = ()
    ) -> None:
        items = items_of(stored)
        self._data = dict(zip(items.keys, items.data, strict=True))
        self._data |= {key.encode(): gone(key.encode()) for key in purged}
        self._damaged = {key.encode() for key in damaged}

    def of(self, item: EncodedRecord) -> bytes | None:
        return self._at(item.key)

    def of_short(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._at(key) for key in keys]

    def _at(self, key: bytes) -> bytes | None:
        if key in self._damaged:
            raise UnsoundError(CHECKSUM)
        return self._data.get(key)


def outcome(work: object, items: EncodedBatch, held: Held) -> object:
    """All that a merge gives, or its error."""
    try:
        planned = work(items, NOW, held)  # type: ignore[operator]
    except LimeDBError as error:
        return type(error), str(error)
    columns = columns_of(planned.answers)
    answers = columns.existed, columns.previous, dict(columns.superseded)
    return [*planned.writes.items()], answers, planned.live_change, planned.high_water, planned.conflicts


@given(
    st.one_of(BATCHES, PLAIN), STORED, st.sets(st.sampled_from(KEYS[:3])), st.sets(st.sampled_from(KEYS[:3]))
)
def test_a_batch_is_merged_as_item_by_item(
    given_: list[Record], stored: list[Record], purged: set[str], damaged: set[str]
) -> None:
    for batch in (given_, all_received([encode(record) for record in given_ if record.key])):
        items = items_of(batch)
        for held in Held(stored), Held(stored, [*purged]), Held(stored, (), [*damaged]):
            assert outcome(plan, items, held) == outcome(plan_each, items, held)


@given(PLAIN, SOME)
def test_newer_values_make_no_object_for_each(given_: list[Record], there: set[str]) -> None:
    held = Held([Record(key, "old", 1) for key in there])
    rising = [record._replace(version=2 + place) for place, record in enumerate(given_)]
    assert isinstance(plan(items_of(rising), NOW, held).answers, AppliedColumns)


@given(BATCHES)
def test_columns_hold_what_their_items_do(given_: list[Record]) -> None:
    items = items_of(given_)
    rows = [(item.data, item.version, item.is_tombstone) for item in items]
    assert rows == [(encode(record), record.version, record.is_tombstone) for record in given_]
    assert [items[place] for place in range(len(items))] == [*items]
    assert items.size == sum(len(data) for data, _, _ in rows)
