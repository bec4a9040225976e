import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.errors import StoreCorruptError
from limedb.storage.codec import Header, decode, encode, peek
from limedbpb.v1.record_pb2 import Record as Message

U64 = st.integers(0, 2**64 - 1)
RECORDS = st.builds(
    Record, st.text(min_size=1), st.one_of(st.none(), st.text(), st.binary()), U64, st.one_of(st.just(0), U64)
)


@given(RECORDS)
def test_a_record_survives_its_bytes(record: Record) -> None:
    assert decode(encode(record)) == record


@given(RECORDS)
def test_peek_tells_what_decoding_tells(record: Record) -> None:
    assert peek(encode(record)) == Header(record.version, record.expires_at, record.is_tombstone)


def test_the_bytes_are_the_message_in_the_order_of_its_fields() -> None:
    data = encode(Record("k", "v", 1, 2))
    assert data == b"\x09" + (1).to_bytes(8, "little") + b"\x11" + (2).to_bytes(8, "little") + b'"\x01k*\x01v'
    assert encode(Record("k", None, 0)) == b'\x18\x01"\x01k'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x09\x01",
        b"not a record",
        encode(Record("k", "v", 1))[:-1],
        Message(version=1, key="k").SerializeToString(),
        Message(version=1, value="v").SerializeToString(),
        Message(version=1, key="k", value="v", tombstone=True).SerializeToString(),
        b'"\x01\xff*\x01v',
    ],
)
def test_other_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(StoreCorruptError, match="not a record"):
        decode(data)


@pytest.mark.parametrize("data", [b"", b"\x09\x01", b"not a record", b"\x11" + b"0" * 8])
def test_peek_refuses_bytes_without_a_head(data: bytes) -> None:
    with pytest.raises(StoreCorruptError, match="not a record"):
        peek(data)
