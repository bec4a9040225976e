"""Records as bytes: they are what decoding each of them gives, or are decoded."""

from collections.abc import Callable, Iterable

from hypothesis import example, given
from hypothesis import strategies as st

from limedb.core.record import Record, RecordBatch, versions_of
from limedb.encoding.batch import KEY, TEXT, VERSION, all_received, plain_name
from limedb.encoding.record import encode, received
from limedb.errors import StoreCorruptError

U64 = st.integers(0, 2**64 - 1)
KEYS = st.text(min_size=1, max_size=20) | st.sampled_from(["k" * 127, "k" * 128, "ü" * 64, "ü" * 63])
SIZES = st.sampled_from([0, 1, 127, 128, 129, 16_383, 16_384])
VALUES = st.one_of(
    st.none(), st.text(), st.binary(), SIZES.map(lambda n: "v" * n), SIZES.map(bytes), st.just("ü" * 64)
)
RECORDS = st.builds(Record, KEYS, VALUES, U64, st.just(0) | U64)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A record's bytes, one of which is another, and some of which are missing or are there twice."""
    data = bytearray(encode(draw(RECORDS)))
    data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return draw(st.sampled_from([bytes(data), bytes(data[:cut]), bytes(data + data[cut:])]))


def outcome_of(take: Callable[[list[bytes]], Iterable[Record]], stored: list[bytes]) -> object:
    """Records with the bytes that they carry, or the refusal."""
    try:
        return [(record, record.encoded) for record in take(stored)]
    except StoreCorruptError as error:
        return str(error)


@given(st.lists(RECORDS.map(encode) | damaged(), max_size=4))
@example([b""])
@example([b"\x09" + bytes(8) + b"\x22\x01k\x2a\x81\x00v"])  # a length of one byte in two
@example([b"\x09" + bytes(8) + b"\x22\x01\xff\x2a\x01v"])
@example([b"\x09" + bytes(8) + b"\x22\x01k\x2a\x02\xed\xa0"])
@example([b"\x09" + bytes(8) + b"\x22\x01k\x32\x80\x01v"])
def test_what_a_peer_sends_is_taken_as_if_each_record_were_decoded(stored: list[bytes]) -> None:
    wanted = outcome_of(lambda each: map(received, each), stored)
    assert outcome_of(all_received, stored) == wanted
    if isinstance(wanted, list):
        assert [*versions_of(all_received(stored))] == [record.version for record, _ in wanted]


SHORT = st.builds(
    Record, st.text(min_size=1, max_size=9), st.text(max_size=30), st.integers(1, 2**64 - 1), st.just(0)
)


@given(st.lists(SHORT, min_size=1, max_size=5))
def test_short_texts_stay_bytes(records: list[Record]) -> None:
    batch = all_received([*map(encode, records)])
    assert isinstance(batch, RecordBatch)
    assert [*batch] == records
    assert batch.names == [record.key.encode() for record in records]
    assert ([*batch[1:]], batch[0], len(batch)) == (records[1:], records[0], len(records))
    for record, data in zip(batch, batch.data, strict=True):
        assert record.encoded == data == encode(Record(*record))


@given(st.lists(SHORT, min_size=1, max_size=5), st.data())
def test_batches_are_taken_apart_and_joined(records: list[Record], data: st.DataObject) -> None:
    batch = all_received([*map(encode, records)])
    assert isinstance(batch, RecordBatch)
    places = data.draw(st.lists(st.integers(0, len(records) - 1)))
    picked = batch.pick(places)
    wanted = [records[place] for place in places]
    for made, expected in (picked, wanted), (batch.joined([picked, batch]), [*records, *wanted, *records]):
        assert [*made] == expected
        assert [*made.names] == [record.key.encode() for record in expected]
        assert [*made.data] == [*map(encode, expected)]
        assert [*made.versions] == [record.version for record in expected]


@given(RECORDS)
def test_a_plain_record_is_within_the_bounds_of_a_batch(record: Record) -> None:
    data = encode(record)
    if data[0] == VERSION and (name := plain_name(data[9:], KEY, TEXT, 0x32)):
        assert name.decode() == record.key
        assert len(name) <= RecordBatch.MAX_NAME
        assert len(data) <= RecordBatch.MAX_DATA
