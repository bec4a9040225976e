"""The watchman's problems with late turns and with memory."""

import asyncio
import time
from collections.abc import Callable

from limedb.observability.machine import give_back, machine_memory, own_memory_reader
from limedb.observability.watchman import FORGET_SECONDS, KEPT_BYTES, STUCK_SECONDS, TIMES, Watchman

MOST = 400 << 20


class Process:
    """A process whose memory is what a test says. Returning it leaves `kept`."""

    def __init__(self) -> None:
        self.used = self.kept = 50 << 20
        self.trimmed = asyncio.Event()

    def read(self) -> int:
        return self.used

    def trim(self) -> None:
        self.used = self.kept
        self.trimmed.set()


def watching(process: Process | None = None) -> Watchman:
    process = process or Process()
    return Watchman(MOST, process.read, process.trim)


def test_a_late_turn_is_reported_for_a_while_and_does_not_stop_the_node() -> None:
    watched = watching()
    watched.note_turn(1.0, 0.01)
    assert not [*watched.problems()]
    watched.note_turn(2.0, 0.9)
    (problem,) = watched.problems()
    assert "took 0.9 s" in problem.text
    assert not problem.stops_serving
    watched.note_turn(2.1 + FORGET_SECONDS, 0.0)
    assert not [*watched.problems()]


def test_a_node_that_is_stuck_again_and_again_does_not_serve_until_it_is_not() -> None:
    watched = watching()
    for n in range(TIMES):
        assert not any(problem.stops_serving for problem in watched.problems())
        watched.note_turn(float(n), STUCK_SECONDS)
    assert [problem.stops_serving for problem in watched.problems()] == [True]
    watched.note_turn(TIMES + FORGET_SECONDS, 0.0)
    assert not [*watched.problems()]


def test_memory_is_short_when_the_process_has_grown_beyond_what_it_keeps_and_requests_may_have() -> None:
    process = Process()
    watched = watching(process)
    process.used += KEPT_BYTES
    assert not watched.is_short()
    process.used += MOST // 2
    assert watched.is_short()


async def test_freed_memory_is_returned_in_time() -> None:
    process = Process()
    watched = Watchman(MOST, process.read, process.trim)
    watched._trim_at = time.monotonic()  # as if it had run for TRIM_SECONDS
    process.used *= 10
    running = asyncio.create_task(watched.run())
    async with asyncio.timeout(10):
        await process.trimmed.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert process.used == process.kept


def test_the_process_and_the_machine_can_be_read() -> None:
    read: Callable[[], int] = own_memory_reader()
    before = read()
    kept = bytearray(64 << 20)
    assert read() >= before + len(kept) - (1 << 20)
    assert machine_memory() > read()
    give_back()
