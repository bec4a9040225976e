import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limedb.core.hlc import FIRST_BALLOT
from limedb.core.record import Past, Record
from limedb.encoding.batch import all_received
from limedb.encoding.record import (
    Header,
    content,
    decode,
    encode,
    from_message,
    peek,
    received,
    to_message,
)
from limedb.errors import StoreCorruptError
from limedbpb.v1.kv_pb2 import GetResponse
from limedbpb.v1.record_pb2 import Record as Message

U64 = st.integers(0, 2**64 - 1)
RECORDS = st.builds(
    Record, st.text(min_size=1), st.one_of(st.none(), st.text(), st.binary()), U64, st.one_of(st.just(0), U64)
)


@given(RECORDS)
def test_a_record_survives_its_bytes(record: Record) -> None:
    assert decode(encode(record)) == record


@given(RECORDS)
def test_what_a_peer_sends_is_kept_as_it_is(record: Record) -> None:
    kept = received(encode(record))
    assert (kept, encode(kept)) == (record, encode(record))
    assert peek(encode(kept)) == Header(record.version, record.expires_at, record.is_tombstone)


@given(
    RECORDS.map(lambda r: r._replace(version=r.version | FIRST_BALLOT)),
    st.lists(st.builds(Past, U64, st.binary(max_size=16)), min_size=1, max_size=16),
)
def test_a_record_carries_its_lineage_in_every_form(record: Record, states: list[Past]) -> None:
    record.lineage = tuple(states)
    data = encode(record)
    assert data == to_message(record).SerializeToString()
    for kept in decode(data), received(data), from_message(Message.FromString(data)), *all_received([data]):
        assert (kept, kept.lineage, encode(kept)) == (record, record.lineage, data)
    now_ms = record.expires_at - 1 if record.expires_at else 0
    answer = GetResponse.FromString(content(record.key.encode(), data, lambda: now_ms))
    kind = answer.WhichOneof("content")
    assert (getattr(answer, kind) if kind else None) == record.value


@pytest.mark.parametrize(
    "message",
    [
        Message(),
        Message(version=1, key="k"),
        Message(version=1, value="v"),
        Message(version=1, key="k", value="v", tombstone=True),
    ],
)
def test_what_is_no_record_is_refused_from_a_peer(message: Message) -> None:
    with pytest.raises(StoreCorruptError, match="not a record"):
        received(message.SerializeToString())


@given(RECORDS)
@example(Record("k" * 128, "v" * 127, 1))
@example(Record("k", "ü" * 20_000, 1))
def test_the_bytes_are_what_protobuf_writes(record: Record) -> None:
    assert encode(record) == to_message(record).SerializeToString()


@given(RECORDS, st.integers(0, 2**64))
@example(Record("k", "v" * 128, 1), 0)
@example(Record("k", b"\xff" * 20_000, 1), 0)
@example(Record("k", "", 0), 0)
@example(Record("k", "v" * 16_383, 1), 0)
@example(Record("k" * 4096, "v" * 16_384, 1), 0)
def test_the_content_is_the_field_of_an_answer(record: Record, now_ms: int) -> None:
    field = content(record.key.encode(), encode(record), lambda: now_ms)
    answer = GetResponse.FromString(field)
    live = record.is_live(now_ms)
    assert (answer.blob if answer.WhichOneof("content") == "blob" else answer.value) == (
        record.value if live else ""
    )
    assert (answer.WhichOneof("content") is not None) == live
    assert answer.SerializeToString() == field


@pytest.mark.parametrize(
    "data",
    [
        Message(version=1, key="k", value="v", expires_at_ms=9).SerializeToString() + b"\xa2\x06\x01x",
        b"*\x01v" + Message(version=1, key="k", expires_at_ms=9).SerializeToString(),
    ],
)
def test_the_content_of_bytes_in_another_order_is_found_too(data: bytes) -> None:
    assert content(b"k", data, lambda: 8) == b"*\x01v"


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (b"other", encode(Record("k", "v", 1))),
        (b"k", encode(Record("kk", "v", 1))),
        (b"kk", encode(Record("k", "v", 1))),
        (b"k", encode(Record("k", "vv", 1))[:-1]),
        (b"k", encode(Record("k", "v" * 200, 1))[:-1]),
        (b"k", encode(Record("k", "v", 1))[:-1] + b"\xff"),
        (b"k", Message(version=1, key="k").SerializeToString()),
    ],
)
def test_the_content_of_what_is_no_record_of_the_key_is_refused(key: bytes, data: bytes) -> None:
    with pytest.raises(StoreCorruptError):
        content(key, data, lambda: 0)


@given(RECORDS)
def test_peek_returns_what_decoding_returns(record: Record) -> None:
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
