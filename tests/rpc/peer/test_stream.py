"""The stream between peers, over a real wire: frames, order, bounds, deadlines, and its end.

Tests limedb/rpc/peer/watchdog.py, limedb/rpc/server/deadlines.py, limedb/rpc/server/peer_requests.py and
limedb/rpc/server/replica.py.
"""

import asyncio

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.encoding.sums import sums_of
from limedb.errors import (
    NotMemberError,
    OutcomeUnknownError,
    RemoteError,
    ReplicaUnreachableError,
    RequestTimeoutError,
)
from limedb.observability.tracing import Tracing
from limedb.ports import Applied
from limedb.rpc.peer import remote_replica as remote
from limedb.rpc.peer import stream as peer_stream
from limedb.wire import frames
from limedbpb.v1 import replica_pb2
from tests.rpc.peer.stream_peers import CARRY, FENCE, Peer, made, soon, until
from tests.rpc.peers import URL
from tests.support.ports import free_port


async def test_what_is_asked_in_one_turn_goes_as_one_frame(peer: Peer) -> None:
    await peer.read("first")
    await asyncio.gather(*(peer.read(f"k{i}") for i in range(20)), *(peer.apply(f"k{i}") for i in range(20)))
    assert peer.servicer.frames == [1, 40]
    assert peer.servicer.alone == []


async def test_while_an_answer_is_awaited_questions_gather_for_one_frame(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_stream, "LINGER_SECONDS", 60.0)
    await peer.read("first")
    slow = peer.begin("slow")
    await until(lambda: peer.own.begun[-1] == "slow")
    later = []
    for i in range(5):
        later.append(asyncio.create_task(peer.read(f"k{i}")))
        await asyncio.sleep(0)
    peer.own.gates["slow"].set()
    await asyncio.gather(*slow, *later)
    assert peer.servicer.frames == [1, 1, 5]


async def test_nothing_waits_for_a_slow_question_of_its_frame_or_another(peer: Peer) -> None:
    slow = peer.begin("slow read", how="read") + peer.begin("slow write")
    assert await asyncio.gather(peer.read("quick"), peer.apply("quick")) == [[None], [Applied(0, False)]]
    assert await peer.read("later") == [None]
    assert not any(task.done() for task in slow)
    for gate in peer.own.gates.values():
        gate.set()
    assert await asyncio.gather(*slow) == [[None], [Applied(0, False)]]


APPLIED = {
    "a": Applied(0, True, 5),
    "b": Applied(9, True, 9),
    "c": Applied(0, False),
    "d": Applied(0, False, 3),
}


@pytest.mark.parametrize("is_old", [False, True], ids=["a new peer", "an old peer"])
async def test_outcomes_are_the_same_in_columns_and_of_a_peer_that_does_not_know_them(
    peer: Peer, is_old: bool
) -> None:
    peer.own.applied, peer.servicer.is_old = APPLIED, is_old
    records = [Record(key, "v", 1) for key in APPLIED]
    assert [*await peer.replica.apply(records, FENCE, soon())] == [*APPLIED.values()]
    assert [*await peer.replica.apply(records[1:2], FENCE, soon())] == [APPLIED["b"]]


@pytest.mark.parametrize("in_columns", [False, True])
async def test_only_askers_that_know_columns_get_them(peer: Peer, in_columns: bool) -> None:
    peer.own.applied = APPLIED
    async with grpc.aio.insecure_channel(peer.address) as channel:
        call = channel.stream_stream(CARRY)()
        question = replica_pb2.Question.FromString(frames.apply_body([Record("b", "v", 1)], FENCE))
        assert question.in_columns
        question.number, question.timeout_ms, question.in_columns = 9, 10_000, in_columns
        await call.write(replica_pb2.CarryRequest(questions=[question]).SerializeToString())
        (answer,) = frames.answers_of(await call.read())
        call.cancel()
    assert (len(answer.results), answer.HasField("applied")) == (0 if in_columns else 1, in_columns)
    assert [*frames.applied_of(answer)] == [APPLIED["b"]]


async def test_an_error_is_its_questions_alone(peer: Peer) -> None:
    peer.own.errors = {"bad": NotMemberError("no", ""), "bug": KeyError("bug")}
    bad, bug, good = await asyncio.gather(
        peer.read("bad"), peer.apply("bug"), peer.read("good"), return_exceptions=True
    )
    assert isinstance(bad, NotMemberError)
    assert isinstance(bug, RemoteError)
    assert (bug.reason, bug.code) == ("INTERNAL", "INTERNAL")
    assert "KeyError" not in str(bug)
    assert good == [None]


async def test_stored_bytes_come_as_they_are(peer: Peer) -> None:
    record = Record("k", b"\xff\x00", 2**64 - 1, 9)
    peer.own.stored = {"k": encode(record)}
    assert await peer.replica.read(("k", "absent"), FENCE, soon()) == [record, None]


@pytest.mark.parametrize("kind", ["compares", "has no bytes at hand", "is too old", "is asked alone"])
async def test_a_peer_says_which_records_differ_or_they_are_compared_here(
    peer: Peer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.own.compares = kind != "has no bytes at hand"
    peer.servicer.is_old = kind == "is too old"
    if kind == "is asked alone":
        monkeypatch.setattr(remote, "BIG_BYTES", 10)
    keys = ["same", "other", "only there", "only here", "nowhere"]
    own = [encode(Record("same", "v", 5)), encode(Record("other", "v", 5)), None, b"\x09here", None]
    peer.own.stored = {
        "same": encode(Record("same", "v", 5)),
        "other": encode(Record("other", "v", 6)),
        "only there": encode(Record("only there", None, 5)),
    }
    sums = sums_of(own)
    assert sums is not None
    assert [*await peer.replica.compare(keys, sums, FENCE, soon())] == [1, 2, 3]
    assert peer.servicer.alone == (["Read"] if kind == "is asked alone" else [])


async def test_a_peer_that_answers_for_other_keys_has_not_compared(peer: Peer) -> None:
    peer.servicer.is_old = True
    peer.own.read_stored = lambda *_: [None]  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="1 answers to 2 keys"):
        await peer.replica.compare(["a", "b"], bytes(32), FENCE, soon())


@pytest.mark.parametrize("data", [b"\x09\x01", encode(Record("other", "v", 1))])
async def test_what_is_stored_wrong_at_a_peer_is_its_error(peer: Peer, data: bytes) -> None:
    peer.own.stored = {"k": data}
    with pytest.raises(RemoteError) as caught:
        await peer.read("k")
    assert (caught.value.reason, caught.value.node_url) == ("STORE_CORRUPT", URL)


async def test_deadlines_are_those_of_each_question(peer: Peer) -> None:
    late, early = peer.begin("late", how="read", seconds=10), peer.begin("early", how="read", seconds=0.2)
    with pytest.raises(RequestTimeoutError, match=URL) as caught:
        await early[0]
    assert 0 < caught.value.seconds < 0.2
    (unknown,) = peer.begin("write", seconds=0.2)
    with pytest.raises(OutcomeUnknownError):
        await unknown
    assert not late[0].done()
    assert peer.own.deadlines[0] < soon(0.2)
    peer.own.gates["late"].set()
    assert await late[0] == [None]


async def test_a_question_past_its_deadline_is_not_begun(peer: Peer) -> None:
    async with grpc.aio.insecure_channel(peer.address) as channel:
        call = channel.stream_stream(CARRY)()
        body = frames.apply_body([Record("k", "v", 1)], FENCE)
        await call.write(frames.question(9, 0, body))
        (answer,) = frames.answers_of(await call.read())
        call.cancel()
    assert (answer.number, answer.refusal.kind) == (9, RequestTimeoutError.__name__)
    assert peer.own.begun == []


async def test_a_question_whose_asker_went_away_before_it_was_sent_is_not_sent(peer: Peer) -> None:
    await peer.read("first")
    gone = asyncio.create_task(peer.apply("gone"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await peer.read("last")
    assert peer.own.begun == ["first", "last"]


async def test_a_stream_that_breaks_fails_what_it_carried_at_once_and_is_begun_again(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_stream, "MAX_QUESTIONS", 2)
    read, write = peer.begin("read", how="read") + peer.begin("write")
    await until(lambda: len(peer.own.begun) == 2)
    unsent = asyncio.create_task(peer.apply("unsent"))
    await asyncio.sleep(0)
    stream = await peer.links.to(URL).stream(1)
    stream.end("broken")
    outcomes = await asyncio.gather(read, write, unsent, return_exceptions=True)
    assert [type(o) for o in outcomes] == [
        ReplicaUnreachableError, OutcomeUnknownError, ReplicaUnreachableError,
    ]  # fmt: skip
    await until(lambda: len(peer.own.ended) == 2)  # the peer gives up what it was working on
    assert await peer.read("again") == [None]
    assert await peer.links.to(URL).stream(1) is not stream


async def test_a_frame_that_is_none_ends_the_stream_and_only_that(peer: Peer) -> None:
    async with grpc.aio.insecure_channel(peer.address) as channel:
        call = channel.stream_stream(CARRY)()
        await call.write(b"\x0a\xff")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await peer.read("k") == [None]


async def test_a_peer_that_stops_answers_what_it_has_begun() -> None:
    with free_port() as port:
        peer = Peer(f"127.0.0.1:{port}")
        async with peer.serving() as server:
            (write,) = peer.begin("write")
            await until(lambda: peer.own.begun == ["write"])
            stopping = asyncio.create_task(server.stop(5))
            peer.own.gates["write"].set()
            assert await write == [Applied(0, False)]
            await stopping
        await peer.links.close()


async def test_each_request_of_a_sampled_call_is_a_call_with_a_span() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with made(tracing=Tracing(provider, lambda _parent, _method: True)) as peer:
        await peer.read("before")
        with provider.get_tracer("test").start_as_current_span("sampled"):
            await peer.read("k")
            await peer.apply("k")
        await peer.apply("after")
        assert peer.servicer.alone == ["Read", "Apply"]
        assert len(peer.servicer.frames) == 2
    names = [span.name.rpartition("/")[2] for span in spans.get_finished_spans()]
    assert names == ["Read", "Apply", "sampled"]


def test_the_numbers_of_questions_are_those_of_the_contract() -> None:
    field = replica_pb2.Question.DESCRIPTOR.fields_by_name["number"]
    assert field.type == field.TYPE_FIXED32
