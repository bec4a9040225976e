"""Lines in chunks: all of them, as they come, and what breaks off."""

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from limedb.bulk import chunks
from limedb.bulk.chunks import Chunks
from limedb.bulk.items import Item, Line, Place
from limedb.bulk.pipe import Pipe
from limedb.errors import BulkError


def line(number: int) -> Line:
    return Line(number, Place(number, number), Item(f"k{number}", "v"))


async def collect(source: Chunks, taken: list[Line]) -> None:
    async for chunk in source.read():
        taken += chunk


async def test_all_lines_come_in_order_and_in_chunks_of_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "IDLE_SECONDS", 60)  # a reading thread that is held up isn't idle
    lines = [line(n) for n in range(1234)]
    taken = [chunk async for chunk in Chunks(iter(lines)).read() if chunk]
    assert [one for chunk in taken for one in chunk] == lines
    assert max(map(len, taken)) == chunks.BATCH


async def test_what_came_before_an_error_comes_and_then_the_error() -> None:
    def broken() -> Iterator[Line]:
        yield line(1)
        raise BulkError("no further")

    taken: list[Line] = []
    with pytest.raises(BulkError, match="no further"):
        await collect(Chunks(broken()), taken)
    assert taken == [line(1)]


async def test_what_came_is_there_while_nothing_more_comes() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Line]:
        yield line(1)
        assert go_on.wait(20)
        yield line(2)

    taken = []
    async for chunk in Chunks(slow()).read():
        taken += chunk
        if chunk == [line(1)]:
            go_on.set()
    assert taken == [line(1), line(2)]


@pytest.mark.parametrize("is_broken", [False, True])
async def test_what_came_last_while_the_one_who_takes_it_was_busy_is_not_lost(is_broken: bool) -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Line]:
        yield line(1)
        assert go_on.wait(20)
        yield line(2)
        if is_broken:
            raise BulkError("no further")

    taken = list[Line]()
    with pytest.raises(BulkError) if is_broken else nullcontext():
        async for chunk in Chunks(slow()).read():
            taken += chunk
            if chunk == [line(1)]:
                go_on.set()
                reading = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
                await asyncio.wait(reading)  # to its end
    assert taken == [line(1), line(2)]


def test_a_pipe_is_read_to_its_end() -> None:
    source, sink = os.pipe()
    with os.fdopen(sink, "wb") as out:
        out.write(b"a\nb\n")
    with io.BufferedReader(Pipe(io.FileIO(source))) as pipe:
        assert pipe.readlines() == [b"a\n", b"b\n"]


async def test_a_pipe_that_is_stopped_is_at_its_end_for_who_waits() -> None:
    source, sink = os.pipe()
    pipe = Pipe(io.FileIO(source))
    with os.fdopen(sink, "wb"), io.BufferedReader(pipe) as lines:
        waiting = asyncio.create_task(asyncio.to_thread(lines.readline))
        assert not (await asyncio.wait((waiting,), timeout=0.1))[0]
        pipe.stop()
        assert await asyncio.wait_for(waiting, 10) == b""
