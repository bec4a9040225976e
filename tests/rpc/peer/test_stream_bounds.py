"""The bounds of the stream between peers: of questions that wait, of bytes, of answers."""

import asyncio

import pytest

from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.errors import (
    RemoteError,
    ReplicaUnreachableError,
)
from limedb.rpc.peer import remote_replica as remote
from limedb.rpc.peer import stream as peer_stream
from limedb.rpc.server import peer_requests as carrier
from tests.rpc.peer.stream_peers import FENCE, Peer, soon, until


async def test_beyond_the_bound_questions_wait_in_their_order(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_stream, "MAX_QUESTIONS", 2)
    await peer.read("connected")  # who waits for a connection is woken in any order
    peer.own.begun.clear()
    keys = [f"k{i}" for i in range(6)]
    tasks = peer.begin(*keys)
    await until(lambda: len(peer.own.begun) == 2)
    for i, key in enumerate(keys):
        assert peer.own.begun == keys[: min(6, i + 2)]
        peer.own.gates[key].set()
        await tasks[i]
        await until(lambda: len(peer.own.begun) == min(6, i + 3))  # noqa: B023 (it is over by then)
    assert peer.own.begun == keys


async def test_beyond_the_bound_in_bytes_questions_wait_too(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_stream, "MAX_BYTES", 1000)
    (first,) = peer.begin("first")
    await until(lambda: peer.own.begun == ["first"])
    large = asyncio.create_task(peer.apply("large", value="v" * 2000))
    assert await asyncio.wait([large], timeout=0.05) == (set(), {large})
    assert peer.own.begun == ["first"]
    peer.own.gates["first"].set()
    await asyncio.gather(first, large)


async def test_a_write_that_was_never_sent_fails_at_its_deadline_as_unreachable(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_stream, "MAX_QUESTIONS", 1)
    (first,) = peer.begin("first")
    await until(lambda: peer.own.begun == ["first"])
    with pytest.raises(ReplicaUnreachableError, match="owes too many answers"):
        await peer.apply("second", 0.2)
    peer.own.gates["first"].set()
    await first
    assert await peer.read("third") == [None]
    assert peer.own.begun == ["first", "third"]


async def test_large_requests_are_calls_of_their_own(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BIG_BYTES", 1000)
    await peer.apply("k", value="v" * 2000)
    await peer.replica.read(["k" * 900, "k" * 901], FENCE, soon())
    await peer.read("small")
    assert peer.servicer.alone == ["Apply", "Read"]


async def test_an_answer_over_what_a_message_holds_is_refused_alone(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier, "MAX_ANSWER_BYTES", 1000)
    peer.own.stored = {"large": encode(Record("large", "v" * 2000, 1)), "k": encode(Record("k", "v", 1))}
    large, small = await asyncio.gather(peer.read("large"), peer.read("k"), return_exceptions=True)
    assert isinstance(large, RemoteError)
    assert large.reason == "RESPONSE_TOO_LARGE"
    assert small == [Record("k", "v", 1)]


async def test_answers_beyond_a_frame_come_in_several(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "FRAME_BYTES", 1000)
    monkeypatch.setattr(carrier, "MAX_READY_BYTES", 2000)
    monkeypatch.setattr(peer_stream, "FRAME_BYTES", 200)
    records = [Record(f"k{i}", "v" * 500, 1) for i in range(50)]
    peer.own.stored = {record.key: encode(record) for record in records}
    assert await asyncio.gather(*(peer.read(r.key) for r in records)) == [[record] for record in records]
    assert len(peer.servicer.frames) > 5


async def test_a_large_answer_that_was_taken_is_held_no_longer(peer: Peer) -> None:
    record = Record("large", "v" * 200_000, 1)
    peer.own.stored = {"large": encode(record)}
    assert await peer.read("large") == [record]
    await until(lambda: not peer.servicer.memory.held)
