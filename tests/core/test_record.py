"""Records: the laws of merge, and what counts as a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record, is_expired, merge, value_size

values = st.one_of(st.none(), st.sampled_from(["", "a", "b", "é"]), st.sampled_from([b"", b"a", b"\xff"]))
records = st.builds(
    Record, key=st.just("k"), value=values, version=st.integers(0, 3), expires_at=st.sampled_from([0, 1, 5])
)


@given(records, records)
def test_merge_is_commutative(a: Record, b: Record) -> None:
    assert merge(a, b) == merge(b, a)


@given(records, records, records)
def test_merge_is_associative(a: Record, b: Record, c: Record) -> None:
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)


@given(records)
def test_merge_is_idempotent(a: Record) -> None:
    assert merge(a, a) == a


@given(records, records)
def test_merge_invents_nothing(a: Record, b: Record) -> None:
    assert merge(a, b) in (a, b)


def test_the_newer_version_stands_even_against_a_tombstone() -> None:
    old, new = Record("k", None, 1), Record("k", "back", 2)

    assert merge(old, new) is new


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (Record("k", None, 1), Record("k", "z", 1)),
        (Record("k", "b", 1), Record("k", "a", 1)),
        (Record("k", b"a", 1), Record("k", "a", 1)),
        (Record("k", "a", 1, expires_at=0), Record("k", "a", 1, expires_at=9)),
        (Record("k", "a", 1, expires_at=9), Record("k", "a", 1, expires_at=8)),
    ],
    ids=["tombstone", "larger value", "bytes", "no expiry", "later expiry"],
)
def test_equal_versions_are_decided(winner: Record, loser: Record) -> None:
    assert merge(winner, loser) == merge(loser, winner) == winner


def test_records_of_two_keys_do_not_merge() -> None:
    with pytest.raises(ValueError, match="'a', 'b'"):
        merge(Record("a", "", 1), Record("b", "", 1))


def test_a_record_lives_until_its_expiry() -> None:
    record = Record("k", "v", 1, expires_at=1000)

    assert record.is_live(999)
    assert not record.is_live(1000)
    assert Record("k", "", 1).is_live(1 << 62)
    assert is_expired(1000, 1000)
    assert not is_expired(0, 1000)


def test_a_tombstone_is_not_live_and_an_empty_value_is_no_tombstone() -> None:
    assert Record("k", None, 1).is_tombstone
    assert not Record("k", None, 1).is_live(0)
    assert not Record("k", "", 1).is_tombstone


def test_a_value_has_the_size_of_its_bytes() -> None:
    assert (value_size("é"), value_size(b"\x00\x01\x02"), value_size("")) == (2, 3, 0)
