"""Answers joined from stored bytes are, byte for byte, what protobuf writes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.errors import KeyNotFoundError, RecordDamagedError, StoreFullError
from limedb.replication.requests import Found, Written, WrittenBatch
from limedb.rpc.server import answers
from limedb.wire import kv as convert
from limedbpb.v1 import kv_pb2

URL = "http://node1:8484"
NOW = 1_000

U64 = st.integers(1, 2**64 - 1)
KEYS = st.one_of(st.text(min_size=1, max_size=9), st.sampled_from(["k" * 127, "k" * 128, "ü" * 2048]))
VALUES = st.one_of(st.none(), st.text(), st.binary(), st.sampled_from(["", "v" * 128, "v" * 20_000]))
RECORDS = st.builds(Record, KEYS, VALUES, U64, st.sampled_from([0, NOW, NOW + 1]))
WRITTEN = st.builds(
    Written, U64, st.booleans(), st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 2**40)
)


def found(record: Record) -> Found | None:
    """The expected answer to a client about a record."""
    if record.value is None or not record.is_live(NOW):
        return None
    return Found(record.value, URL, b"", record.version, record.expires_at)


def result_of(outcome: Found | StoreFullError | None) -> kv_pb2.BatchGetResult:
    return kv_pb2.BatchGetResult() if outcome is None else convert.batch_get_result(outcome)


@given(RECORDS)
@example(Record("k", "", 1))
@example(Record("k", "", 0))
def test_a_get_is_what_protobuf_writes(record: Record) -> None:
    if (told := found(record)) is None:
        with pytest.raises(KeyNotFoundError):
            answers.get_answer(record.key, encode(record), lambda: NOW, URL)
    else:
        answer = answers.get_answer(record.key, encode(record), lambda: NOW, URL)
        assert answer == convert.get_response(told).SerializeToString()


def test_what_is_not_stored_is_not_found() -> None:
    with pytest.raises(KeyNotFoundError, match="key not found"):
        answers.get_answer("k", b"", lambda: NOW, URL)


@given(st.lists(st.tuples(RECORDS, st.booleans()), max_size=5))
def test_a_batch_of_gets_is_what_protobuf_writes(asked: list[tuple[Record, bool]]) -> None:
    keys = [record.key for record, _ in asked]
    stored = [encode(record) if is_stored else None for record, is_stored in asked]
    told = [found(record) if is_stored else None for record, is_stored in asked]
    expected = kv_pb2.BatchGetResponse(results=[result_of(each) for each in told])
    assert answers.batch_get_answer(keys, stored, lambda: NOW) == expected.SerializeToString()


@given(RECORDS.filter(lambda record: record.value is not None), st.booleans())
def test_a_get_of_several_replicas_is_what_protobuf_writes(record: Record, is_at_hand: bool) -> None:
    assert record.value is not None
    told = Found(record.value, URL, encode(record) if is_at_hand else b"", record.version, record.expires_at)
    assert answers.found_answer(record.key, told) == convert.get_response(told).SerializeToString()


@given(st.lists(st.tuples(RECORDS, st.booleans()), max_size=5))
def test_a_batch_of_gets_of_several_replicas_is_what_protobuf_writes(
    asked: list[tuple[Record, bool]],
) -> None:
    told = [
        StoreFullError("no room") if r.value == "" else KeyNotFoundError(r.key) if r.value is None
        else Found(r.value, URL, encode(r) if is_at_hand else b"", r.version, r.expires_at)
        for r, is_at_hand in asked
    ]  # fmt: skip
    keys = [record.key for record, _ in asked]
    results = [result_of(None if isinstance(each, KeyNotFoundError) else each) for each in told]
    expected = kv_pb2.BatchGetResponse(results=results)
    assert answers.batch_get_answer(keys, told, lambda: NOW) == expected.SerializeToString()


def test_what_is_damaged_is_an_error_of_its_key_alone() -> None:
    stored = [encode(Record("a", "1", 1)), RecordDamagedError(("b",), "rotten"), b"\xff", None]
    answer = answers.batch_get_answer(["a", "b", "c", "d"], stored, lambda: NOW)
    results = kv_pb2.BatchGetResponse.FromString(answer).results
    assert [(r.found, r.value) for r in results] == [(True, "1"), (False, ""), (False, ""), (False, "")]
    assert [r.failure.kind for r in results] == ["", "RecordDamagedError", "StoreCorruptError", ""]


@given(WRITTEN)
def test_a_set_is_what_protobuf_writes(written: Written) -> None:
    expected = kv_pb2.SetResponse(receipt=convert.receipt(written))
    assert answers.set_answer(written) == expected.SerializeToString()


@given(st.lists(st.one_of(WRITTEN, st.just(StoreFullError("no room"))), max_size=5))
def test_a_batch_of_sets_is_what_protobuf_writes(outcomes: list[Written | StoreFullError]) -> None:
    expected = kv_pb2.BatchSetResponse(results=[convert.batch_set_result(each) for each in outcomes])
    assert answers.batch_set_answer(outcomes) == expected.SerializeToString()


@given(
    st.lists(st.tuples(U64, st.booleans()), max_size=5),
    st.integers(0, 2**31),
    st.integers(0, 2**31),
    st.integers(0, 2**40),
)
def test_receipts_of_one_batch_are_what_protobuf_writes(
    each: list[tuple[int, bool]], acked: int, replicas: int, epoch: int
) -> None:
    batch = WrittenBatch([v for v, _ in each], bytes(had for _, had in each), acked, replicas, epoch)
    written = [Written(version, had, acked, replicas, epoch) for version, had in each]
    assert [*batch] == written
    assert [*batch[1:]] == written[1:]
    expected = kv_pb2.BatchSetResponse(results=[convert.batch_set_result(one) for one in written])
    assert answers.batch_set_answer(batch) == expected.SerializeToString()
