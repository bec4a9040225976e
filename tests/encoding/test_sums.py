"""Sums of records: the same for the same record, others for all others."""

from hypothesis import assume, example, given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.encoding.record import encode, stored_form
from limedb.encoding.sums import ABSENT, SUM_SIZE, Found, differing, sums_of
from limedb.errors import RecordDamagedError

VALUES = st.one_of(st.none(), st.text(max_size=20), st.binary(max_size=20))
VERSIONS = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1))
RECORDS = st.builds(
    Record, st.sampled_from(["k", "key", "k" * 200]), VALUES, VERSIONS, st.integers(0, 2**64 - 1)
)
HELD = st.one_of(st.none(), RECORDS, st.just(RecordDamagedError(("k",), "rot")))


def stored(held: list[Record | RecordDamagedError | None]) -> list[Found]:
    return [*map(stored_form, held)]


@given(st.lists(st.tuples(HELD, HELD), max_size=6))
@example([(Record("k", "v", 0), Record("k", "v", 0))])  # fewer than nine bytes
def test_what_differs_is_found_and_nothing_else(
    pairs: list[tuple[Record | RecordDamagedError | None, Record | RecordDamagedError | None]],
) -> None:
    own, peers = stored([a for a, _ in pairs]), stored([b for _, b in pairs])
    sums = sums_of(own)
    if sums is None:
        assert any(isinstance(data, RecordDamagedError) for data in own)
        return
    assert len(sums) == SUM_SIZE * len(own)
    expected = [i for i, (a, b) in enumerate(zip(own, peers, strict=True)) if a != b]
    assert differing(peers, sums) == expected


@given(RECORDS, st.integers(1, 2**64 - 1))
def test_records_of_two_versions_differ_whatever_their_checksums_are(record: Record, version: int) -> None:
    assume(record.version not in (0, version))
    ours, theirs = (
        sums_of([encode(record)]),
        sums_of([encode(Record(*record[:2], version, record.expires_at))]),
    )
    assert ours is not None
    assert theirs is not None
    assert ours[8:] != theirs[8:]


def test_nothing_stored_has_the_sum_of_nothing_else() -> None:
    assert sums_of([None, b""]) == ABSENT * 2
    assert differing([encode(Record("k", None, 1))], ABSENT) == [0]


def test_a_damaged_record_has_no_sum() -> None:
    damaged = RecordDamagedError(("k",), "rot")
    assert sums_of([None, damaged]) is None
    assert differing([None, damaged], ABSENT * 2) == [1]
