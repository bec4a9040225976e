"""Writes and their results as bytes: what the messages of the contract say, or read as these.

Tests limedb/wire/as_bytes.py, too.
"""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from limedb.client.batch_bytes import (
    deleting,
    marked,
    response_of,
    storing,
    write_request,
    write_results,
    writes_of,
)
from limedb.client.outcomes import Outcome, Stored
from limedb.core.receipt import Receipt
from limedb.errors import LimeDBError, OverloadedError
from limedb.wire.kv import batch_set_result
from limedb.wire.status import item_error
from limedbpb.v1 import kv_pb2, record_pb2

ADDRESS = "node:1"
KEYS = st.text(min_size=1, max_size=9) | st.just("k" * 200) | st.just("ü" * 64)
VALUES = st.text() | st.binary() | st.integers(126, 129).map(bytes) | st.just("v" * 20_000)
TTLS = st.just(0) | st.integers(0, 2**63)
NUMBERS = st.integers(0, 2**32 - 1)
RECEIPTS = st.builds(
    record_pb2.Receipt,
    version=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**64 - 1) | st.just(3),
    acked=NUMBERS,
    replicas=NUMBERS,
)
RESULTS = st.one_of(
    st.builds(kv_pb2.BatchSetResult, receipt=RECEIPTS, existed=st.booleans()),
    st.just(batch_set_result(OverloadedError("writes", 1, 2, 3))),
    st.just(kv_pb2.BatchSetResult()),
).map(lambda result: bytes(result.SerializeToString()))


@st.composite
def odd_results(draw: st.DrawFn) -> bytes:
    """A result as no node writes it: some other byte, cut off, fields twice, or unknown ones."""
    whole, other = draw(RESULTS), draw(RESULTS)
    place = draw(st.integers(0, len(whole)))
    byte = bytes((draw(st.integers(0, 255)),))
    return draw(
        st.sampled_from(
            [whole[:place] + byte + whole[place + 1 :], whole[:place], whole + other, whole + b"\xf8\x01\x01"]
        )
    )


def as_messages(results: list[bytes]) -> list[Outcome]:
    """The outcomes as the contract has them. DecodeError."""
    outcomes: list[Outcome] = []
    for data in results:
        result = kv_pb2.BatchSetResult.FromString(data)
        if result.HasField("error"):
            outcomes.append(item_error(ADDRESS, result.error, result.failure))
        else:
            r = result.receipt
            outcomes.append(Stored(Receipt(r.version, r.epoch, r.acked, r.replicas), result.existed))
    return outcomes


def comparable(outcomes: list[Outcome]) -> list[object]:
    return [
        (type(outcome), str(outcome)) if isinstance(outcome, LimeDBError) else (type(outcome), outcome)
        for outcome in outcomes
    ]


def held_against_messages(results: list[bytes]) -> None:
    try:
        expected = comparable(as_messages(results))
    except DecodeError:
        with pytest.raises(DecodeError):
            writes_of(ADDRESS, results)
        return
    found = writes_of(ADDRESS, results)
    assert comparable(found) == expected
    assert all(type(done.receipt) is Receipt for done in found if isinstance(done, Stored))


@given(st.lists(RESULTS, max_size=4))
def test_results_of_writes_say_what_their_messages_do(results: list[bytes]) -> None:
    held_against_messages(results)


@given(st.lists(odd_results() | RESULTS, max_size=3))
def test_odd_results_are_read_as_protobuf_reads_them_or_refused_as_it_refuses_them(
    results: list[bytes],
) -> None:
    held_against_messages(results)


@given(odd_results())
def test_the_same_odd_result_many_times_is_read_alike(result: bytes) -> None:
    held_against_messages([result] * 3)


@given(RECEIPTS, st.booleans(), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5))
def test_results_that_differ_in_their_versions_only_say_what_their_messages_do(
    receipt: record_pb2.Receipt, existed: bool, versions: list[int]
) -> None:
    results = []
    for version in versions:
        receipt.version = version
        result = kv_pb2.BatchSetResult(receipt=receipt, existed=existed)
        results.append(bytes(result.SerializeToString()))
    held_against_messages(results)


@given(KEYS, VALUES, TTLS)
def test_a_write_is_the_bytes_of_its_message(key: str, value: str | bytes, ttl_ms: int) -> None:
    content = {"value": value} if isinstance(value, str) else {"blob": value}
    message = kv_pb2.BatchWrite(key=key, ttl_ms=ttl_ms, **content)
    assert storing(key, value, ttl_ms) == message.SerializeToString(deterministic=True)


@given(KEYS)
def test_a_delete_is_the_bytes_of_its_message(key: str) -> None:
    assert deleting(key) == kv_pb2.BatchWrite(key=key, delete=True).SerializeToString(deterministic=True)


@given(KEYS, VALUES, st.binary(min_size=16, max_size=64), st.integers(0, 2**32 - 1))
def test_a_marked_write_has_its_idempotency_key_and_attempt(
    key: str, value: str | bytes, once: bytes, attempt: int
) -> None:
    write = kv_pb2.BatchWrite.FromString(marked(storing(key, value, 0), once, attempt))
    assert (write.key, write.value or write.blob or b"") == (key, value or b"")
    assert (write.idempotency_key, write.attempt) == (once, attempt)


def test_a_write_with_a_moment_has_a_time_to_live_for_old_nodes() -> None:
    for value in ("v", b"v"):
        write = kv_pb2.BatchWrite.FromString(storing("k", value, 0, 2_000_000_000_000, 1_999_999_999_000))
        assert (write.value or write.blob) == value
        assert (write.expires_at_ms, write.ttl_ms, write.ttl_is_fallback) == (2_000_000_000_000, 1000, True)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=4), st.integers(0, 9), st.integers(1, 300_000))
def test_a_request_of_writes_is_that_of_the_contract(
    writes: list[tuple[str, str | bytes]], number: int, timeout_ms: int
) -> None:
    level = record_pb2.CONSISTENCY_QUORUM
    data = write_request(number, timeout_ms, [storing(key, value, 0) for key, value in writes], level)
    request = kv_pb2.SessionRequest.FromString(data)
    assert (request.id, request.timeout_ms, request.batch_set.consistency) == (number, timeout_ms, level)
    found = [(write.key, write.value or write.blob or b"") for write in request.batch_set.writes]
    assert found == [(key, value or b"") for key, value in writes]


def test_an_answer_gives_its_results_as_bytes_and_all_else_as_the_contract_has_it() -> None:
    result = kv_pb2.BatchSetResult(receipt=record_pb2.Receipt(version=7, acked=1, replicas=1))
    answer = kv_pb2.SessionResponse(id=5, batch_set=kv_pb2.BatchSetResponse(results=[result]))
    response = response_of(answer.SerializeToString())
    assert (response.id, [*write_results(response)]) == (5, [result.SerializeToString()])
    reads = kv_pb2.BatchGetResponse(results=[kv_pb2.BatchGetResult(found=True, value="v")])
    found = response_of(kv_pb2.SessionResponse(id=6, batch_get=reads).SerializeToString())
    assert [each.value for each in found.batch_get.results] == ["v"]
    with pytest.raises(DecodeError):
        response_of(b"\x0a")
