"""Batches in columns: the short way of a merge gives what the merge of each item gives.

Tests limedb/storage/lmdb/lookup.py, too.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.encoding.batch import all_received
from limedb.encoding.record import encode
from limedb.errors import LimeDBError
from limedb.ports.applied_columns import AppliedColumns, columns_of
from limedb.storage.lmdb.env import open_tables
from limedb.storage.lmdb.layout import PREFIX_SIZE, index_key
from limedb.storage.lmdb.lookup import StoredRecords
from limedb.storage.lmdb.plan import EncodedBatch, EncodedRecord, gone, items_of, plan, plan_each
from limedb.storage.lmdb.sound import CHECKSUM, UnsoundError
from limedb.storage.lmdb.writer import write_items
from limedb.storage.seal import sealed

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


def found(look: Callable[[], object]) -> object:
    """What a look-up finds, or why it can't be believed."""
    try:
        return look()
    except UnsoundError as error:
        return error.why


def test_many_keys_are_found_as_each_of_them(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    kept = [Record(key, key, 7) for key in ("plain", "newer", "newest", "torn", "lost", "moved", "é" * 60)]
    kept += [Record("expires", "v", 7, NOW), Record("deleted", None, 7), Record("old", "v", 0)]
    items = items_of(kept)
    write_items(tables, dict(zip(items.keys, items.data, strict=True)), len(kept), 7)
    with tables.env.begin(write=True, db=tables.main) as txn:
        txn.put(b"torn", txn.get(b"torn")[:-1] + b"?")
        txn.delete(b"lost")
        txn.put(b"moved", sealed(encode(Record("mover", "v", 9))))
        txn.put(index_key("moved", b"moved"), b"", db=tables.tokens)
    newest, newer = {b"newest": b"1", b"purged": gone(b"purged")}, {b"newest": b"2", b"newer": b"3"}
    keys = [*items.keys, b"purged", b"absent"]
    with tables.env.begin(db=tables.main) as txn:
        stored = StoredRecords(tables, txn, newest, newer)
        alone = [found(lambda key=key: stored.of(EncodedRecord(key, b"", 0, False))) for key in keys]  # type: ignore[misc]
        assert [found(lambda key=key: stored.of_short([key])[0]) for key in keys] == alone  # type: ignore[misc]
        sound = [(key, data) for key, data in zip(keys, alone, strict=True) if not isinstance(data, str)]
        assert stored.of_short([key for key, _ in sound]) == [data for _, data in sound]
    assert [key for key, data in zip(keys, alone, strict=True) if isinstance(data, str)] == [
        b"torn",
        b"lost",
        b"moved",
    ]
    tables.env.close()
