"""The decision on a write is the merge of two records, told as a change: held for all pairs."""

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record, merge
from limedb.encoding.record import encode, peek
from limedb.ports import Applied
from limedb.storage.merge import decide, is_live

NOW = 1_000
RECORDS = st.builds(
    Record,
    st.just("k"),
    st.sampled_from([None, "a", "b", b"\xff"]),
    st.integers(1, 3),
    st.sampled_from([0, NOW - 1, NOW, NOW + 1]),
)


@given(RECORDS, RECORDS)
def test_it_writes_just_what_the_merge_leaves(given_: Record, stored: Record) -> None:
    writes, change, applied = decide(given_, stored, lambda: stored, NOW)
    left = given_ if writes else stored
    assert left == merge(stored, given_)
    assert change == stored.is_tombstone - left.is_tombstone
    assert applied.existed == is_live(stored, NOW)
    overtaken = left != given_
    assert applied == Applied(stored.version if overtaken else 0, applied.existed, stored.version)


@given(RECORDS, RECORDS)
def test_the_head_of_a_stored_record_is_enough(given_: Record, stored: Record) -> None:
    header = peek(encode(stored))
    assert decide(given_, header, lambda: stored, NOW) == decide(given_, stored, lambda: stored, NOW)


@given(RECORDS)
def test_a_key_without_a_record_takes_any(given_: Record) -> None:
    assert decide(given_, None, lambda: given_, NOW) == (
        True,
        int(not given_.is_tombstone),
        Applied(0, False),
    )
