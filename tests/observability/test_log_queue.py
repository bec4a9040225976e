"""Log lines and a pipe that nobody reads."""

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from limedb.observability.log_queue import LogQueue
from tests.support.waiting import wait_for


class Pipe:
    """A pipe whose writing end is full."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"." * 4096)
        os.set_blocking(writing, True)
        os.set_blocking(self.reading, False)
        self.stream: TextIO = os.fdopen(writing, "w")
        self.read = ""

    def take(self) -> str:
        """All that was read so far."""
        with suppress(BlockingIOError):
            while data := os.read(self.reading, 1 << 16):
                self.read += data.decode().lstrip(".")
        return self.read


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.set_blocking(made.reading, True)
    with suppress(OSError):
        os.close(made.reading)
    with suppress(OSError):
        made.stream.close()


def test_lines_are_written_in_their_order() -> None:
    stream = io.StringIO()
    queue = LogQueue(stream)
    for number in range(1000):
        queue.put(f"line {number}")
    queue.close()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(1000)]


def test_a_full_pipe_makes_nobody_wait_and_what_is_dropped_is_counted(pipe: Pipe) -> None:
    queue = LogQueue(pipe.stream, max_lines=10)
    queue.put("first")
    wait_for("the thread to write", lambda: not queue.flush(0) and queue.waiting == 0)
    for number in range(25):  # ten find room, even without a reader
        queue.put(f"line {number}")
    assert not queue.flush(0.01)
    wait_for("all lines", lambda: "dropped" in pipe.take())
    lines = pipe.read.splitlines()
    assert lines[:11] == ["first", *(f"line {number}" for number in range(10))]
    assert lines[11] == "15 lines were dropped here: this log was not read fast enough"
    assert queue.flush()
    queue.close()


def test_many_bytes_are_dropped_as_many_lines_are(pipe: Pipe) -> None:
    queue = LogQueue(pipe.stream, max_bytes=1000)
    queue.put("first")
    wait_for("the thread to write", lambda: not queue.flush(0) and queue.waiting == 0)
    for _ in range(3):
        queue.put("x" * 400)
    wait_for("all lines", lambda: "dropped" in pipe.take())
    assert pipe.read.splitlines()[-1].startswith("1 lines were dropped")
    queue.close()


def test_an_end_waits_for_a_moment_at_most(pipe: Pipe) -> None:
    queue = LogQueue(pipe.stream)
    queue.put("never read")
    queue.close(seconds=0.05)
    assert not queue.flush(0)


def test_a_stream_that_is_gone_costs_its_lines_only() -> None:
    stream = io.StringIO()
    queue = LogQueue(stream)
    stream.close()
    queue.put("lost")
    assert queue.flush()
    queue.close()
