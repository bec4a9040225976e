"""A BatchSet as bytes: its writes are what the messages of the contract say, or are read as these."""

from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.errors import MalformedRequestError
from limedb.replication.requests import Write
from limedb.wire.batch_set import batch_write_of, plain_writes, request_class
from limedb.wire.kv import batch_write_from
from limedbpb.v1 import kv_pb2
from tests.encoding.test_batch import KEYS, SIZES

MOST = 20_000
CONTENTS = st.one_of(
    st.fixed_dictionaries({"value": st.text() | SIZES.map(lambda n: "v" * n) | st.just("ü" * 64)}),
    st.fixed_dictionaries({"blob": st.binary() | SIZES.map(bytes)}),
    st.fixed_dictionaries({"delete": st.booleans()}),
    st.just({}),
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "ttl_ms": st.integers(0, 2**64 - 1),
        "expires_at_ms": st.integers(0, 2**64 - 1),
        "idempotency_key": st.binary(max_size=70),
        "attempt": st.integers(0, 9),
    },
)
ITEMS = st.builds(
    lambda key, content, extra: kv_pb2.BatchWrite(key=key, **content, **extra),
    KEYS | st.just(""),
    CONTENTS,
    st.just({}) | EXTRAS,
)


@st.composite
def odd_items(draw: st.DrawFn) -> bytes:
    """The bytes of a write as no library writes them: fields in another order or twice, unknown ones, or some
    other byte.
    """
    item = draw(ITEMS)
    whole = bytes(item.SerializeToString())
    key = kv_pb2.BatchWrite(key=item.key).SerializeToString()
    place = draw(st.integers(0, len(whole)))
    return draw(
        st.sampled_from(
            [
                whole.removeprefix(key) + key,
                whole + key + whole[len(key) :],
                whole + b"\xf8\x01\x01",
                whole[:place],
                whole[:place] + bytes((draw(st.integers(0, 255)),)) + whole[place + 1 :],
            ]
        )
    )


PLAIN = st.builds(
    lambda key, value: bytes(kv_pb2.BatchWrite(key=key, value=value).SerializeToString()),
    st.text(min_size=1, max_size=5),
    st.text(max_size=5),
)
DATA = ITEMS.map(lambda item: bytes(item.SerializeToString())) | odd_items()


@given(st.lists(DATA | PLAIN, max_size=3))
def test_plain_writes_are_those_of_the_messages_and_are_stored_as_these(items: list[bytes]) -> None:
    plain = plain_writes(items, MOST)
    if plain is None:
        return
    messages = [kv_pb2.BatchWrite.FromString(item) for item in items]
    writes = [batch_write_from(m, m.WhichOneof("content") or "") for m in messages]
    assert all(m.WhichOneof("content") in ("value", "blob") for m in messages)
    assert [*plain] == writes == [Write(write.key, write.value) for write in writes]
    assert len({write.key for write in writes}) == len(writes)
    versions = range(1, 1 + len(items))
    wanted = [
        Record(write.key, write.value, version) for write, version in zip(writes, versions, strict=True)
    ]
    stamped = plain.stamped(versions)
    assert [*stamped] == wanted
    assert [*stamped.data] == [encode(record) for record in wanted]
    assert [*stamped.names] == [record.key.encode() for record in wanted]


@pytest.mark.parametrize(
    "item",
    [
        kv_pb2.BatchWrite(key="k", value="v"),
        kv_pb2.BatchWrite(key="k", value=""),
        kv_pb2.BatchWrite(key="ü" * 63, value="ü" * 8191),
        kv_pb2.BatchWrite(key="k" * 127, blob=b"\xff" * 16_383),
    ],
)
def test_short_texts_and_blobs_are_plain(item: kv_pb2.BatchWrite) -> None:
    assert plain_writes([item.SerializeToString()], MOST) is not None


@pytest.mark.parametrize(
    "item",
    [
        kv_pb2.BatchWrite(value="v"),
        kv_pb2.BatchWrite(key="k"),
        kv_pb2.BatchWrite(key="k" * 128, value="v"),
        kv_pb2.BatchWrite(key="k", value="v" * 16_384),
        kv_pb2.BatchWrite(key="k", delete=True),
        kv_pb2.BatchWrite(key="k", value="v", ttl_ms=1),
        kv_pb2.BatchWrite(key="k", value="v", expires_at_ms=1),
        kv_pb2.BatchWrite(key="k", value="v", idempotency_key=b"x"),
        kv_pb2.BatchWrite(key="k", value="v", attempt=1),
    ],
)
def test_whatever_else_takes_the_whole_way_with_its_batch(item: kv_pb2.BatchWrite) -> None:
    usual = kv_pb2.BatchWrite(key="usual", value="v").SerializeToString()
    assert plain_writes([usual], MOST) is not None
    assert plain_writes([usual, item.SerializeToString()], MOST) is None


def test_two_writes_of_a_key_and_a_value_that_may_be_too_large_take_the_whole_way() -> None:
    item = kv_pb2.BatchWrite(key="k", value="v" * 10).SerializeToString()
    assert plain_writes([item, item], MOST) is None
    assert plain_writes([item], 10) is None


@given(st.lists(DATA, max_size=3), st.integers(0, 4), st.integers(0, 9))
def test_requests_are_read_as_those_of_the_contract(items: list[bytes], level: int, number: int) -> None:
    messages = []
    for item in items:
        with suppress(DecodeError):
            messages.append(kv_pb2.BatchWrite.FromString(item))
    asked = kv_pb2.BatchSetRequest(writes=messages, consistency=level)  # type: ignore[arg-type]
    session = kv_pb2.SessionRequest(id=number, timeout_ms=5, batch_set=asked)
    read = request_class(kv_pb2.BatchSetRequest.DESCRIPTOR).FromString(asked.SerializeToString())
    within = request_class(kv_pb2.SessionRequest.DESCRIPTOR).FromString(session.SerializeToString())
    assert within.batch_set == read  # type: ignore[attr-defined]
    assert read.consistency == level  # type: ignore[attr-defined]
    assert [batch_write_of(item) for item in read.writes] == messages  # type: ignore[attr-defined]
    assert within.SerializeToString() == session.SerializeToString()
    assert request_class(kv_pb2.GetRequest.DESCRIPTOR) is kv_pb2.GetRequest


def test_a_write_that_is_no_message_is_refused() -> None:
    with pytest.raises(MalformedRequestError, match="text in it must be UTF-8"):
        batch_write_of(b"\x0a\x01\xff")
