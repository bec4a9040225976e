"""Frames written by hand are, byte for byte, what protobuf writes.

Tests limedb/ports/applied_columns.py, too.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record, RecordBatch
from limedb.core.topology import Fence, Member, initial_topology
from limedb.encoding.batch import all_received
from limedb.encoding.record import decode, encode, received
from limedb.encoding.varint import varint
from limedb.errors import ClockSkewError, MalformedRequestError, RecordDamagedError, StoreCorruptError
from limedb.ports import Applied
from limedb.wire import frames
from limedb.wire.status import status_of
from limedb.wire.topology import cluster_number, fence_message, topology_message
from limedbpb.v1 import replica_pb2
from limedbpb.v1.record_pb2 import Record as Message

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(1, 2**32 - 1)
KEYS = st.one_of(st.text(min_size=1), st.sampled_from(["k" * 127, "k" * 128, "ü" * 2048, "a/b \0"]))
VALUES = st.one_of(st.none(), st.text(), st.binary(), st.sampled_from(["v" * 20_000, b"\xff" * 17_000]))
RECORDS = st.builds(Record, KEYS, VALUES, U64, st.one_of(st.just(0), U64))
FENCES = st.builds(Fence, st.integers(1, 2**64 - 1).map("{:016x}".format), st.integers(1, 2**64 - 1))
APPLIED = st.builds(Applied, st.one_of(st.just(0), U64), st.booleans(), st.one_of(st.just(0), U64))
NEWER = initial_topology(
    "00000000000000bb", 3, [Member("b", "http://b:1"), Member("c", "http://c:1", "zone")]
)


@given(st.lists(st.tuples(U32, U32, FENCES, st.lists(KEYS, max_size=5), U32), max_size=4))
def test_reads_are_what_protobuf_writes(asked: list[tuple[int, int, Fence, list[str], int]]) -> None:
    frame = b"".join(
        frames.question(n, ms, frames.read_body(keys, fence, most)) for n, ms, fence, keys, most in asked
    )
    expected = replica_pb2.CarryRequest(
        questions=[
            replica_pb2.Question(
                number=n, timeout_ms=ms, fence=fence_message(fence), keys=keys, most_bytes=most
            )
            for n, ms, fence, keys, most in asked
        ]
    )
    assert frame == expected.SerializeToString()


@given(U32, U32, FENCES, st.lists(KEYS, max_size=5), st.binary(min_size=1, max_size=300))
def test_comparisons_are_what_protobuf_writes(
    number: int, ms: int, fence: Fence, keys: list[str], sums: bytes
) -> None:
    frame = frames.question(number, ms, frames.compare_body(keys, sums, fence))
    expected = replica_pb2.Question(
        number=number, timeout_ms=ms, fence=fence_message(fence), keys=keys, sums=sums
    )
    assert frame == replica_pb2.CarryRequest(questions=[expected]).SerializeToString()


@given(U32, st.lists(st.integers(0, 20_000), max_size=200))
def test_what_was_compared_is_what_protobuf_writes(number: int, places: list[int]) -> None:
    frame = frames.answer(number, frames.compare_answer(places))
    expected = replica_pb2.Answer(number=number, is_compared=True, differing=places)
    assert frame == replica_pb2.CarryResponse(answers=[expected]).SerializeToString()


@given(U32, U32, FENCES, KEYS, U64)
def test_promises_are_what_protobuf_writes(number: int, ms: int, fence: Fence, key: str, ballot: int) -> None:
    head = {"number": number, "timeout_ms": ms, "fence": fence_message(fence)}
    promise = replica_pb2.PromiseRequest(key=key, ballot=ballot)
    release = replica_pb2.ReleaseRequest(key=key, ballot=ballot)
    frame = frames.question(number, ms, frames.promise_body(promise, fence))
    frame += frames.question(number, ms, frames.release_body(release, fence))
    questions = [replica_pb2.Question(promise=promise, **head), replica_pb2.Question(release=release, **head)]
    assert frame == replica_pb2.CarryRequest(questions=questions).SerializeToString()
    promised = replica_pb2.PromiseResponse(is_promised=True, highest=ballot, record=b"r")
    frame = frames.answer(number, frames.promise_answer(promised))
    frame += frames.answer(number, frames.release_answer())
    answers = [
        replica_pb2.Answer(number=number, promised=promised),
        replica_pb2.Answer(number=number, is_released=True),
    ]
    assert frame == replica_pb2.CarryResponse(answers=answers).SerializeToString()


@given(U32, U32, FENCES, st.lists(RECORDS, max_size=5), st.booleans())
def test_applies_are_what_protobuf_writes(
    number: int, ms: int, fence: Fence, records: list[Record], copied: bool
) -> None:
    frame = frames.question(number, ms, frames.apply_body(records, fence, copied))
    expected = replica_pb2.Question(
        number=number, timeout_ms=ms, fence=fence_message(fence), copied=copied, in_columns=True
    )
    expected.records.extend(encode(Record(*record)) for record in records)
    assert frame == replica_pb2.CarryRequest(questions=[expected]).SerializeToString()
    (question,) = replica_pb2.CarryRequest.FromString(frame).questions
    assert [received(data) for data in question.records] == records
    assert int(question.fence.cluster_id) == cluster_number(fence.cluster_id)


@given(U32, st.lists(st.one_of(st.none(), RECORDS), max_size=5))
def test_found_records_are_what_protobuf_writes(number: int, records: list[Record | None]) -> None:
    stored = [record and encode(record) for record in records]
    frame = frames.answer(number, frames.read_answer(stored))
    expected = replica_pb2.Answer(number=number, records=[data or b"" for data in stored])
    assert frame == replica_pb2.CarryResponse(answers=[expected]).SerializeToString()
    (answer,) = frames.answers_of(frame)
    assert frames.records_of([str(i) for i in range(len(records))], answer) == records


@given(U32, st.lists(APPLIED, max_size=5))
def test_results_are_what_protobuf_writes(number: int, applied: list[Applied]) -> None:
    frame = frames.answer(number, frames.apply_answer(applied))
    results = [
        replica_pb2.ApplyResult(superseded_by=a.superseded_by, existed=a.existed, previous=a.previous)
        for a in applied
    ]
    expected = replica_pb2.Answer(number=number, results=results)
    assert frame == replica_pb2.CarryResponse(answers=[expected]).SerializeToString()
    (answer,) = frames.answers_of(frame)
    assert frames.applied_of(answer) == applied


@given(U32, st.lists(APPLIED, max_size=5))
def test_columns_are_what_protobuf_writes_and_mean_what_the_results_mean(
    number: int, applied: list[Applied]
) -> None:
    frame = frames.answer(number, frames.columns_answer(applied))
    superseded = {i: each.superseded_by for i, each in enumerate(applied) if each.superseded_by}
    expected = replica_pb2.AppliedColumns(
        existed=bytes(each.existed for each in applied),
        previous=[each.previous for each in applied],
        superseded=superseded.keys(),
        superseded_by=superseded.values(),
    )
    whole = replica_pb2.Answer(number=number, applied=expected)
    assert frame == replica_pb2.CarryResponse(answers=[whole]).SerializeToString()
    (in_columns,) = frames.answers_of(frame)
    (in_results,) = frames.answers_of(frames.answer(number, frames.apply_answer(applied)))
    assert [*frames.applied_of(in_columns)] == [*frames.applied_of(in_results)] == applied


@pytest.mark.parametrize(
    "columns",
    [
        {"existed": b"\0\1", "previous": [1]},
        {"existed": b"\0", "previous": [1], "superseded": [0]},
        {"existed": b"\0", "previous": [1], "superseded_by": [5]},
        {"existed": b"\0", "previous": [1], "superseded": [1], "superseded_by": [5]},
        {"existed": b"\0", "previous": [1], "superseded": [0], "superseded_by": [0]},
        {"existed": b"\0\0", "previous": [1, 1], "superseded": [1, 0], "superseded_by": [5, 5]},
        {"existed": b"\0\0", "previous": [1, 1], "superseded": [1, 1], "superseded_by": [5, 6]},
    ],
    ids=["lengths", "no version", "no place", "no such place", "no newer one", "falling", "twice"],
)
def test_columns_that_do_not_fit_together_are_refused(columns: dict[str, Any]) -> None:
    """Else a refusal could pass for an acknowledgement."""
    with pytest.raises(StoreCorruptError, match="don't fit"):
        frames.applied_of(replica_pb2.Answer(applied=replica_pb2.AppliedColumns(**columns)))


def test_errors_are_what_protobuf_writes() -> None:
    status = status_of(ClockSkewError("wörds", 900, 500))
    frame = frames.answer(3, frames.newer_answer(NEWER)) + frames.answer(
        4, frames.refusal_answer(status, "ClockSkewError", "900 500")
    )
    refusal = replica_pb2.Refusal(
        code=14,
        kind="ClockSkewError",
        message=status.message,
        facts="900 500",
        details=status.details,
    )
    expected = [
        replica_pb2.Answer(number=3, newer=topology_message(NEWER)),
        replica_pb2.Answer(number=4, refusal=refusal),
    ]
    assert frame == replica_pb2.CarryResponse(answers=expected).SerializeToString()


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2**21, 2**28, 2**32 - 1])
def test_lengths_are_varints(length: int) -> None:
    assert b"\x08" + varint(length) == (replica_pb2.Refusal(code=length).SerializeToString() or b"\x08\x00")


@given(RECORDS, st.binary(max_size=40))
def test_fields_that_this_version_does_not_know_are_stored_and_sent_on(record: Record, more: bytes) -> None:
    """A later version's field 100, of bytes."""
    data = encode(record) + b"\xa2\x06" + varint(len(more)) + more
    kept = received(data)
    assert kept == record
    assert encode(kept) == data


def test_a_record_in_another_order_is_stored_in_the_order_of_its_fields() -> None:
    """Else equal records of two replicas would have unequal checksums."""
    record = Record("k", "v", 7)
    assert encode(received(b'*\x01v"\x01k\x09' + (7).to_bytes(8, "little"))) == encode(record)


@pytest.mark.parametrize("data", [b"", b"\x09\x01", Message(version=1, key="k").SerializeToString()])
def test_what_is_no_record_is_not_taken(data: bytes) -> None:
    with pytest.raises(StoreCorruptError):
        received(data)


def test_what_is_no_frame_is_malformed() -> None:
    with pytest.raises(MalformedRequestError):
        frames.answers_of(b"\x0a\xff")


PLAIN = st.builds(Record, st.text(min_size=1, max_size=9), st.text(max_size=30), U32, st.just(0))


@given(st.lists(st.lists(PLAIN, min_size=1, max_size=3), min_size=1, max_size=3), FENCES, FENCES)
def test_a_batch_is_written_once_for_all_peers_and_joined_of_what_is_written(
    shares: list[list[Record]], one: Fence, other: Fence
) -> None:
    first, *others = (all_received([*map(encode, share)]) for share in shares)
    assert isinstance(first, RecordBatch)
    batch = first.joined([each for each in others if isinstance(each, RecordBatch)])
    records = [record for share in shares for record in share]
    for fence in one, other:
        assert frames.apply_body(batch, fence) == frames.apply_body(records, fence)
        assert frames.apply_body(first, fence) == frames.apply_body(shares[0], fence)
    sent = first.sent
    frames.apply_body(first, one)
    assert first.sent is sent


def test_a_record_is_written_down_once_for_all_peers() -> None:
    record = Record("k", "v" * 1000, 7)
    frames.apply_body([record], Fence("00000000000000aa", 1))
    first = record.encoded
    frames.apply_body([record], Fence("00000000000000aa", 2))
    assert record.encoded is first


def test_a_damaged_record_is_neither_a_record_nor_absent() -> None:
    damaged = RecordDamagedError(("b",), "rot")
    frame = frames.answer(1, frames.read_answer([encode(Record("a", "1", 1)), damaged, None]))
    (answer,) = frames.answers_of(frame)
    initial_topology = frames.records_of(["a", "b", "c"], answer)
    assert (initial_topology[0], initial_topology[2]) == (Record("a", "1", 1), None)
    assert isinstance(initial_topology[1], RecordDamagedError)
    with pytest.raises(StoreCorruptError):  # what a version does that doesn't know of it
        [decode(data) if data else None for data in answer.records]
